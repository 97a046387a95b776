"""Kinds of views: which volumes each wants, and how it shows them. Data, and no Django.

A new kind of view is an entry here; CONTRIBUTING.md says what else it needs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from viewers_app.specs import PANELS, SEGMENTATION, SHEETS, LayerSpec, Template

TEMPLATE: Final = "template"
ANNOTATION_PART: Final = "annotation"
# Of one channel the one that is most like the sample: the first kind of these that there is.
FULL_SIZE: Final = ("corrected", "blended", "stitched", "raw")
ATLAS_MISSING: Final = (
    "The atlas that it was registered with is not installed, or is not the one of today."
)


@dataclass(frozen=True, slots=True)
class Part:
    """Volumes that a recipe takes: all of the first of these kinds that there is.

    `why_not` is said where there is none. `of_atlas`: only that atlas which the volumes of the
    part before were registered with.
    """

    kinds: tuple[str, ...]
    why_not: str
    type: str
    of_atlas: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """One kind of view. `joins_orientations`: dorsal and ventral scans are shown together.

    `needs_python`: it does what only a Python viewer can, so each view has a process.
    """

    key: str
    label: str
    sentence: str
    parts: tuple[Part, ...]
    template: Template
    joins_orientations: bool = False
    is_of_atlas: bool = False
    needs_python: bool = False

    @property
    def has_regions(self) -> bool:
        """Return True if structures can be chosen for it; those by keys choose in the viewer."""
        shows = any(part.type == SEGMENTATION for part in self.parts)
        return shows and not self.needs_python and not self.template.outlines


@dataclass(frozen=True, slots=True)
class Offer:
    """A recipe with the layers that it would show, or why it cannot be had."""

    recipe: Recipe
    layers: tuple[LayerSpec, ...] = ()
    why_not: str = ""


def _images(*kinds: str, why_not: str) -> Part:
    return Part(kinds, why_not, "image")


REGISTERED: Final = _images("registered", why_not="No channel is registered with an atlas yet.")
ATLAS: Final = Part((ANNOTATION_PART,), ATLAS_MISSING, "segmentation", of_atlas=True)
FULL: Final = _images(*FULL_SIZE, why_not="There are no images of full size yet.")
REGIONS: Final = Part(
    ("raw_atlas",), "The atlas was not brought to this sample yet.", "segmentation"
)
CELLS: Final = Part(("cells",), "No cells were looked for in this sample yet.", "annotation")
ATLAS_PARTS: Final = (
    _images(TEMPLATE, why_not="The atlas has no template."),
    Part((ANNOTATION_PART,), "The atlas has no regions.", "segmentation"),
)

SEEDED: Final = (
    Recipe(
        "raw",
        "Raw light sheets",
        "The images as they were taken: a row for each channel and side up, the left and the "
        "right light sheet beside each other.",
        (_images("raw", why_not="There are no raw volumes yet, or the scan is of tiles."),),
        Template(SHEETS, in_color=False),
        joins_orientations=True,
    ),
    Recipe(
        "stitched",
        "Stitched light sheets",
        "Tiles put together: a row for each channel and side up, the light sheets beside each "
        "other.",
        (_images("stitched", why_not="Nothing is stitched here; only scans of tiles are."),),
        Template(SHEETS, in_color=False),
        joins_orientations=True,
    ),
    Recipe(
        "blended",
        "Blended channels",
        "Both light sheets made one, each channel in a panel of its own.",
        (_images("blended", why_not="The light sheets are not blended yet."),),
        Template(PANELS, in_color=False),
    ),
    Recipe(
        "downsized",
        "Small volumes",
        "What was registered, at the voxel size of registration: each channel in a panel.",
        (_images("downsized", why_not="There are no small volumes yet."),),
        Template(PANELS, in_color=False),
    ),
    Recipe(
        "corrected",
        "Corrected channels",
        "Stitched and freed of stripes, all channels in one place, each in its color.",
        (_images("corrected", why_not="Nothing is corrected here; only SmartSPIM scans are."),),
        Template(),
    ),
    Recipe(
        "registered",
        "Registered + atlas",
        "The sample in the shape of the atlas, each channel in a panel, with the regions in color "
        "over it.",
        (REGISTERED, ATLAS),
        Template(PANELS, in_color=False),
    ),
    Recipe(
        "cells",
        "Cells + atlas",
        "Detected cells as points on the sample as it was imaged, with the regions of the atlas.",
        (CELLS, FULL, REGIONS),
        Template(in_color=False),
    ),
    Recipe(
        "tracing",
        "Tracing + regions",
        "All channels in color on the sample as it was imaged, with the regions of the atlas and "
        "their list to search and choose from.",
        (FULL, REGIONS),
        Template(opens_regions=True),
    ),
    Recipe(
        "placement",
        "Probe and fiber placement",
        "Coronal and dark on light, with the borders of regions; regions are named under the "
        "pointer. On the Allen mouse atlas positions are from bregma (AP, ML, DV in µm).",
        (REGISTERED, ATLAS),
        Template(PANELS, plane="coronal", inverted=True, outlines=True, paxinos=True),
    ),
    Recipe(
        "atlas",
        "Atlas browser",
        "The template of an atlas with its regions in color, and their list to search.",
        ATLAS_PARTS,
        Template(in_color=False, opens_regions=True),
        is_of_atlas=True,
    ),
    Recipe(
        "structures",
        "Structures by keys",
        "The registered channels with the regions of the atlas. Point at a region and press p to "
        "see the structure above it as one, c to take it apart again. Takes some seconds to start.",
        (REGISTERED, ATLAS),
        Template(in_color=False),
        needs_python=True,
    ),
    Recipe(
        "atlas-structures",
        "Atlas by keys",
        "The atlas browser in which p shows the structure above a region as one, and c takes it "
        "apart again. Takes some seconds to start.",
        ATLAS_PARTS,
        Template(in_color=False),
        is_of_atlas=True,
        needs_python=True,
    ),
)
RECIPES: Final = {recipe.key: recipe for recipe in SEEDED}


def template_of(key: str, arrangement: str = "") -> Template:
    """Return how a view is shown: as its recipe says, else ticked volumes as they are arranged."""
    if key in RECIPES:
        return RECIPES[key].template
    return Template(arrangement) if arrangement else Template()


def offer(recipe: Recipe, layers: Iterable[LayerSpec]) -> Offer:
    """Return what the recipe shows of these layers, which are of one place; images come first.

    Images, regions and points of one view lie in one space: that of the first part.
    """
    there = list(layers)
    taken: list[LayerSpec] = []
    for part in recipe.parts:
        found = _taken(part, there, taken)
        if not found:
            return Offer(recipe, why_not=part.why_not)
        if part.of_atlas:
            atlases = {layer.atlas for layer in found}
            taken = [layer for layer in taken if layer.atlas in atlases]
        taken += found
    return Offer(recipe, tuple(sorted(taken, key=lambda layer: not layer.is_image)))


def fits(recipe: Recipe, layers: Sequence[LayerSpec]) -> bool:
    """Return True if these layers are just what the recipe would show of them."""
    shown = {layer.uuid for layer in offer(recipe, layers).layers}
    return bool(shown) and shown == {layer.uuid for layer in layers}


def _taken(part: Part, layers: Sequence[LayerSpec], before: Sequence[LayerSpec]) -> list[LayerSpec]:
    for kind in part.kinds:
        found = [layer for layer in layers if layer.kind == kind and layer.type == part.type]
        if part.of_atlas:
            found = [layer for layer in found if layer.atlas in {one.atlas for one in before}]
        elif before:
            found = [layer for layer in found if layer.space == before[0].space]
        if found:
            return found
    return []
