"""From a ViewerSpec to the state that the Neuroglancer client understands. Pure.

States name layers as `layer:<uuid>`; `delivered` writes the absolute addresses at the last moment,
so a stored state survives a new host name.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from viewers_app import coordinates, rendering, sources
from viewers_app.orientations import AS_IMAGED, PLANES, Quaternion, turn_to
from viewers_app.panels import Grid, Panel, grid_of, names_in
from viewers_app.rendering import State
from viewers_app.specs import SEGMENTATION, SHEETS, LayerSpec, Screen, ViewerSpec

FOUR_PANELS: Final = "4panel"
ONE_PANEL: Final = "xy"
# A little black around the brain.
MARGIN: Final = 1.08
# The 3-D panel needs more: what is near looks larger.
PROJECTION_MARGIN: Final = 1.3
UPRIGHT: Final[Quaternion] = (0.0, 0.0, 0.0, 1.0)
# The client's own line of tools and line of layers, above the panels.
CLIENT_HEAD_PX: Final = 52
DESKTOP: Final = Screen()


@dataclass(frozen=True, slots=True)
class Preset:
    """One button of the bar. `across` is what must fit: units of scale right and down."""

    key: str
    label: str
    layout: str
    quaternion: Quaternion
    across: tuple[float, float]


def state_of(spec: ViewerSpec, screen: Screen = DESKTOP) -> State:
    """Return the client's state: every layer, true voxel sizes, the whole volume in sight."""
    grid = grid_of(spec, screen)
    background = "#ffffff" if spec.template.inverted else "#000000"
    state: State = {
        "title": spec.title,
        "layers": _layers(spec, grid),
        "layout": _layout(spec, grid, screen),
        "showScaleBar": True,
        "showAxisLines": True,
        "showSlices": True,
        "showDefaultAnnotations": False,
        # Additive layers begin from the background; the client's own is gray.
        "crossSectionBackgroundColor": background,
        "projectionBackgroundColor": background,
    }
    if spec.layers:
        state |= _placement(spec, grid, state["layout"], screen)
        state["selectedLayer"] = _selected(spec)
    return state


def delivered(state: State, *, origin: str, revisions: Mapping[str, str]) -> State:
    """Return a copy with the absolute address of each layer, which is all the client accepts.

    The address holds the revision, so that a volume that is made again is another to the client.
    """

    def absolute(source: str) -> str:
        uuid = sources.volume_in(source)
        if not uuid:
            return source
        _, is_more, rest = source.partition("/")
        revision = f"/@{revisions[uuid]}" if revisions.get(uuid) and not is_more else ""
        return f"precomputed://{origin}/data/{uuid}{revision}{is_more}{rest}"

    ready = copy.deepcopy(state)
    for layer in ready["layers"]:
        layer["source"] = sources.mapped(layer["source"], absolute)
    return ready


def presets(spec: ViewerSpec) -> tuple[Preset, ...]:
    """Return the orientation buttons for the volume as it is stored."""
    if not spec.layers:
        return ()
    extent = _extent(spec.layers[0], _unit_nm(spec))
    upright = _turned(UPRIGHT, spec)
    as_imaged = Preset(AS_IMAGED, "As imaged", FOUR_PANELS, upright, (extent[0], extent[1]))
    return (as_imaged, *(_preset(plane, spec, extent) for plane in PLANES))


def pressed(spec: ViewerSpec) -> str:
    """Return the key of the orientation button that the view begins with."""
    return spec.template.plane or AS_IMAGED


def _preset(plane: str, spec: ViewerSpec, extent: tuple[float, float, float]) -> Preset:
    turn = turn_to(plane, stored_as=spec.orientation)
    across = (extent[turn.right], extent[turn.down])
    return Preset(plane, plane.capitalize(), ONE_PANEL, _turned(turn.quaternion, spec), across)


def _layers(spec: ViewerSpec, grid: Grid) -> list[State]:
    are_apart = spec.template.arrangement == SHEETS and sum(map(len, grid)) > 1
    layers = rendering.layers_of(spec, are_sheets_apart=are_apart)
    if _is_paxinos(spec):
        for layer in layers:
            layer["source"] = _placed(layer["source"])
    return layers


def _placed(source: Any) -> Any:
    """Return the source on the axes of bregma; of several sources the first has voxels."""
    if isinstance(source, list):
        return [_placed(source[0]), *source[1:]]
    own = source if isinstance(source, dict) else {"url": source}
    return {**own, "transform": coordinates.layer_transform()}


def _selected(spec: ViewerSpec) -> State:
    regions = [layer for layer in spec.layers if layer.type == SEGMENTATION]
    if spec.template.opens_regions and regions:
        return {"layer": regions[0].name, "visible": True}
    return {"layer": spec.layers[0].name, "visible": False}


# --- panels ---


def _layout(spec: ViewerSpec, grid: Grid, screen: Screen) -> Any:
    """Return "4panel" or "xy" where one place shows all, else rows of panels."""
    if sum(map(len, grid)) < 2:
        return ONE_PANEL if screen.is_narrow or spec.template.plane else FOUR_PANELS
    unit = _unit_nm(spec)
    rows, columns = len(grid), max(map(len, grid))
    size = _panel_px(screen, columns, rows)
    lines = [_stack("row", [_viewer(panel, spec, unit, size) for panel in row]) for row in grid]
    return _stack("column", lines)


def _stack(kind: str, children: list[State]) -> State:
    return children[0] if len(children) == 1 else {"type": kind, "children": children}


def _viewer(panel: Panel, spec: ViewerSpec, unit: float, size: tuple[float, float]) -> State:
    """Return one panel. In another space than the first layer's it moves and zooms by itself."""
    state: State = {"type": "viewer", "layers": names_in(panel, spec), "layout": ONE_PANEL}
    if panel.space != spec.layers[0].space:
        own = panel.layers[0]
        extent = _extent(own, unit)
        state["position"] = _unlinked(_center(own, spec.layers[0].voxel_nm_xyz))
        state["crossSectionScale"] = _unlinked(_fit((extent[0], extent[1]), size))
    return state


def _unlinked(value: object) -> State:
    return {"link": "unlinked", "value": value}


# --- place and size ---


def _placement(spec: ViewerSpec, grid: Grid, layout: Any, screen: Screen) -> State:
    """Return units, center and zoom that put the whole volume on the screen."""
    first = spec.layers[0]
    extent = _extent(first, _unit_nm(spec))
    state: State = {
        "dimensions": _dimensions(spec),
        "position": _position(spec),
        "crossSectionScale": _scale(spec, extent, grid, layout, screen),
        "projectionScale": round(max(extent) * PROJECTION_MARGIN, 3),
    }
    quaternion = _first_turn(spec)
    if quaternion != UPRIGHT:
        state["crossSectionOrientation"] = list(quaternion)
    return state


def _scale(
    spec: ViewerSpec,
    extent: tuple[float, float, float],
    grid: Grid,
    layout: Any,
    screen: Screen,
) -> float:
    if layout == FOUR_PANELS:
        width, height = _panel_px(screen, 2, 2)
        scale = max(max(extent) / width, max(extent[1:]) / height, extent[0] / width)
        return round(scale * MARGIN, 6)
    columns, rows = (1, 1) if layout == ONE_PANEL else (max(map(len, grid)), len(grid))
    across = next(each.across for each in presets(spec) if each.key == pressed(spec))
    return _fit(across, _panel_px(screen, columns, rows))


def _panel_px(screen: Screen, columns: int, rows: int) -> tuple[float, float]:
    height = max(screen.height - CLIENT_HEAD_PX, CLIENT_HEAD_PX)
    return screen.width / columns, height / rows


def _fit(across: tuple[float, float], size: tuple[float, float]) -> float:
    return round(max(across[0] / size[0], across[1] / size[1]) * MARGIN, 6)


def _dimensions(spec: ViewerSpec) -> State:
    if _is_paxinos(spec):
        return coordinates.dimensions()
    sizes = zip("xyz", spec.layers[0].voxel_nm_xyz, strict=True)
    return {axis: [size / 1e9, "m"] for axis, size in sizes}


def _position(spec: ViewerSpec) -> list[float]:
    first = spec.layers[0]
    if _is_paxinos(spec):
        return coordinates.micrometers(size / 2 for size in first.shape_xyz)
    return _center(first, first.voxel_nm_xyz)


def _center(layer: LayerSpec, unit_nm_xyz: tuple[float, float, float]) -> list[float]:
    """Return the middle of a volume in voxels of this size."""
    return [
        count * size / unit / 2
        for count, size, unit in zip(layer.shape_xyz, layer.voxel_nm_xyz, unit_nm_xyz, strict=True)
    ]


def _first_turn(spec: ViewerSpec) -> Quaternion:
    return next(each.quaternion for each in presets(spec) if each.key == pressed(spec))


def _turned(quaternion: Quaternion, spec: ViewerSpec) -> Quaternion:
    return coordinates.turned(quaternion) if _is_paxinos(spec) else quaternion


def _is_paxinos(spec: ViewerSpec) -> bool:
    return spec.template.paxinos and coordinates.has_paxinos(spec.layers)


def _unit_nm(spec: ViewerSpec) -> float:
    """Return the client's unit of scale: the smallest edge of what it counts positions in."""
    return coordinates.UNIT_NM if _is_paxinos(spec) else min(spec.layers[0].voxel_nm_xyz)


def _extent(layer: LayerSpec, unit_nm: float) -> tuple[float, float, float]:
    """Return the size of the volume in the client's unit of scale."""
    x, y, z = (
        count * size / unit_nm
        for count, size in zip(layer.shape_xyz, layer.voxel_nm_xyz, strict=True)
    )
    return (x, y, z)
