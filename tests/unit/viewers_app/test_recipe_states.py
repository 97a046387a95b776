"""What each recipe tells the client, word for word, and what must hold of all of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.viewers_app.test_recipes import CELLS, REGIONS, a_layer, annotation, registered
from viewers_app.coordinates import SHAPE_XYZ
from viewers_app.neuroglancer import delivered, presets, state_of
from viewers_app.panels import grid_of, names_in
from viewers_app.recipes import RECIPES, offer
from viewers_app.specs import OVERLAY, PANELS, LayerSpec, Screen, Template, ViewerSpec

GOLDEN = Path(__file__).parent / "golden" / "recipes"
VENTRAL = {"space": "1 ventral horizontal", "place": "1 ventral"}


def sheets(kind: str) -> list[LayerSpec]:
    return [
        a_layer("488 left", kind, side="left"),
        a_layer("488 right", kind, side="right"),
        a_layer("647 left", kind, side="left", channel="8"),
        a_layer("647 right", kind, side="right", channel="8"),
        a_layer("488 left ventral", kind, side="left", channel="9", **VENTRAL),
    ]


def channels(kind: str) -> list[LayerSpec]:
    return [a_layer("488", kind), a_layer("647", kind, channel="8", color="#ff0000")]


def on_atlas() -> list[LayerSpec]:
    atlas = replace(annotation(), colors=(("7", "#70ff70"), ("8", "#98d6f9")))
    return [
        registered("488"),
        registered("647", channel="8"),
        registered("785", channel="9"),
        atlas,
    ]


def on_the_allen_grid() -> list[LayerSpec]:
    regions, image = replace(annotation(), axes="DV,AP,LR"), registered("488")
    return [replace(one, shape_xyz=SHAPE_XYZ) for one in (image, regions)]


ON_ATLAS = {"registered", "placement", "structures", "atlas", "atlas-structures"}
AN_ATLAS = [
    a_layer("template", "template", space="atlas 4"),
    replace(annotation(), colors=(("7", "#70ff70"),)),
]
LAYERS = {
    "raw": sheets("raw"),
    "stitched": sheets("stitched"),
    "blended": channels("blended"),
    "downsized": channels("downsized"),
    "corrected": channels("corrected"),
    "registered": on_atlas(),
    "cells": [*channels("corrected"), REGIONS, CELLS],
    "tracing": [*channels("blended"), REGIONS],
    "placement": on_the_allen_grid(),
    "structures": on_atlas(),
    "atlas": AN_ATLAS,
    "atlas-structures": AN_ATLAS,
}


def spec_of(key: str, layers: Sequence[LayerSpec] | None = None) -> ViewerSpec:
    recipe = RECIPES[key]
    shown = offer(recipe, LAYERS[key] if layers is None else layers).layers
    orientation = "sagittal" if key in ON_ATLAS else "horizontal"
    return ViewerSpec(f"brain-001 · {recipe.label}", shown, orientation, recipe.template)


def viewers(layout: Any) -> list[list[dict[str, Any]]]:
    """Return rows of the panels of a layout."""
    rows = layout["children"] if layout["type"] == "column" else [layout]
    return [row["children"] if row["type"] == "row" else [row] for row in rows]


@pytest.mark.parametrize("key", list(RECIPES))
def test_the_state_of_a_recipe_is_the_golden_one(key: str) -> None:
    golden = json.loads((GOLDEN / f"{key}.json").read_text(encoding="utf-8"))

    assert json.loads(json.dumps(state_of(spec_of(key)))) == golden


@pytest.mark.parametrize("key", list(RECIPES))
@pytest.mark.parametrize("screen", [Screen(), Screen(390, 750)])
def test_every_panel_names_layers_that_there_are(key: str, screen: Screen) -> None:
    state = state_of(spec_of(key), screen)

    names = [layer["name"] for layer in state["layers"]]
    assert len(set(names)) == len(names)
    assert state["selectedLayer"]["layer"] in names
    if isinstance(state["layout"], dict):
        for row in viewers(state["layout"]):
            assert all({*panel["layers"]} <= {*names} for panel in row)


@pytest.mark.parametrize("key", list(RECIPES))
def test_a_stored_state_has_no_address_and_a_delivered_one_only_absolute_ones(key: str) -> None:
    stored = state_of(spec_of(key))
    ready = delivered(stored, origin="https://view.example.net", revisions={})

    assert "://" not in json.dumps(stored)
    sources = [layer["source"] for layer in ready["layers"]]
    urls = [source["url"] if isinstance(source, dict) else source for source in sources]
    assert all(url.startswith("precomputed://https://view.example.net/data/") for url in urls)


def test_raw_has_a_row_for_each_channel_and_side_up_and_a_column_for_each_sheet() -> None:
    rows = viewers(state_of(spec_of("raw"))["layout"])

    assert [[panel["layers"] for panel in row] for row in rows] == [
        [["488 left"], ["488 right"]],
        [["647 left"], ["647 right"]],
        [["488 left ventral"]],
    ]


def test_one_atlas_lies_over_those_channels_that_want_it() -> None:
    spec = replace(spec_of("registered"), overlaid=frozenset({"488", "785"}))
    state = state_of(spec)

    (row,) = viewers(state["layout"])
    assert ["small regions" in panel["layers"] for panel in row] == [True, False, True]
    regions = [layer for layer in state["layers"] if layer["type"] == "segmentation"]
    assert len(regions) == 1
    assert regions[0]["segmentColors"] == {"7": "#70ff70", "8": "#98d6f9"}


def test_several_products_of_different_spaces_stand_beside_each_other() -> None:
    spec = ViewerSpec("both", (a_layer("raw"), registered("488")), "horizontal", Template(OVERLAY))

    (row,) = viewers(state_of(spec)["layout"])

    assert [panel["layers"] for panel in row] == [["raw"], ["488"]]
    assert "position" not in row[0]
    assert row[1]["position"] == {"link": "unlinked", "value": [40, 45, 35]}


def test_regions_without_an_image_have_a_panel_of_their_own() -> None:
    spec = ViewerSpec("both", (a_layer("raw"), annotation()), "horizontal", Template(PANELS))

    grid = grid_of(spec, Screen())

    assert [names_in(panel, spec) for row in grid for panel in row] == [["raw"], ["small regions"]]


def test_all_panels_fit_on_a_phone_below_each_other() -> None:
    rows = viewers(state_of(spec_of("registered"), Screen(390, 750))["layout"])

    assert [len(row) for row in rows] == [1, 1, 1]
    assert state_of(spec_of("raw"), Screen(390, 750))["layout"] == "xy"


def test_a_volume_without_a_window_has_the_usual_one_and_inverted_swaps_its_ends() -> None:
    plain = state_of(spec_of("raw", [a_layer("488", window=(0, 0))]))
    layers = [registered("488", window=(0, 0)), annotation()]
    inverted = state_of(spec_of("placement", layers))

    ranges = [s["layers"][0]["shaderControls"]["normalized"]["range"] for s in (plain, inverted)]
    assert ranges == [[0, 1456], [1456, 0]]


def test_placement_on_another_grid_keeps_its_voxels() -> None:
    state = state_of(spec_of("placement", [registered("488"), annotation()]))

    assert list(state["dimensions"]) == ["x", "y", "z"]
    assert all(isinstance(layer["source"], str) for layer in state["layers"])


def test_placement_begins_with_the_coronal_plane_the_right_way_up() -> None:
    spec = spec_of("placement")

    coronal = next(preset for preset in presets(spec) if preset.key == "coronal")
    assert state_of(spec)["crossSectionOrientation"] == list(coronal.quaternion)
    # ML and DV in µm: what must fit on the screen.
    assert coronal.across == (456 * 25, 320 * 25)


def test_colors_of_regions_do_not_grow_without_end() -> None:
    many = replace(annotation(), colors=tuple((str(id), "#123456") for id in range(5000)))

    state = state_of(spec_of("registered", [registered("488"), many]))

    assert len(state["layers"][-1]["segmentColors"]) == 2000
