"""The keys `p` and `c` of a viewer with an ontology: what is under the pointer goes up, or back."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import neuroglancer
from ontology import Change, Groups, Tree, back, up

MESSAGE: Final = "ontology"
WELCOME: Final = "Point at a structure: p shows the one above it, c goes back to the finest level."
HOVER: Final = "Move the pointer over a structure, then press the key again."


def bind(viewer: Any, tree: Tree) -> None:
    """Give the viewer both keys, and say so."""
    act = Keys(viewer, tree, _colors(viewer.state))
    viewer.actions.add("ontology-up", lambda said: act(said, _going_up(tree)))
    viewer.actions.add("ontology-back", lambda said: act(said, _going_back(tree)))
    with viewer.config_state.txn() as state:
        state.input_event_bindings.viewer["keyp"] = "ontology-up"
        state.input_event_bindings.viewer["keyc"] = "ontology-back"
        state.status_messages[MESSAGE] = WELCOME


def _going_up(tree: Tree) -> Callable[[Any, int], Change]:
    return lambda layer, region: up(tree, _groups(layer), region)


def _going_back(tree: Tree) -> Callable[[Any, int], Change]:
    return lambda layer, region: back(tree, _groups(layer), region, layer.segments)


@dataclass(frozen=True)
class Keys:
    """What both keys do with their change. `colors`: {layer: {id: color}} as it was at first."""

    viewer: Any
    tree: Tree
    colors: Mapping[str, Mapping[int, Any]]

    def __call__(self, said: Any, change_of: Callable[[Any, int], Change]) -> None:
        name, trouble = layer_meant(said.viewer_state)
        region = _region(said.selected_values, name)
        if trouble or region is None:
            _say(self.viewer, trouble or HOVER)
            return
        with self.viewer.txn() as state:
            layer = state.layers[name].layer
            change = change_of(layer, region)
            if change.groups is not None:
                layer.equivalences = [sorted(group) for group in change.groups]
                layer.segment_colors = self._colors(name, change.groups)
            if change.selected is not None:
                layer.segments = sorted(change.selected)
        _say(self.viewer, change.message)

    def _colors(self, name: str, groups: Groups) -> dict[int, Any]:
        """Return the colors of the layer: each group has its top's, under its smallest id."""
        known = self.colors.get(name, {})
        tops = {min(group): self.tree.top_of(group) for group in groups}
        return {**known, **{id: known[top] for id, top in tops.items() if top in known}}


def _colors(state: Any) -> dict[str, dict[int, Any]]:
    return {
        layer.name: dict(layer.layer.segment_colors)
        for layer in state.layers
        if isinstance(layer.layer, neuroglancer.SegmentationLayer)
    }


def layer_meant(state: Any) -> tuple[str, str]:
    """Return the name of the segmentation that a key is about, or what the person has to do."""
    names = [
        layer.name
        for layer in state.layers
        if isinstance(layer.layer, neuroglancer.SegmentationLayer)
    ]
    if not names:
        return "", "Load a layer of structures first."
    chosen = state.selected_layer.layer
    if len(names) == 1:
        return names[0], ""
    if chosen in names:
        return chosen, ""
    return "", "Select one of the layers of structures: right-click its name."


def _region(values: Any, name: str) -> int | None:
    """Return what is shown under the pointer: the group's id where there is one."""
    found = values.get(name) if name else None
    value = getattr(found, "value", None)
    mapped = getattr(value, "value", None)
    shown = mapped if mapped is not None else getattr(value, "key", value)
    return None if shown is None else int(shown)


def _groups(layer: Any) -> Groups:
    return frozenset(frozenset(group) for group in copy.copy(layer.equivalences).sets())


def _say(viewer: Any, message: str) -> None:
    with viewer.config_state.txn() as state:
        state.status_messages[MESSAGE] = message
