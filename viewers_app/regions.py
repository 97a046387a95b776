"""Names of the regions in a view: of the atlas that it shows, or that was laid on its sample."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.conf import settings

from core_app.models import User
from core_app.paths import DataPath
from pipeline.errors import BadInput
from pipeline.structures import StructureTree, tree_of
from processing_app.models import Atlas, ProcessingResolution, Product
from viewers_app import cuts, rights, selectors
from viewers_app.cuts import Cut
from viewers_app.models import AtlasLayer, Layer, SavedVersion
from viewers_app.rooted import open_below
from viewers_app.specs import SEGMENTATION, LayerSpec, ViewerSpec

logger = logging.getLogger(__name__)


def names_in(version: SavedVersion, *, to: User) -> dict[int, str]:
    """Return {id: name} of the regions of the first label volume that this person may see."""
    layers = selectors.find_layers(version.layers)
    tree = tree_in([layer for layer in layers if rights.may_see(to, layer)])
    return {structure.id: structure.name for structure in tree} if tree else {}


def tree_in(layers: Iterable[Layer]) -> StructureTree | None:
    """Return the tree of the first of these layers whose voxels are ids of structures."""
    for layer in layers:
        atlas = _atlas_of(layer)
        tree = _tree_of(atlas) if atlas and atlas.is_installed else None
        if tree:
            return tree
    return None


def with_cut(spec: ViewerSpec, rows: Sequence[Layer], cut: Cut) -> ViewerSpec:
    """Return the view with the regions of each of its label volumes shown as one where cut."""
    by_uuid = {str(row.uuid): row for row in rows}
    return replace(spec, layers=tuple(_cut_layer(each, by_uuid, cut) for each in spec.layers))


def _cut_layer(layer: LayerSpec, rows: Mapping[str, Layer], cut: Cut) -> LayerSpec:
    tree = tree_in([rows[layer.uuid]]) if layer.type == SEGMENTATION else None
    groups = cuts.groups_of(tree, cut) if tree else ()
    if not tree or not groups:
        return layer
    colors = cuts.colors_of(tree, groups)
    together = tuple(tuple(ids) for ids in cuts.equivalences_of(groups))
    return replace(layer, cut=str(cut), groups=together, colors=tuple(colors.items()))


def _atlas_of(layer: Layer) -> Atlas | None:
    if isinstance(layer, AtlasLayer):
        return layer.atlas if layer.part == AtlasLayer.Part.ANNOTATION else None
    if layer.product.kind != Product.Kind.RAW_ATLAS:
        return None
    wish = ProcessingResolution.objects.select_related("atlas").filter(
        processing_request__runs=layer.product.step.run_id,
        resolution=layer.channel.resolution_id,
        ventral_up=layer.channel.ventral_up,
    )
    found = wish.first()
    return found.atlas if found else None


def _tree_of(atlas: Atlas) -> StructureTree | None:
    path = DataPath(atlas.structure_tree_path)
    file = open_below(settings.DATA_ROOT, str(path).split("/"))
    if file is None:
        return None
    with file:
        try:
            return tree_of(json.load(file))
        except (ValueError, BadInput) as error:
            logger.warning("The structure tree of %s cannot be read: %s", atlas.name, error)
            return None
