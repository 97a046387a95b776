"""The keys p and c of a real Neuroglancer viewer, which is not connected to a browser."""

import json

import neuroglancer
import neuroglancer.viewer_base
import pytest

from tests.support.viewer_programs import program

keys = program("viewer/keys")
ontology = program("viewer/ontology")
TREE = {"1": [None, "whole"], "2": [1, "cortex"], "3": [2, "left"], "4": [2, "right"]}


@pytest.fixture
def viewer():
    return a_viewer("regions")


def a_viewer(*names):
    viewer = neuroglancer.viewer_base.ViewerBase(token="t")
    layers = [
        {
            "type": "segmentation",
            "name": name,
            "source": "precomputed://http://x/y",
            "segmentColors": {"1": "#ff0000", "2": "#00ff00", "3": "#0000ff"},
        }
        for name in names
    ]
    image = {"type": "image", "name": "image", "source": "precomputed://http://x/z"}
    viewer.set_state({"layers": [image, *layers]})
    keys.bind(viewer, ontology.parse_tree(TREE))
    return viewer


def press(viewer, key, value=None, layer="regions"):
    """Do what the client does: name the action, with the state and what is under the pointer."""
    bindings = viewer.config_state.state.input_event_bindings.to_json()["viewer"]
    values = {} if value is None else {layer: {"value": value}}
    said = {"viewerState": json.loads(json.dumps(viewer.state.to_json())), "selectedValues": values}
    viewer.actions.invoke(bindings[f"key{key}"], said)


def message(viewer):
    return viewer.config_state.state.status_messages["ontology"]


def groups(viewer, layer="regions"):
    return viewer.state.layers[layer].layer.equivalences.to_json()


def test_it_begins_with_a_word_about_the_keys(viewer):
    assert message(viewer) == keys.WELCOME


def test_p_goes_up_and_c_goes_back(viewer):
    press(viewer, "p", "3")
    assert groups(viewer) == [[2, 3, 4]]
    assert message(viewer) == "Contracting: cortex"

    press(viewer, "p", {"key": "3", "value": "2"})
    assert groups(viewer) == [[1, 2, 3, 4]]

    press(viewer, "c", {"key": "3", "value": "1"})
    assert groups(viewer) == []
    assert message(viewer) == "Expanding: whole"


def test_a_selected_group_is_followed_by_what_was_inside(viewer):
    press(viewer, "p", "3")
    with viewer.txn() as state:
        state.layers["regions"].layer.segments = [2]

    press(viewer, "c", {"key": "3", "value": "2"})

    assert sorted(viewer.state.layers["regions"].layer.segments) == [3, 4]


def test_without_anything_under_the_pointer_it_says_to_move_it(viewer):
    press(viewer, "p")

    assert (groups(viewer), message(viewer)) == ([], keys.HOVER)


def test_background_is_no_structure(viewer):
    press(viewer, "p", "0")

    assert groups(viewer) == []


def test_without_a_layer_of_structures_it_says_so():
    viewer = a_viewer()

    press(viewer, "p", "3")

    assert "Load a layer" in message(viewer)


def test_of_several_layers_the_selected_one_is_meant():
    viewer = a_viewer("one", "two")

    press(viewer, "p", "3", layer="two")
    assert "Select one" in message(viewer)

    with viewer.txn() as state:
        state.selected_layer.layer = "two"
    press(viewer, "p", "3", layer="two")
    assert (groups(viewer, "one"), groups(viewer, "two")) == ([], [[2, 3, 4]])


def test_a_group_has_the_color_of_its_top_whatever_its_smallest_id():
    tree = {"9": [None, "whole"], "8": [9, "left"], "3": [9, "right"]}
    viewer = neuroglancer.viewer_base.ViewerBase(token="t")
    colors = {"9": "#ff0000", "8": "#00ff00", "3": "#0000ff"}
    layer = {"type": "segmentation", "name": "regions", "source": "precomputed://http://x/y"}
    viewer.set_state({"layers": [{**layer, "segmentColors": colors}]})
    keys.bind(viewer, ontology.parse_tree(tree))

    press(viewer, "p", "8")
    merged = viewer.state.layers["regions"].layer.segment_colors.to_json()
    press(viewer, "c", {"key": "8", "value": "3"})
    apart = viewer.state.layers["regions"].layer.segment_colors.to_json()

    assert (merged["3"], apart["3"]) == ("#ff0000", "#0000ff")
