"""What is kept of a state that a client sends, and what is left out by name."""

import json

import pytest

from core_app.errors import Invalid
from viewers_app import documents
from viewers_app.documents import Kept, kept, parsed, shown
from viewers_app.neuroglancer import delivered

ORIGIN = "https://view.example.org"
OURS = "0f2f3a52-52f2-4f47-9d4c-3b9f3a2ad5a1"
HIDDEN = "9b1c6c56-0a6f-4a5f-8f0c-1d2a1c9f0c11"
SOURCE = f"precomputed://{ORIGIN}/data/{OURS}/@0123456789abcdef"


def image(source: object = SOURCE, name: str = "488", **other: object) -> dict[str, object]:
    return {"type": "image", "name": name, "source": source, **other}


def keep(*layers: object, **other: object) -> Kept:
    state = {"layers": [image(), *layers], **other}
    return kept(state, origin=ORIGIN, may_keep=lambda uuid: uuid == OURS)


@pytest.mark.parametrize(
    "source",
    [
        SOURCE,
        f"precomputed://{ORIGIN}/data/{OURS}",
        f"precomputed://{ORIGIN}/data/{OURS}/",
        f"{ORIGIN}/data/{OURS}/@0123456789abcdef/|neuroglancer-precomputed:",
    ],
)
def test_an_address_of_ours_is_kept_as_the_volume_it_names(source: str) -> None:
    found = kept({"layers": [image(source)]}, origin=ORIGIN, may_keep=lambda uuid: True)

    assert found.document["layers"][0]["source"] == f"layer:{OURS}"
    assert found.layers == (OURS,)
    assert found.left_out == ()


def test_what_was_saved_is_delivered_with_the_addresses_of_then() -> None:
    drawn = {
        "type": "annotation",
        "name": "marks",
        "source": {"url": "local://annotations", "transform": {"outputDimensions": {}}},
        "annotations": [{"type": "point", "id": "a", "point": [1, 2, 3]}],
    }
    document = keep(drawn, position=[1, 2, 3]).document

    state = delivered(
        shown(document, title="t", uuids={OURS}), origin="https://new", revisions={OURS: "ab"}
    )

    assert state["layers"][0]["source"] == f"precomputed://https://new/data/{OURS}/@ab"
    assert state["layers"][1] == drawn
    assert (state["title"], state["position"]) == ("t", [1, 2, 3])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("precomputed://https://evil.example/data/x", "evil.example"),
        (f"precomputed://{ORIGIN}.evil.example/data/{OURS}", "evil.example"),
        (f"precomputed://{ORIGIN}@evil.example/data/{OURS}", "evil.example"),
        ("precomputed://https://user:secret@evil.example/x", "evil.example"),
        (f"precomputed://{ORIGIN}/data/{OURS}/../../open", "view.example.org"),
        (f"precomputed://{ORIGIN}/open?ticket=x", "view.example.org"),
        ("precomputed://gs://bucket/x", "bucket"),
        ("graphene://https://evil.example/x", "graphene"),
        ("python://volume/1", "python"),
        ("brainmaps://x:y:z", "brainmaps"),
        ("javascript:alert(1)", "an address"),
        ("local://annotations/../x", "local"),
        ("http://[", "http"),
        (f"layer:{HIDDEN}", "an address"),
    ],
)
def test_a_source_from_elsewhere_is_left_out_and_named(source: str, names: str) -> None:
    found = keep(image(source, name="foreign"))

    assert [layer["name"] for layer in found.document["layers"]] == ["488"]
    (words,) = found.left_out
    assert "foreign" in words
    assert names in words
    assert "secret" not in words
    assert source not in json.dumps(found.document)


@pytest.mark.parametrize("source", [HIDDEN, "00000000-0000-0000-0000-000000000000"])
def test_a_volume_that_is_not_the_persons_is_left_out_and_named(source: str) -> None:
    found = keep(image(f"precomputed://{ORIGIN}/data/{source}", name="forged"))

    assert found.layers == (OURS,)
    assert "forged" in found.left_out[0]


def test_one_source_of_several_is_left_out_alone() -> None:
    both = [SOURCE, {"url": "precomputed://https://evil.example/x", "subsources": {"mesh": True}}]

    found = kept({"layers": [image(both)]}, origin=ORIGIN, may_keep=lambda uuid: True)

    assert found.document["layers"][0]["source"] == [f"layer:{OURS}"]
    assert "evil.example" in found.left_out[0]


def test_addresses_hide_in_no_other_key() -> None:
    legacy = {"mesh": "precomputed://https://evil.example/m", "skeletons": "https://evil.example"}
    parts = {"url": SOURCE, "subsources": {"a": "https://evil.example"}, "state": {"u": "evil"}}

    found = kept(
        {
            "layers": [{"type": "segmentation", "name": "s", "source": parts, **legacy}],
            "selectedStateServer": "https://evil.example",
            "unheard": "https://evil.example",
        },
        origin=ORIGIN,
        may_keep=lambda uuid: True,
    )

    assert "evil" not in json.dumps(found.document)
    assert any("mesh" in words for words in found.left_out)
    assert any("unheard" in words for words in found.left_out)


def test_shaders_are_kept() -> None:
    assert keep(image(name="b", shader="void main() {}")).document["layers"][1]["shader"]


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "mesh", "name": "m", "source": SOURCE},
        {"type": "image", "source": SOURCE},
        {"type": "image", "name": "x"},
        {"type": "image", "name": "x", "source": 7},
        {"type": ["image"], "name": "x", "source": SOURCE},
        {"type": "image", "name": "x", "source": [SOURCE] * 17},
        {"type": "image", "name": "x", "source": [[SOURCE] * 9, [SOURCE] * 9]},
        "layer",
        None,
    ],
)
def test_a_layer_that_is_none_is_left_out_with_a_word(layer: object) -> None:
    found = keep(layer)

    assert len(found.document["layers"]) == 1
    assert len(found.left_out) == 1


@pytest.mark.parametrize(
    "state", [None, [], {}, {"layers": {}}, {"layers": []}, {"layers": [image("python://x")]}]
)
def test_a_state_without_a_volume_is_refused(state: object) -> None:
    with pytest.raises(Invalid):
        kept(state, origin=ORIGIN, may_keep=lambda uuid: True)


def test_a_state_with_countless_layers_is_refused() -> None:
    layers = [image(name=str(n)) for n in range(documents.MOST_LAYERS + 1)]

    with pytest.raises(Invalid, match="at most"):
        kept({"layers": layers}, origin=ORIGIN, may_keep=lambda uuid: True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b"[" * 100_000,
        b'{"a": "' + b"x" * 30_000 + b'"}',
    ],
    ids=range(11),
)
def test_a_body_that_is_no_plain_object_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        parsed(body)


def test_a_layer_whose_volume_is_not_visible_is_not_shown() -> None:
    document = {
        "layers": [image(f"layer:{OURS}"), image(f"layer:{HIDDEN}", name="hidden")],
        "selectedLayer": {"layer": "hidden", "visible": True},
    }

    state = shown(document, title="t", uuids={OURS})

    assert "hidden" not in json.dumps(state)
    assert len(document["layers"]) == 2


def test_names_of_layers_that_are_left_out_are_told_nowhere() -> None:
    panel = {"type": "viewer", "layers": ["488", "of a labmate"], "layout": "xy"}
    alone = {"type": "viewer", "layers": ["of a labmate"], "layout": "xy"}
    layout = {"type": "row", "children": [panel, {"type": "column", "children": [alone]}]}
    other = image(f"precomputed://{ORIGIN}/data/{HIDDEN}", name="of a labmate")
    regions = {
        "type": "segmentation", "name": "regions", "source": SOURCE,
        "linkedSegmentationGroup": "of a labmate",
    }  # fmt: skip
    state = {
        "layers": [image(), other, regions],
        "layout": layout,
        "toolBindings": {"A": {"type": "shaderControl", "layer": "of a labmate"}},
    }
    document = kept(state, origin=ORIGIN, may_keep=lambda uuid: True).document

    found = shown(document, title="t", uuids={OURS})

    assert "labmate" not in json.dumps(found)
    assert found["layout"] == {
        "type": "row", "children": [{"type": "viewer", "layers": ["488"], "layout": "xy"}]
    }  # fmt: skip
    assert shown(document, title="t", uuids={OURS, HIDDEN})["layout"] == layout


@pytest.mark.parametrize("layout", ["xy", "4panel", {"type": "xy", "orthographicProjection": True}])
def test_a_layout_that_names_no_layer_stays(layout: object) -> None:
    assert keep(layout=layout).document["layout"] == layout


def test_a_selected_layer_that_is_no_name_is_forgotten() -> None:
    assert "selectedLayer" not in keep(selectedLayer={"layer": []}).document


def test_a_whole_number_beyond_all_measure_is_refused() -> None:
    with pytest.raises(Invalid, match="too large"):
        parsed(b'{"position": [1' + b"0" * 400 + b"]}")
