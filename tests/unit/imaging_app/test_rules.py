"""What can be right about how channels were acquired."""

from dataclasses import replace

import pytest

from core_app.errors import Invalid
from imaging_app.rules import (
    Acquisition,
    Entry,
    Line,
    Setting,
    Wanted,
    acquisition_problems,
    disagreements,
    parse_tiles,
    purpose_problems,
    setting_problems,
    tiling_disagreements,
)

LINE = Line("1.3x", "488", max_tiles=2)
WITH_ZOOM = Line("2x", "488", max_tiles=4, has_zoom=True)
SETTING = Setting(z_step_um=10.0)
ACQUIRED = Acquisition("run_1", z_planes=4, z_step_um=10.0)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("text", "tiles"),
    [("3x2", (3, 2)), ("3 x 2", (3, 2)), ("3×2", (3, 2)), ("10X10", (10, 10)), (" 1x1 ", (1, 1))],
)
def test_tiles_are_read_as_columns_and_rows(text, tiles):
    assert parse_tiles(text) == tiles


@pytest.mark.parametrize(
    "text",
    ["0x0", "1x0", "1x1x9", "", "x", "axb", "3", "3x", "-1x2", "1.5x2", "3,2", "٣x٢", "100x1"],
)
def test_what_is_no_pair_of_numbers_is_no_tiling(text):
    with pytest.raises(Invalid, match="columns x rows"):
        parse_tiles(text)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"left_sheet": False, "right_sheet": False}, "at least one light sheet"),
        ({"tile_overlap": 1.0}, "fraction"),
        ({"tile_overlap": -0.1}, "fraction"),
        ({"tile_overlap": 99.0}, "fraction"),
        ({"tile_overlap": NAN}, "fraction"),
        ({"tile_columns": 3}, "1.3x allows 1 to 2 tiles per side"),
        ({"tile_rows": 8}, "1.3x allows 1 to 2 tiles per side"),
        ({"tile_rows": 0}, "1.3x allows 1 to 2 tiles per side"),
        ({"z_step_um": 1.99}, "between 2 and 1000"),
        ({"z_step_um": 1000.1}, "between 2 and 1000"),
        ({"z_step_um": NAN}, "between 2 and 1000"),
        ({"z_step_um": INF}, "between 2 and 1000"),
        ({"orientation": "upside down"}, "orientation"),
        ({"zoom": 2.0}, "no zoom body"),
    ],
)
def test_what_a_batch_cannot_set_is_said_with_channel_and_objective(wrong, words):
    (problem,) = setting_problems(LINE, replace(SETTING, **wrong))

    assert words in problem
    assert problem.startswith("Channel 488 at 1.3x: ")


@pytest.mark.parametrize(
    "right",
    [
        {"z_step_um": 2.0},
        {"z_step_um": 1000.0},
        {"tile_overlap": 0.0},
        {"tile_overlap": 0.999},
        {"tile_columns": 2, "tile_rows": 2},
        {"left_sheet": False},
    ],
)
def test_the_limits_themselves_are_right(right):
    assert setting_problems(LINE, replace(SETTING, **right)) == []


@pytest.mark.parametrize(("tiles", "is_right"), [((4, 4), True), ((4, 5), False), ((5, 4), False)])
def test_the_limit_of_tiles_is_that_of_the_objective(tiles, is_right):
    given = replace(SETTING, tile_columns=tiles[0], tile_rows=tiles[1])

    assert (setting_problems(WITH_ZOOM, given) == []) is is_right


@pytest.mark.parametrize("zoom", [0.0, -1.0, NAN, INF, 10.1])
def test_a_zoom_that_no_zoom_body_has_is_refused(zoom):
    (problem,) = setting_problems(WITH_ZOOM, replace(SETTING, zoom=zoom))

    assert "more than 0 and at most 10" in problem


@pytest.mark.parametrize("zoom", [0.63, 1.0, 6.3, 10.0])
def test_a_zoom_body_may_zoom(zoom):
    assert setting_problems(WITH_ZOOM, replace(SETTING, zoom=zoom)) == []


def test_ventral_up_the_orientation_is_horizontal():
    ventral = replace(LINE, ventral_up=True)

    (problem,) = setting_problems(ventral, replace(SETTING, orientation="sagittal"))

    assert problem == "Channel 488 ventral up at 1.3x: ventral up the orientation is horizontal."


def test_every_problem_of_a_row_is_said_at_once():
    wrong = replace(SETTING, tile_columns=9, tile_overlap=10.0, z_step_um=0.0)

    assert len(setting_problems(LINE, wrong)) == 3


@pytest.mark.parametrize("planes", [None, 0, -1, 5501])
def test_planes_are_counted_from_one_to_5500(planes):
    (problem,) = acquisition_problems(LINE, replace(ACQUIRED, z_planes=planes))

    assert "1 to 5500" in problem


@pytest.mark.parametrize("planes", [1, 5500])
def test_the_limits_of_planes_are_right(planes):
    assert acquisition_problems(LINE, replace(ACQUIRED, z_planes=planes)) == []


@pytest.mark.parametrize("folder", ["", " ", "a b", "a/", "../a", "/a", "..", "a\\b"])
def test_a_raw_folder_is_one_name_without_blanks(folder):
    (problem,) = acquisition_problems(LINE, replace(ACQUIRED, raw_subfolder=folder))

    assert "raw folder" in problem


def test_a_sample_is_named_where_there_are_several():
    line = replace(LINE, sample="brain-001")

    (problem,) = setting_problems(line, replace(SETTING, z_step_um=1.0))

    assert problem.startswith("brain-001: channel 488 at 1.3x: ")


def entry(name, given=ACQUIRED, *, objective="1.3x", ventral_up=False):
    return Entry(
        f"{name}{'v' if ventral_up else ''}", Line(objective, name, ventral_up=ventral_up), given
    )


@pytest.mark.parametrize(
    "otherwise",
    [
        {"z_planes": 5},
        {"z_step_um": 5.0},
        {"left_sheet": False},
        {"orientation": "coronal"},
    ],
)
def test_channels_in_one_folder_have_equal_parameters(otherwise):
    found = disagreements([entry("488"), entry("647", replace(ACQUIRED, **otherwise))])

    assert list(found) == ["647"]
    assert "shares the folder run_1 with channel 488" in found["647"][0]


def test_numbers_that_were_typed_differently_are_equal():
    typed = Acquisition("run_1", z_planes=4, z_step_um=float("10.00"), tile_overlap=float("0.10"))
    other = replace(typed, z_step_um=float("1e1"), tile_overlap=float(".1"))

    assert disagreements([entry("488", typed), entry("647", other)]) == {}


def test_in_folders_of_their_own_channels_may_have_other_steps_and_planes():
    other = replace(ACQUIRED, raw_subfolder="run_2", z_step_um=5.0, z_planes=8)

    assert disagreements([entry("488"), entry("647", other)]) == {}


def test_a_folder_of_the_same_name_on_the_other_side_is_another_folder():
    ventral = entry("488", replace(ACQUIRED, z_planes=9), ventral_up=True)

    assert disagreements([entry("488"), ventral]) == {}


@pytest.mark.parametrize(
    "otherwise", [{"tile_columns": 2}, {"tile_rows": 2}, {"tile_overlap": 0.2}]
)
@pytest.mark.parametrize("ventral_up", [False, True])
def test_all_channels_of_an_objective_share_their_tiling(otherwise, ventral_up):
    other = entry(
        "647", replace(ACQUIRED, raw_subfolder="run_2", **otherwise), ventral_up=ventral_up
    )

    (messages,) = disagreements([entry("488"), other]).values()

    assert "the same tiles and overlap" in messages[0]
    assert "channel 488 has 1 x 1 tiles with overlap 0" in messages[0]


def test_channels_of_two_objectives_may_be_tiled_differently():
    other = entry("488", replace(ACQUIRED, tile_columns=2), objective="4x")

    assert disagreements([entry("488"), other]) == {}


def test_a_channel_that_is_imaged_ventral_up_too_stays_horizontal():
    dorsal = entry("488", replace(ACQUIRED, orientation="sagittal"))

    found = disagreements([dorsal, entry("488", ventral_up=True)])

    assert "orientation stays horizontal" in found["488"][0]


def test_no_channels_disagree_in_nothing():
    assert disagreements([]) == {}


def test_rows_of_a_batch_share_their_tiling_too():
    rows = {"a": (LINE, SETTING), "b": (replace(LINE, name="647"), replace(SETTING, tile_rows=2))}

    assert list(tiling_disagreements(rows)) == ["b"]


REGISTERED = Wanted("488", ("registration",), may_register=True)
DETECTED = Wanted("647", ("cell_detection",))


@pytest.mark.parametrize(
    ("channels", "generic_only_for", "words"),
    [
        ([Wanted("488", ())], "", "Say what channel 488 at 1.3x is for"),
        ([REGISTERED, DETECTED], "2x", "2x is for generic imaging only"),
        ([Wanted("647", ("registration",))], "", "647 has too little autofluorescence"),
        (
            [REGISTERED, Wanted("555", ("registration",), may_register=True)],
            "",
            "has a registration channel",
        ),
        ([DETECTED], "", "Detection needs a registration channel at 1.3x"),
    ],
)
def test_purposes_that_cannot_be_are_said(channels, generic_only_for, words):
    (problem,) = purpose_problems("1.3x", channels, generic_only_for=generic_only_for)

    assert words in problem


@pytest.mark.parametrize(
    "channels",
    [
        [REGISTERED, DETECTED],
        [REGISTERED, replace(REGISTERED, ventral_up=True)],
        [Wanted("790", ("generic_imaging",))],
    ],
)
def test_purposes_that_go_together_are_right(channels):
    assert purpose_problems("1.3x", channels) == []


def test_an_objective_with_one_light_sheet_takes_no_two():
    line = replace(LINE, has_two_sheets=False)

    (problem,) = setting_problems(line, SETTING)

    assert problem == "Channel 488 at 1.3x: 1.3x has one light sheet; tick left or right, not both."
    assert setting_problems(line, replace(SETTING, right_sheet=False)) == []
