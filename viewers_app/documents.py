"""From the state that a client sends to the document that is kept, and back. Pure.

A document names volumes as `layer:<uuid>`. Whatever the client could fetch from elsewhere, and all
that is not known here, is left out and said.
"""

import copy
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from core_app.errors import Invalid
from viewers_app import sources
from viewers_app.cuts import WRITTEN
from viewers_app.rendering import State

DEEPEST: Final = 32
LONGEST_TEXT: Final = 20_000  # of a shader, which is the longest that people write
LONGEST_NAMED: Final = 60
MOST_LAYERS: Final = 64
LARGEST: Final = 1e300
MOST_SOURCES: Final = 16  # of one layer; each is asked for in the database

# What a view is made of. Of the browser, not of the view: memory limits, panels of help, servers.
STATE_KEYS: Final = frozenset({
    "dimensions", "relativeDisplayScales", "displayDimensions", "position", "velocity",
    "crossSectionOrientation", "crossSectionScale", "crossSectionDepth", "projectionOrientation",
    "projectionScale", "projectionDepth", "layers", "showAxisLines", "wireFrame", "showScaleBar",
    "showDefaultAnnotations", "showSlices", "hideCrossSectionBackground3D", "selectedLayer",
    "crossSectionBackgroundColor", "projectionBackgroundColor", "layout", "layerListPanel",
    "toolBindings", "toolPalettes",
})  # fmt: skip
OF_THE_BROWSER: Final = frozenset({
    "title", "enableAdaptiveDownsampling", "gpuMemoryLimit", "prefetch", "systemMemoryLimit",
    "concurrentDownloads", "statistics", "helpPanel", "settingsPanel", "selection",
    "partialViewport", "selectedStateServer",
})  # fmt: skip
_EVERY: Final = {
    "type", "name", "source", "tab", "tool", "toolBindings", "visible", "archived", "pick",
    "localPosition", "localVelocity", "localDimensions", "panels",
}  # fmt: skip
_DRAWN: Final = {"shader", "shaderControls", "codeVisible", "crossSectionRenderScale"}
LAYER_KEYS: Final = {
    "image": frozenset(_EVERY | _DRAWN | {
        "opacity", "blend", "channelDimensions", "volumeRendering", "volumeRenderingGain",
        "volumeRenderingDepthSamples",
    }),
    "segmentation": frozenset(_EVERY | {
        "selectedAlpha", "notSelectedAlpha", "objectAlpha", "saturation", "hoverHighlight",
        "hideSegmentZero", "baseSegmentColoring", "ignoreNullVisibleSet", "segments",
        "equivalences", "colorSeed", "segmentColors", "meshRenderScale", "crossSectionRenderScale",
        "skeletonRendering", "skeletonShader", "segmentQuery", "meshSilhouetteRendering",
        "linkedSegmentationGroup", "linkedSegmentationColorGroup", "segmentDefaultColor",
        "anchorSegment",
    }),
    "annotation": frozenset(_EVERY | _DRAWN | {
        "annotations", "annotationProperties", "annotationRelationships", "annotationColor",
        "crossSectionAnnotationSpacing", "projectionAnnotationSpacing", "linkedSegmentationLayer",
        "filterBySegmentation", "ignoreNullSegmentFilter",
    }),
}  # fmt: skip
# What names other layers.
TOOLS: Final = frozenset({"toolBindings", "toolPalettes"})
LINKS: Final = frozenset({
    "linkedSegmentationLayer", "linkedSegmentationGroup", "linkedSegmentationColorGroup",
})  # fmt: skip
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a state: the document, its volumes in their order, and what is not kept."""

    document: State
    layers: tuple[str, ...]
    left_out: tuple[str, ...]


def parsed(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body that a page sent. Raises Invalid with the reason."""
    try:
        found = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Invalid("What the page sent is no JSON. Reload the page and save again.") from None
    if not isinstance(found, dict):
        raise Invalid("What the page sent is no JSON object. Reload the page and save again.")
    _require_plain(found)
    return found


def kept(state: object, *, origin: str, may_keep: Callable[[str], bool]) -> Kept:
    """Return what is kept of the client's state on the viewer origin `origin`.

    `may_keep` says of the uuid of a volume whether the person may have it. Raises Invalid if no
    volume is left, or if it is no state at all.
    """
    if not isinstance(state, dict) or not isinstance(state.get("layers"), list):
        raise Invalid("The viewer's state has no list of layers. Reload the page and save again.")
    if len(state["layers"]) > MOST_LAYERS:
        raise Invalid(f"A saved view has at most {MOST_LAYERS} layers. Close some and save again.")
    left_out = [
        f"“{key[:LONGEST_NAMED]}” of the viewer is not known here and was left out."
        for key in state
        if key not in STATE_KEYS | OF_THE_BROWSER
    ]
    layers = []
    for number, layer in enumerate(state["layers"], start=1):
        found, words = _kept_layer(layer, number, origin, may_keep)
        left_out += words
        layers += [found] if found else []
    document = {key: copy.deepcopy(state[key]) for key in state if key in STATE_KEYS}
    document["layers"] = layers
    volumes = tuple(volumes_of(document))
    if not volumes:
        raise Invalid(" ".join(["This view has no volume that can be saved.", *left_out]))
    return Kept(_without_dangling(document), volumes, tuple(left_out))


def volumes_of(document: State) -> dict[str, str]:
    """Return {uuid of a volume: name of its layer}, in their order."""
    found: dict[str, str] = {}
    for layer in document["layers"]:
        for address in sources.addresses(layer.get("source")):
            if uuid := sources.volume_in(address):
                found.setdefault(uuid, str(layer["name"]))
    return found


def shown(document: State, *, title: str, uuids: Collection[str]) -> State:
    """Return the state of a document with those of its volumes; layers without any are left out."""

    def visible(address: str) -> str | None:
        uuid = sources.volume_in(address)
        return address if not uuid or uuid in uuids else None

    ready = copy.deepcopy(document)
    for layer in ready["layers"]:
        layer["source"] = sources.mapped(layer.get("source"), visible)
    ready["layers"] = [layer for layer in ready["layers"] if layer["source"] is not None]
    return {"title": title, **_without_dangling(ready)}


def _panels(layout: object, names: set[str]) -> object:
    """Return a layout with these layers only; None for a panel that would be empty."""
    if not isinstance(layout, dict):
        return layout
    found = dict(layout)
    if isinstance(found.get("layers"), list):
        found["layers"] = [one for one in found["layers"] if isinstance(one, str) and one in names]
        if not found["layers"]:
            return None
    if isinstance(found.get("children"), list):
        children = [_panels(child, names) for child in found["children"]]
        found["children"] = [child for child in children if child is not None]
        if not found["children"]:
            return None
    return found


def _kept_layer(
    layer: object, number: int, origin: str, may_keep: Callable[[str], bool]
) -> tuple[State | None, list[str]]:
    """Return what is kept of one layer, and what has to be said of it."""
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        return None, [f"Layer {number} has no name and was left out."]
    name = layer["name"][:LONGEST_NAMED]
    known = LAYER_KEYS.get(str(layer.get("type")))
    if known is None:
        kind = str(layer.get("type"))[:LONGEST_NAMED]
        return None, [f"The layer “{name}” is of a kind that is not kept ({kind})."]
    if len(sources.addresses(layer.get("source"))) > MOST_SOURCES:
        return None, [f"The layer “{name}” has more than {MOST_SOURCES} sources and was left out."]
    words: list[str] = []

    def own(address: str) -> str | None:
        change, trouble = _own(address, origin, may_keep)
        if trouble:
            words.append(f"“{name}”: {trouble}")
        return change

    source = sources.mapped(layer.get("source"), own)
    if source is None:
        return None, words or [f"The layer “{name}” has no source and was left out."]
    extra = [key[:LONGEST_NAMED] for key in layer if key not in known]
    if extra:
        words.append(f"“{name}”: left out what is not known here: {', '.join(extra)}.")
    found = {key: copy.deepcopy(value) for key, value in layer.items() if key in known}
    return {**found, "source": source}, words


def _own(
    address: str, origin: str, may_keep: Callable[[str], bool]
) -> tuple[str | None, str | None]:
    """Return what is kept of an address, or None with the reason."""
    if address in sources.LOCAL:
        return address, None
    ours = re.fullmatch(
        rf"(?:precomputed://)?{re.escape(origin)}/data/({_UUID})(?:/@[0-9a-f]{{16}})?"
        rf"(?:/{sources.REGIONS}/({WRITTEN.pattern}))?/?"
        r"(?:\|neuroglancer-precomputed:)?",
        address,
    )
    if ours is None:
        return None, f"{_named(address)} is not on this site, so it was left out."
    if not may_keep(ours[1]):
        return None, "this volume is gone or not yours to see, so it was left out."
    return sources.of_volume(ours[1], ours[2] or ""), None


def _named(address: str) -> str:
    """Return what tells a foreign address: its kind and its host, without sign-in or path."""
    scheme, _, rest = address.partition("://")
    inner = rest if "://" in rest else address
    try:
        host = urlsplit(inner).hostname or ""
    except ValueError:
        host = ""
    kind = scheme if rest else "an address"
    return " of ".join(filter(None, (kind[:LONGEST_NAMED], host[:LONGEST_NAMED])))


def _without_dangling(document: State) -> State:
    """Forget whatever names a layer that is not there: a name tells of what was left out."""
    names = {layer["name"] for layer in document["layers"]}
    selected = document.get("selectedLayer")
    if not isinstance(selected, dict) or not _is_among(selected.get("layer"), names):
        document.pop("selectedLayer", None)
    layout = _panels(document.get("layout"), names)
    document.pop("layout", None)
    if layout is not None:
        document["layout"] = layout
    for key in TOOLS & document.keys():
        if any(not _is_among(name, names) for name in _layers_named(document[key])):
            del document[key]
    for layer in document["layers"]:
        for key in LINKS & layer.keys():
            if not _is_among(layer[key], names):
                del layer[key]
    return document


def _layers_named(found: object) -> Iterator[object]:
    """Yield what a tool or a palette names as its layer."""
    for _, value in _values(found):
        if isinstance(value, dict) and "layer" in value:
            yield value["layer"]


def _is_among(name: object, names: set[str]) -> bool:
    return isinstance(name, str) and name in names


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON.")


def _require_plain(found: dict[str, Any]) -> None:
    for depth, value in _values(found):
        if depth > DEEPEST:
            raise Invalid("The viewer's state is nested too deeply to be one. Nothing was saved.")
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise Invalid(
                f"A text in this view (“{value[:LONGEST_NAMED]}…”) has {len(value):,} characters; "
                f"at most {LONGEST_TEXT:,} are kept. Shorten it and save again."
            )
        if isinstance(value, float | int) and not abs(value) <= LARGEST:
            raise Invalid("A number of this view is too large to be one. Nothing was saved.")
        if isinstance(value, str) and not value.isascii() and re.search("[\ud800-\udfff]", value):
            raise Invalid(f"“{value[:LONGEST_NAMED]!a}” is no readable text. Correct it.")


def _values(found: object) -> Iterator[tuple[int, object]]:
    waiting: list[tuple[int, object]] = [(0, found)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        if depth > DEEPEST:
            continue
        if isinstance(value, dict):
            waiting += [(depth + 1, each) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            waiting += [(depth + 1, each) for each in value]
