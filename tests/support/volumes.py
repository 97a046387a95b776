"""Small real volumes in the books and on disk, that the client can draw."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.conf import settings
from django.core.management import call_command

from imaging_app.models import ImagingChannel
from pipeline.cells.annotations import Layer, write_layer
from processing_app.models import Atlas, Cluster, ProcessingRequest, Product, Run, Step
from tests.support.processed import an_installed_atlas
from viewers_app.models import AtlasLayer, DataLayer
from viewers_app.services import layers

VOXEL_NM = (100_000, 100_000, 100_000)


def write_volume(folder: Path, voxels: np.ndarray, voxel_nm: Sequence[int] = VOXEL_NM) -> None:
    """Write voxels (z, y, x) as a precomputed volume of one chunk."""
    z, y, x = voxels.shape
    size = [x, y, z]
    scale = {
        "key": "full", "size": size, "resolution": [*voxel_nm], "voxel_offset": [0, 0, 0],
        "chunk_sizes": [size], "encoding": "raw",
    }  # fmt: skip
    kind = "segmentation" if voxels.dtype == np.uint32 else "image"
    info: dict[str, object] = {
        "@type": "neuroglancer_multiscale_volume", "type": kind, "num_channels": 1,
        "data_type": voxels.dtype.name, "scales": [scale],
    }  # fmt: skip
    (folder / "full").mkdir(parents=True)
    if kind == "segmentation":
        info["segment_properties"] = "segment_properties"
        _name_regions(folder / "segment_properties", voxels)
    (folder / "full" / f"0-{x}_0-{y}_0-{z}").write_bytes(voxels.tobytes())
    (folder / "info").write_text(json.dumps(info))


def _name_regions(folder: Path, labels: np.ndarray) -> None:
    folder.mkdir()
    ids = [str(id) for id in np.unique(labels) if id]
    names = {"id": "label", "type": "label", "values": [f"Region {id}" for id in ids]}
    document = {
        "@type": "neuroglancer_segment_properties",
        "inline": {"ids": ids, "properties": [names]},
    }
    (folder / "info").write_text(json.dumps(document))


def a_volume(
    channel: ImagingChannel,
    voxels: np.ndarray,
    *,
    kind: str = "raw",
    side: str = "",
    processing: ProcessingRequest | None = None,
) -> DataLayer:
    """Publish voxels (z, y, x) as a product of this channel."""
    folder = f"{channel.resolution.imaging_request.folder}/viz/{kind}/{channel.pk}{side}"
    write_volume(settings.DATA_ROOT / folder, voxels)
    return _published(channel, folder, voxels.shape[::-1], kind=kind, side=side, run=processing)


def cells_at(channel: ImagingChannel, places: np.ndarray, shape: Sequence[int]) -> DataLayer:
    """Publish points (n, 3) in voxels x, y, z as the cells of this channel."""
    folder = f"{channel.resolution.imaging_request.folder}/viz/cells/{channel.pk}"
    target = settings.DATA_ROOT / folder
    target.mkdir(parents=True)
    x, y, z = shape
    values = {"score": ("How sure", np.ones(len(places), np.float32))}
    points = Layer((x, y, z), VOXEL_NM, places.astype(np.float32), values)
    write_layer(target, points)
    return _published(channel, folder, shape, kind="cells", side="", run=None)


def _published(
    channel: ImagingChannel,
    folder: str,
    shape: Sequence[int],
    *,
    kind: str,
    side: str,
    run: ProcessingRequest | None,
) -> DataLayer:
    made_by, _ = Run.objects.get_or_create(
        imaging_request=channel.resolution.imaging_request, pipeline=kind, pipeline_version="1",
        processing_request=run, cluster=Cluster.objects.get(name="default"),
    )  # fmt: skip
    step = Step.objects.create(
        run=made_by, position=made_by.steps.count(), key=f"{kind}-{channel.pk}{side}",
        name="precompute", label=kind, product={"kind": kind, "channel": channel.pk, "side": side},
    )  # fmt: skip
    Product.objects.create(
        step=step, kind=kind, path=folder, channel=channel, side=side, dtype="uint16",
        shape_xyz=[*shape], voxel_nm_xyz=[*VOXEL_NM], window_low=0, window_high=1000,
        facts={"orientation": "sagittal"} if kind == "registered" else {},
    )  # fmt: skip
    layers.publish_new_products()
    return DataLayer.objects.get(product__step=step)


def an_atlas_with_pictures(name: str = "pictured") -> dict[str, AtlasLayer]:
    """Return the layers of an installed atlas by their part; of its files only the pictures."""
    atlas = Atlas.objects.filter(name=name).first() or an_installed_atlas(name)
    for part in AtlasLayer.Part:
        layer, _ = AtlasLayer.objects.get_or_create(
            atlas=atlas, part=part, facts={"thumbnail": "thumbnail.png", "window": [0, 9]}
        )
        folder = settings.DATA_ROOT / str(layer.folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "thumbnail.png").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    return {layer.part: layer for layer in atlas.layers.all()}


def the_phantom_atlas() -> Atlas:
    """Install the invented brain, with its volumes for the viewer."""
    call_command("import_atlas", "--phantom", verbosity=0)
    return Atlas.objects.exclude(checksum="").get()


def registered_with(atlas: Atlas, channel: ImagingChannel, *, number: int = 1) -> ProcessingRequest:
    """Return a round of processing that wants this channel's place registered with the atlas."""
    wanted, _ = ProcessingRequest.objects.get_or_create(
        imaging_request=channel.resolution.imaging_request, number=number
    )
    wanted.resolutions.update_or_create(
        resolution=channel.resolution, ventral_up=channel.ventral_up, defaults={"atlas": atlas}
    )
    return wanted
