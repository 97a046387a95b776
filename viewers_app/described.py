"""From layers of the database to the plain facts that recipes and the client's state need."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings

from processing_app.models import Atlas, ProcessingResolution, Product
from viewers_app.models import AtlasLayer, DataLayer, Layer
from viewers_app.recipes import ANNOTATION_PART
from viewers_app.rooted import open_below
from viewers_app.selectors import orientation_of, unique_names
from viewers_app.specs import IMAGE, SEGMENTATION, LayerSpec, Template, ViewerSpec

# Written by the step that makes regions viewable, beside the volume.
COLORS_FILE = "segment_colors.json"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
MOST_BYTES = 4_000_000


def spec_of(
    title: str,
    rows: Sequence[Layer],
    template: Template | None = None,
    overlaid: frozenset[str] | None = None,
) -> ViewerSpec:
    """Return what the client is told, with the facts of the products as they are now."""
    layers = described(rows, with_colors=True)
    orientation = orientation_of(rows[0]) if rows else "horizontal"
    return ViewerSpec(title, layers, orientation, template or Template(), overlaid)


def described(rows: Sequence[Layer], *, with_colors: bool = False) -> tuple[LayerSpec, ...]:
    """Return the facts of each layer, in their order. The colors of regions are read from disk."""
    atlases = atlases_of(row.product for row in rows if isinstance(row, DataLayer))
    return tuple(
        _described(layer, name, atlases, with_colors=with_colors)
        for layer, name in zip(rows, unique_names(rows), strict=True)
    )


def atlases_of(products: Iterable[Product]) -> dict[int, Atlas]:
    """Return {id of a registered product: the atlas of its round, objective and side up}.

    One whose grid is not the atlas's is left out: the atlas was replaced since.
    """
    registered = [x for x in products if x.kind == Product.Kind.REGISTERED]
    rounds = {x.step.run.processing_request_id for x in registered}
    rows = ProcessingResolution.objects.filter(processing_request__in=rounds - {None})
    chosen: dict[tuple[int | None, int, bool], Atlas | None] = {
        (row.processing_request_id, row.resolution_id, row.ventral_up): row.atlas
        for row in rows.select_related("atlas")
    }
    found = {product.pk: chosen.get(_wish_of(product)) for product in registered}
    return {
        product.pk: atlas
        for product in registered
        if (atlas := found[product.pk]) and _is_on_grid(product, atlas)
    }


def _wish_of(product: Product) -> tuple[int | None, int, bool]:
    channel = product.channel
    return (product.step.run.processing_request_id, channel.resolution_id, channel.ventral_up)


def _is_on_grid(product: Product, atlas: Atlas) -> bool:
    size = [atlas.size_x, atlas.size_y, atlas.size_z]
    voxel = [round(um * 1000) for um in atlas.voxel_um]
    return size == product.shape_xyz and voxel == [round(nm) for nm in product.voxel_nm_xyz]


def _described(
    layer: Layer, name: str, atlases: Mapping[int, Atlas], *, with_colors: bool
) -> LayerSpec:
    colors = colors_of(layer) if with_colors else ()
    if isinstance(layer, AtlasLayer):
        return _of_atlas(layer, name, colors)
    return _of_sample(layer, name, atlases.get(layer.product.pk), colors)


def _of_sample(
    layer: DataLayer, name: str, atlas: Atlas | None, colors: tuple[tuple[str, str], ...]
) -> LayerSpec:
    product, channel = layer.product, layer.channel
    x, y, z = (int(count) for count in product.shape_xyz)
    voxel_x, voxel_y, voxel_z = (float(size) for size in product.voxel_nm_xyz)
    up = "ventral" if channel.ventral_up else "dorsal"
    place = f"{channel.resolution_id} {up}"
    return LayerSpec(
        uuid=str(layer.uuid),
        name=name,
        kind=product.kind,
        channel=str(channel.pk),
        shape_xyz=(x, y, z),
        voxel_nm_xyz=(voxel_x, voxel_y, voxel_z),
        window=(product.window_low, product.window_high),
        color=channel.wavelength.color,
        side=product.side,
        type=product.layer_type,
        space=f"atlas {atlas.pk}" if atlas else _space_of(layer, place),
        place=place,
        objective=str(channel.resolution_id),
        atlas=atlas.name if atlas else "",
        colors=colors,
    )


def _space_of(layer: DataLayer, place: str) -> str:
    """Return what tells its coordinates from others: what was registered lies elsewhere."""
    product = layer.product
    if product.kind == Product.Kind.REGISTERED:
        return f"registered {place} {product.step.run.processing_request_id}"
    return f"{place} {orientation_of(layer)}"


def _of_atlas(layer: AtlasLayer, name: str, colors: tuple[tuple[str, str], ...]) -> LayerSpec:
    atlas = layer.atlas
    voxel_x, voxel_y, voxel_z = (size * 1000 for size in atlas.voxel_um)
    low, high = layer.facts.get("window", (0, 1))
    return LayerSpec(
        uuid=str(layer.uuid),
        name=name,
        kind=layer.part,
        channel=f"atlas {atlas.pk}",
        shape_xyz=(atlas.size_x, atlas.size_y, atlas.size_z),
        voxel_nm_xyz=(voxel_x, voxel_y, voxel_z),
        window=(int(low), int(high)),
        color="#ffffff",
        type=SEGMENTATION if layer.part == ANNOTATION_PART else IMAGE,
        space=f"atlas {atlas.pk}",
        atlas=atlas.name,
        axes=atlas.axes,
        colors=colors,
    )


def colors_of(layer: Layer) -> tuple[tuple[str, str], ...]:
    """Return the color of each region of a volume of regions; none where they cannot be read."""
    facts = layer.facts if isinstance(layer, AtlasLayer) else layer.product.facts
    name = facts.get("segment_colors", "")
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        return ()
    file = open_below(settings.DATA_ROOT, (*str(layer.folder).split("/"), name))
    if file is None:
        return ()
    with file:
        try:
            found = json.loads(file.read(MOST_BYTES))
        except ValueError:
            return ()
    return tuple(_colors(found)) if isinstance(found, dict) else ()


def _colors(found: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for id, color in found.items():
        if id.isdecimal() and isinstance(color, str) and _COLOR.fullmatch(color):
            yield id, color
