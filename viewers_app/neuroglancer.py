"""From a ViewerSpec to the state that the Neuroglancer client understands. Pure.

States name layers as `layer:<uuid>`; `delivered` writes the absolute addresses at the last moment,
so a stored state survives a new host name.
"""

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from viewers_app import sources
from viewers_app.orientations import AS_IMAGED, PLANES, Quaternion, turn_to

State = dict[str, Any]

NARROW_PX: Final = 600
FOUR_PANELS: Final = "4panel"
ONE_PANEL: Final = "xy"
# A little black around the brain.
MARGIN: Final = 1.08
# The 3-D panel needs more: what is near looks larger.
PROJECTION_MARGIN: Final = 1.3
UPRIGHT: Final[Quaternion] = (0.0, 0.0, 0.0, 1.0)
# The client's own line of tools and line of layers, above the panels.
CLIENT_HEAD_PX: Final = 52

SHADER: Final = """#uicontrol invlerp normalized
#uicontrol vec3 color color
void main() {
  emitRGB(color * normalized());
}
"""


IMAGE: Final = "image"
SEGMENTATION: Final = "segmentation"
ANNOTATION: Final = "annotation"


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer and how to show it. Images of one `channel` and kind share its brightness."""

    uuid: str
    name: str
    kind: str
    channel: str
    shape_xyz: tuple[int, int, int]
    voxel_nm_xyz: tuple[float, float, float]
    window: tuple[int, int]
    color: str
    side: str = ""
    type: str = IMAGE


POINT_SHADER: Final = """#uicontrol float size slider(min=1, max=20, default=6)
void main() {
  setColor(defaultColor());
  setPointMarkerSize(size);
  setPointMarkerBorderWidth(1.0);
}
"""


@dataclass(frozen=True, slots=True)
class ViewerSpec:
    """What one view shows. The first layer gives the units, the center and the size."""

    title: str
    layers: tuple[LayerSpec, ...]
    orientation: str
    layout: str = FOUR_PANELS


@dataclass(frozen=True, slots=True)
class Screen:
    """The size of the client on the person's screen, in CSS pixels."""

    width: int = 1280
    height: int = 800

    @property
    def is_narrow(self) -> bool:
        return self.width < NARROW_PX


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
    layout = ONE_PANEL if screen.is_narrow and spec.layout == FOUR_PANELS else spec.layout
    state: State = {
        "title": spec.title,
        "layers": _layers(spec),
        "layout": layout,
        "showScaleBar": True,
        "showAxisLines": True,
        "showSlices": True,
        "showDefaultAnnotations": False,
        # Additive layers begin from the background; the client's own is gray.
        "crossSectionBackgroundColor": "#000000",
        "projectionBackgroundColor": "#000000",
    }
    if spec.layers:
        state |= _placement(spec.layers[0], layout, screen)
        state["selectedLayer"] = {"layer": spec.layers[0].name, "visible": False}
    return state


def delivered(state: State, *, origin: str, revisions: Mapping[str, str]) -> State:
    """Return a copy with the absolute address of each layer, which is all the client accepts.

    The address holds the revision, so that a volume that is made again is another to the client.
    """

    def absolute(source: str) -> str:
        if not source.startswith(sources.LAYER):
            return source
        uuid = source.removeprefix(sources.LAYER)
        revision = f"/@{revisions[uuid]}" if revisions.get(uuid) else ""
        return f"precomputed://{origin}/data/{uuid}{revision}"

    ready = copy.deepcopy(state)
    for layer in ready["layers"]:
        layer["source"] = sources.mapped(layer["source"], absolute)
    return ready


def presets(spec: ViewerSpec) -> tuple[Preset, ...]:
    """Return the orientation buttons for the volume as it is stored."""
    if not spec.layers:
        return ()
    extent = _extent(spec.layers[0])
    as_imaged = Preset(AS_IMAGED, "As imaged", FOUR_PANELS, UPRIGHT, (extent[0], extent[1]))
    return (as_imaged, *(_preset(plane, spec.orientation, extent) for plane in PLANES))


def _preset(plane: str, stored_as: str, extent: tuple[float, float, float]) -> Preset:
    turn = turn_to(plane, stored_as=stored_as)
    across = (extent[turn.right], extent[turn.down])
    return Preset(plane, plane.capitalize(), ONE_PANEL, turn.quaternion, across)


def _layers(spec: ViewerSpec) -> list[State]:
    sheets = Counter((layer.kind, layer.channel) for layer in spec.layers)
    return [_layer(layer, weight=1 / sheets[layer.kind, layer.channel]) for layer in spec.layers]


def _layer(layer: LayerSpec, *, weight: float) -> State:
    if layer.type == SEGMENTATION:
        return _regions(layer)
    return _points(layer) if layer.type == ANNOTATION else _image(layer, weight=weight)


def _regions(layer: LayerSpec) -> State:
    """Labels over the image: outlines of all, names by the volume's own properties."""
    return {
        "type": SEGMENTATION,
        "name": layer.name,
        "source": f"layer:{layer.uuid}",
        "tab": "segments",
        "selectedAlpha": 0.25,
        "notSelectedAlpha": 0.15,
        "ignoreNullVisibleSet": True,
        "hideSegmentZero": True,
    }


def _points(layer: LayerSpec) -> State:
    return {
        "type": ANNOTATION,
        "name": layer.name,
        "source": f"layer:{layer.uuid}",
        "tab": "rendering",
        "annotationColor": layer.color,
        "shader": POINT_SHADER,
    }


def _image(layer: LayerSpec, *, weight: float) -> State:
    low, high = layer.window[0], max(layer.window[1], layer.window[0] + 1)
    return {
        "type": "image",
        "name": layer.name,
        "source": f"layer:{layer.uuid}",
        "tab": "rendering",
        "shader": SHADER,
        "codeVisible": False,
        "shaderControls": {
            "normalized": {"range": [low, high], "window": [0, 2 * high]},
            "color": layer.color,
        },
        "blend": "additive",
        "opacity": round(weight, 4),
    }


def _placement(layer: LayerSpec, layout: str, screen: Screen) -> State:
    """Return units, center and zoom that put the whole volume on the screen."""
    extent = _extent(layer)
    panels = 1 if layout == ONE_PANEL else 2
    width = screen.width / panels
    height = max(screen.height - CLIENT_HEAD_PX, CLIENT_HEAD_PX) / panels
    if panels == 1:
        scale = max(extent[0] / width, extent[1] / height)
    else:
        scale = max(max(extent) / width, max(extent[1:]) / height, extent[0] / width)
    return {
        "dimensions": {
            axis: [size / 1e9, "m"] for axis, size in zip("xyz", layer.voxel_nm_xyz, strict=True)
        },
        "position": [size / 2 for size in layer.shape_xyz],
        "crossSectionScale": round(scale * MARGIN, 6),
        "projectionScale": round(max(extent) * PROJECTION_MARGIN, 3),
    }


def _extent(layer: LayerSpec) -> tuple[float, float, float]:
    """Return the size of the volume in the client's unit of scale: its smallest voxel edge."""
    unit = min(layer.voxel_nm_xyz)
    x, y, z = (
        count * size / unit for count, size in zip(layer.shape_xyz, layer.voxel_nm_xyz, strict=True)
    )
    return (x, y, z)
