"""The state of the client, word for word, and what must hold of every state."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from viewers_app.neuroglancer import delivered, presets, state_of
from viewers_app.specs import LayerSpec, Screen, ViewerSpec

GOLDEN = Path(__file__).parent / "golden"
REVISIONS = {"00000000-0000-4000-8000-000000000001": "0123456789abcdef"}
GREEN, RED = "#00ff00", "#ff0000"


def a_layer(number: int = 1, **other: object) -> LayerSpec:
    layer = LayerSpec(
        uuid=f"00000000-0000-4000-8000-00000000000{number}",
        name="488 left",
        kind="raw",
        channel="7",
        shape_xyz=(380, 440, 200),
        voxel_nm_xyz=(30_000.0, 30_000.0, 40_000.0),
        window=(121, 1389),
        color=GREEN,
        side="left",
    )
    return replace(layer, **other)  # type: ignore[arg-type]  # the names are those of LayerSpec


def two_channels() -> ViewerSpec:
    layers = (
        a_layer(1),
        a_layer(2, name="488 right", side="right"),
        a_layer(3, name="647", side="", channel="8", color=RED, window=(121, 527)),
    )
    return ViewerSpec("brain-001 · Raw", layers, "horizontal")


def a_view_of(**layer: object) -> ViewerSpec:
    return ViewerSpec("one", (a_layer(**layer),), "horizontal")  # type: ignore[arg-type]  # see a_layer


GOLDEN_STATES = {
    "one-layer.json": state_of(ViewerSpec("brain-001 · Raw", (a_layer(),), "horizontal")),
    "two-channels.json": state_of(two_channels()),
    "on-a-phone.json": state_of(two_channels(), Screen(390, 750)),
    "nothing-left.json": state_of(ViewerSpec("brain-001 · Raw", (), "horizontal")),
    "delivered.json": delivered(
        state_of(two_channels()), origin="https://view.example.net", revisions=REVISIONS
    ),
}


@pytest.mark.parametrize("name", list(GOLDEN_STATES))
def test_the_state_is_the_golden_one(name: str) -> None:
    golden = json.loads((GOLDEN / name).read_text(encoding="utf-8"))

    assert json.loads(json.dumps(GOLDEN_STATES[name])) == golden


def test_dimensions_are_meters_of_one_voxel() -> None:
    state = state_of(a_view_of(voxel_nm_xyz=(1_800.0, 1_800.0, 2_000.0)))

    assert state["dimensions"] == {"x": [1.8e-6, "m"], "y": [1.8e-6, "m"], "z": [2e-6, "m"]}


def test_the_view_begins_in_the_middle_of_the_volume() -> None:
    assert state_of(a_view_of(shape_xyz=(101, 50, 8)))["position"] == [50.5, 25, 4]


@pytest.mark.parametrize("screen", [Screen(1280, 800), Screen(390, 750), Screen(2560, 1300)])
def test_the_whole_volume_fits_into_a_panel(screen: Screen) -> None:
    state = state_of(a_view_of(shape_xyz=(380, 440, 200)), screen)

    panels = 1 if state["layout"] == "xy" else 2
    assert 380 / state["crossSectionScale"] < screen.width / panels
    assert 440 / state["crossSectionScale"] < screen.height / panels


def test_the_scale_counts_the_smallest_voxel_edge() -> None:
    cubes = state_of(a_view_of(shape_xyz=(100, 100, 400), voxel_nm_xyz=(1e4, 1e4, 1e4)))
    flat = state_of(a_view_of(shape_xyz=(100, 100, 100), voxel_nm_xyz=(1e4, 1e4, 4e4)))

    assert flat["crossSectionScale"] == cubes["crossSectionScale"]


def test_both_sheets_of_a_channel_share_its_brightness() -> None:
    weights = [layer["opacity"] for layer in state_of(two_channels())["layers"]]

    assert weights == [0.5, 0.5, 1.0]


def test_the_same_channel_raw_and_blended_does_not_share() -> None:
    layers = (a_layer(1), a_layer(2, kind="blended", name="488 blended"))

    state = state_of(ViewerSpec("both", layers, "horizontal"))

    assert [layer["opacity"] for layer in state["layers"]] == [1.0, 1.0]


def test_an_empty_window_is_widened_since_the_client_divides_by_it() -> None:
    layer = state_of(a_view_of(window=(5, 5)))["layers"][0]

    assert layer["shaderControls"]["normalized"]["range"] == [5, 6]


def test_a_stored_state_has_no_address() -> None:
    assert "://" not in json.dumps(state_of(two_channels()))


def test_delivery_leaves_the_stored_state_alone() -> None:
    stored = state_of(two_channels())

    delivered(stored, origin="https://view.example.net", revisions=REVISIONS)

    assert stored == state_of(two_channels())


def test_a_preset_says_how_much_must_fit_on_the_screen() -> None:
    across = {preset.key: preset.across for preset in presets(two_channels())}

    depth = 200 * 4 / 3
    assert across["as imaged"] == (380, 440)
    assert across["horizontal"] == (380, 440)
    assert across["sagittal"] == pytest.approx((depth, 440))
    assert across["coronal"] == pytest.approx((380, depth))


def test_as_imaged_is_four_panels_upright_and_a_plane_is_one_large_panel() -> None:
    layouts = {preset.key: preset.layout for preset in presets(two_channels())}

    assert layouts["as imaged"] == "4panel"
    assert set(layouts.values()) - {"4panel"} == {"xy"}
