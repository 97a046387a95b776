"""Lines to copy that open a volume elsewhere, for those who may know where it lies."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from core_app.models import User
from viewers_app import rights
from viewers_app.models import AtlasLayer, Layer


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines for one program."""

    program: str
    needs: str
    code: str


@dataclass(frozen=True, slots=True)
class Copied:
    """All snippets of one volume."""

    layer: Layer
    path: str
    snippets: tuple[Snippet, ...]


CLOUD_VOLUME = """from cloudvolume import CloudVolume

volume = CloudVolume({address!r}, mip=0, progress=False)
print(volume.shape, volume.resolution)  # (x, y, z, channel), nm
middle = int(volume.shape[2] // 2)
plane = volume[:, :, middle][:, :, 0, 0]  # (x, y)
"""
TENSORSTORE = """import tensorstore as ts

volume = ts.open(
    {{"driver": "neuroglancer_precomputed", "kvstore": {{"driver": "file", "path": {folder!r}}}}}
).result()
print(volume.domain)  # (x, y, z, channel)
plane = volume[:, :, volume.shape[2] // 2, 0].read().result()  # (x, y)
"""
NAPARI = """import napari
import tensorstore as ts

volume = ts.open(
    {{"driver": "neuroglancer_precomputed", "kvstore": {{"driver": "file", "path": {folder!r}}}}}
).result()
viewer = napari.Viewer()
viewer.add_{kind}(volume[..., 0].T, name={name!r}, scale={scale_um!r})  # (z, y, x), µm
napari.run()
"""
FIJI = """import tensorstore as ts
import tifffile

volume = ts.open(
    {{
        "driver": "neuroglancer_precomputed",
        "kvstore": {{"driver": "file", "path": {folder!r}}},
        "scale_index": 0,  # whole resolution; 1, 2 and so on are smaller
    }}
).result()
stack = volume[..., 0].T.read().result(){as_type}  # (z, y, x)
x, y, z = {voxel_um!r}  # µm; those of a smaller scale are larger
spacing = {{"axes": "ZYX", "spacing": z, "unit": "um"}}
tifffile.imwrite({file!r}, stack, imagej=True, resolution=(1 / x, 1 / y), metadata=spacing)
# Then in Fiji: File > Open...
"""


def of_layers(layers: Iterable[Layer], *, to: User) -> list[Copied]:
    """Return the snippets of those volumes whose place this person may know."""
    return [_copied(layer) for layer in layers if rights.may_see_path(to, layer)]


def _copied(layer: Layer) -> Copied:
    folder = str(layer.folder.under(settings.DATA_ROOT))
    if not isinstance(layer, AtlasLayer) and layer.product.layer_type == "annotation":
        return Copied(layer, folder, ())  # points, which these programs do not read
    words = {
        "address": f"precomputed://file://{folder}",
        "folder": f"{folder}/",
        "name": layer.name,
        "kind": "labels" if _is_labels(layer) else "image",
        "scale_um": _voxel_um(layer)[::-1],
        "voxel_um": _voxel_um(layer),
        "as_type": '.astype("float32")' if _is_labels(layer) else "",
        "file": f"{layer.folder.name}.tif",
    }
    return Copied(
        layer,
        folder,
        (
            Snippet(
                "Python, cloud-volume", "pip install cloud-volume", CLOUD_VOLUME.format(**words)
            ),
            Snippet("Python, tensorstore", "pip install tensorstore", TENSORSTORE.format(**words)),
            Snippet("napari", 'pip install "napari[all]" tensorstore', NAPARI.format(**words)),
            Snippet("Fiji", "pip install tensorstore tifffile", FIJI.format(**words)),
        ),
    )


def _is_labels(layer: Layer) -> bool:
    if isinstance(layer, AtlasLayer):
        return layer.part == AtlasLayer.Part.ANNOTATION
    return layer.product.layer_type == "segmentation"


def _voxel_um(layer: Layer) -> tuple[float, ...]:
    """Voxel size along x, y, z."""
    if isinstance(layer, AtlasLayer):
        return layer.atlas.voxel_um
    return tuple(float(nm) / 1000 for nm in layer.product.voxel_nm_xyz)
