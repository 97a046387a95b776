"""Which layers are shown in which panel. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from viewers_app.rendering import borders_name
from viewers_app.specs import OVERLAY, SEGMENTATION, SHEETS, LayerSpec, Screen, ViewerSpec

SIDES: Final = ("left", "right", "")
# More of them on a phone would be stamps.
MOST_ON_A_PHONE: Final = 4
ANNOTATION_OF_ATLAS: Final = "annotation"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its own layer first, which gives its place and size."""

    layers: tuple[LayerSpec, ...]

    @property
    def space(self) -> str:
        return self.layers[0].space


# Rows of panels.
Grid = tuple[tuple[Panel, ...], ...]


def grid_of(spec: ViewerSpec, screen: Screen) -> Grid:
    """Return the panels of a view; one panel alone means that all is shown in one place."""
    images = [layer for layer in spec.layers if layer.is_image]
    if spec.template.arrangement == SHEETS:
        rows = _by_sheets(images)
    elif spec.template.arrangement == OVERLAY:
        rows = [_grouped(images, lambda layer: layer.space)]
    else:
        rows = [_grouped(images, lambda layer: f"{layer.space} {layer.kind} {layer.channel}")]
    rows.append(_without_image(spec.layers, {image.space for image in images}))
    panels = [[Panel(_with_overlays(group, spec)) for group in row] for row in rows if row]
    if sum(map(len, panels)) < 2:
        return ((Panel(spec.layers),),) if spec.layers else ()
    return _for_screen(tuple(map(tuple, panels)), screen)


def _by_sheets(images: Sequence[LayerSpec]) -> list[list[list[LayerSpec]]]:
    """Return a row for each channel and orientation, the light sheets beside each other."""
    rows = _grouped(images, lambda layer: f"{layer.kind} {layer.channel}")
    return [[[one] for one in sorted(row, key=lambda x: SIDES.index(x.side))] for row in rows]


def _without_image(layers: Sequence[LayerSpec], spaces: set[str]) -> list[list[LayerSpec]]:
    """Return regions and points that lie over none of the images, a panel for each space."""
    alone = [layer for layer in layers if not layer.is_image and layer.space not in spaces]
    return _grouped(alone, lambda layer: layer.space)


def _grouped(layers: Iterable[LayerSpec], key: Callable[[LayerSpec], str]) -> list[list[LayerSpec]]:
    groups: dict[str, list[LayerSpec]] = {}
    for layer in layers:
        groups.setdefault(key(layer), []).append(layer)
    return list(groups.values())


def _with_overlays(images: Sequence[LayerSpec], spec: ViewerSpec) -> tuple[LayerSpec, ...]:
    """Add what lies over these images: regions and points of the same space."""
    over = [
        layer
        for layer in spec.layers
        if not layer.is_image
        and layer.space == images[0].space
        and (layer.kind != ANNOTATION_OF_ATLAS or _wants_atlas(images, spec))
    ]
    return (*images, *(layer for layer in over if layer not in images))


def _wants_atlas(images: Sequence[LayerSpec], spec: ViewerSpec) -> bool:
    return spec.overlaid is None or any(image.uuid in spec.overlaid for image in images)


def _for_screen(grid: Grid, screen: Screen) -> Grid:
    """Return the panels below each other on a narrow screen, all in one if they are many."""
    if not screen.is_narrow:
        return grid
    panels = [panel for row in grid for panel in row]
    if len(panels) <= MOST_ON_A_PHONE:
        return tuple((panel,) for panel in panels)
    return ((Panel(tuple(dict.fromkeys(x for panel in panels for x in panel.layers))),),)


def names_in(panel: Panel, spec: ViewerSpec) -> list[str]:
    """Return the names of the client's layers in a panel."""
    names = [layer.name for layer in panel.layers]
    if spec.template.outlines:
        regions = (layer for layer in panel.layers if layer.type == SEGMENTATION)
        names += [borders_name(layer) for layer in regions]
    return names
