"""How each kind of layer is drawn: the client's settings for images, regions, borders, points.

Pure.
"""

from collections import Counter
from typing import Any, Final

from viewers_app import sources
from viewers_app.specs import ANNOTATION, OVERLAY, SEGMENTATION, LayerSpec, Template, ViewerSpec

State = dict[str, Any]

GRAY: Final = "#ffffff"
YELLOW: Final = "#ffff00"
# A state is written into the address, so it must not grow without end.
MOST_COLORS: Final = 2000
# What has no window of its own, in the counts of a camera.
USUAL_WINDOW: Final = (0, 1456)
# One layer over the other: images at the bottom, cells on top.
ORDER: Final = {SEGMENTATION: 1, ANNOTATION: 3}

SHADER: Final = """#uicontrol invlerp normalized
#uicontrol vec3 color color
void main() {
  emitRGB(color * normalized());
}
"""

POINT_SHADER: Final = """#uicontrol float size slider(min=0, max=20, default=8)
void main() {
  setColor(defaultColor());
  setPointMarkerSize(size);
  setPointMarkerBorderWidth(1.0);
}
"""

# The client has no borders of regions, so the labels are drawn as an image: a voxel is of a border
# if the next one along any axis has another label. The last voxel of a chunk sees no next one.
BORDER_SHADER: Final = """#uicontrol vec3 color color
bool differs(ivec3 here, ivec3 way) {
  ivec3 next = min(here + way, ivec3(uChunkDataSize) - 1);
  return getDataValueAt(here).value != getDataValueAt(next).value;
}
void main() {
  ivec3 here = ivec3(clamp(floor(vChunkPosition), vec3(0.0), uChunkDataSize - 1.0));
  if (differs(here, ivec3(1, 0, 0)) || differs(here, ivec3(0, 1, 0))
      || differs(here, ivec3(0, 0, 1))) {
    emitRGB(color);
  } else {
    emitTransparent();
  }
}
"""


def layers_of(spec: ViewerSpec, *, are_sheets_apart: bool) -> list[State]:
    """Return the client's layers, those that lie on top last.

    Light sheets of a channel in one panel share its brightness; gray channels in one panel share
    that of one, for white and white would add up to white.
    """
    sheets = Counter((layer.kind, layer.channel) for layer in spec.layers)
    channels = _gray_in_one_place(spec)
    ordered = sorted(spec.layers, key=lambda layer: ORDER.get(layer.type, 0))
    drawn: list[tuple[int, State]] = []
    for layer in ordered:
        weight = 1.0 if are_sheets_apart else 1 / sheets[layer.kind, layer.channel]
        weight /= max(channels[layer.space], 1)
        drawn.append((ORDER.get(layer.type, 0), _layer(layer, spec.template, weight=weight)))
        if layer.type == SEGMENTATION and spec.template.outlines:
            drawn.append((2, _borders(layer, inverted=spec.template.inverted)))
    return [state for _, state in sorted(drawn, key=lambda pair: pair[0])]


def _gray_in_one_place(spec: ViewerSpec) -> Counter[str]:
    """Return how many channels are added up in gray in each space."""
    if spec.template.in_color or spec.template.arrangement != OVERLAY:
        return Counter()
    images = {(one.space, one.kind, one.channel) for one in spec.layers if one.is_image}
    return Counter(space for space, _, _ in images)


def borders_name(layer: LayerSpec) -> str:
    return f"{layer.name} borders"


def _layer(layer: LayerSpec, template: Template, *, weight: float) -> State:
    if layer.type == SEGMENTATION:
        return _regions(layer, hidden=template.outlines)
    return _points(layer) if layer.type == ANNOTATION else _image(layer, template, weight=weight)


def _regions(layer: LayerSpec, *, hidden: bool) -> State:
    """Regions over the image, in the colors of the tree; hidden ones only name what is under it."""
    alpha = 0 if hidden else 0.2
    state: State = {
        "type": SEGMENTATION,
        "name": layer.name,
        "source": f"layer:{layer.uuid}",
        "tab": "segments",
        "selectedAlpha": alpha,
        "notSelectedAlpha": alpha,
        "ignoreNullVisibleSet": True,
        "hideSegmentZero": True,
    }
    if layer.groups:
        state["source"] = _named_by_group(layer)
        state["equivalences"] = [list(group) for group in layer.groups]
    if layer.colors and not hidden:
        state["segmentColors"] = dict(layer.colors[:MOST_COLORS])
    return state


def _named_by_group(layer: LayerSpec) -> list[object]:
    """Return the volume without its own names, and the names of the groups."""
    parts = {"default": True, "bounds": True, "properties": False}
    own = {"url": f"layer:{layer.uuid}", "subsources": parts, "enableDefaultSubsources": False}
    return [own, sources.of_volume(layer.uuid, layer.cut)]


def _borders(layer: LayerSpec, *, inverted: bool) -> State:
    return {
        "type": "image",
        "name": borders_name(layer),
        "source": f"layer:{layer.uuid}",
        "tab": "rendering",
        "shader": BORDER_SHADER,
        "codeVisible": False,
        "shaderControls": {"color": "#ffffff" if inverted else "#000000"},
        "blend": "default",
        "opacity": 1,
    }


def _points(layer: LayerSpec) -> State:
    return {
        "type": ANNOTATION,
        "name": layer.name,
        "source": f"layer:{layer.uuid}",
        "tab": "rendering",
        "annotationColor": YELLOW,
        "shader": POINT_SHADER,
    }


def _image(layer: LayerSpec, template: Template, *, weight: float) -> State:
    low, high = window_of(layer)
    color = layer.color if template.in_color and not template.inverted else GRAY
    return {
        "type": "image",
        "name": layer.name,
        "source": f"layer:{layer.uuid}",
        "tab": "rendering",
        "shader": SHADER,
        "codeVisible": False,
        "shaderControls": {
            "normalized": {
                "range": [high, low] if template.inverted else [low, high],
                "window": [0, 2 * high],
            },
            "color": color,
        },
        # White and white would add up to white.
        "blend": "default" if template.inverted else "additive",
        "opacity": round(weight, 4),
    }


def window_of(layer: LayerSpec) -> tuple[int, int]:
    """Return the counts that are drawn black and white; the usual ones of an unknown volume."""
    low, high = layer.window if any(layer.window) else USUAL_WINDOW
    return low, max(high, low + 1)
