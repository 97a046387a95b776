"""What a folder must hold, and which folders can be chosen at all."""

import os
from types import SimpleNamespace

import pytest

from core_app.errors import Invalid
from core_app.paths import DataPath
from imaging_app import raw_data


def a_channel(name="488", *, layout="lavision", position=2, **other):
    microscope = SimpleNamespace(layout=layout)
    values = {
        "wavelength": SimpleNamespace(name=name, position=position),
        "resolution": SimpleNamespace(objective=SimpleNamespace(microscope=microscope)),
        "left_sheet": True, "right_sheet": False, "tile_columns": 2, "tile_rows": 1,
        "tile_overlap": 0.1, "z_planes": 7, "z_step_um": 5.0, "voxel_um": (1.8, 1.8, 5.0), **other,
    }  # fmt: skip
    return SimpleNamespace(**values)


def a_verdict(*absent):
    return SimpleNamespace(report={"absent": list(absent)})


def a_gap(key, *planes, sheet="left", channel="488"):
    return {"key": key, "channel": channel, "sheet": sheet, "planes": list(planes)}


def test_channels_of_one_folder_are_filters_in_their_order():
    expected = raw_data.expected_of([a_channel("488"), a_channel("647")])

    assert [(c.name, c.filter_index) for c in expected.channels] == [("488", 0), ("647", 1)]


def test_channels_with_folders_of_their_own_are_known_by_their_line():
    expected = raw_data.expected_of([a_channel("642", layout="smartspim")])

    assert expected.channels[0].filter_index == 2


def test_an_overlap_is_compared_where_there_are_tiles():
    tiled, single = raw_data.expected_of([a_channel(), a_channel(tile_columns=1)]).channels

    assert (tiled.overlap, single.overlap) == (0.1, None)


def test_only_gaps_that_were_accepted_are_gaps_that_may_be():
    verdict = a_verdict(a_gap("a", 3, 4), a_gap("b", 9), a_gap("a", 5, channel="647"))

    assert raw_data.accepted_gaps(a_channel(), verdict, {"a"}) == {"left": (3, 4)}


def test_a_folder_that_nobody_touched_since_has_not_changed(tmp_path):
    (tmp_path / "raw").mkdir()
    report = {"folders": {".": (tmp_path / "raw").stat().st_mtime_ns}}

    assert not raw_data.has_changed_since(tmp_path, DataPath("raw"), report)


def test_a_folder_that_got_a_file_since_has_changed(tmp_path):
    (tmp_path / "raw").mkdir()
    os.utime(tmp_path / "raw", ns=(1, 1))
    report = {"folders": {".": 1}}
    (tmp_path / "raw" / "late.tif").touch()

    assert raw_data.has_changed_since(tmp_path, DataPath("raw"), report)


def test_a_folder_that_is_gone_has_changed(tmp_path):
    assert raw_data.has_changed_since(tmp_path, DataPath("raw"), {"folders": {".": 1}})


@pytest.mark.parametrize(
    ("layout", "there", "likely"),
    [
        ("lavision", ["run_1"], "run_1"),
        ("lavision", ["run_1", "run_2"], ""),
        ("lavision", [], ""),
        ("smartspim", ["Ex_488_Em_0", "Ex_642_Em_2"], "Ex_642_Em_2"),
        ("smartspim", ["Ex_488_Em_0", "Ex_639_Em_2"], "Ex_639_Em_2"),
        ("smartspim", ["run_1"], ""),
    ],
)
def test_the_folder_that_a_channel_most_likely_lies_in_is_proposed(layout, there, likely):
    folders = [raw_data.RawFolder(name, 4) for name in there]

    assert raw_data.likely_folder(a_channel("642", layout=layout), folders) == likely


@pytest.mark.parametrize("text", [None, "", "yesterday", "2030-01-07T12:00:00", 7])
def test_a_moment_that_is_none_is_none(text):
    assert raw_data.moment(text) is None


def test_a_channel_without_planes_cannot_be_checked():
    with pytest.raises(Invalid, match="how many planes channel 647 has"):
        raw_data.expected_of([a_channel("647", z_planes=None)])


def test_a_place_that_is_not_there_holds_no_folders(tmp_path):
    assert raw_data.folders_in(tmp_path, DataPath("nobody/nothing")) == []


def test_a_large_folder_is_not_counted_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_data, "MOST_COUNTED", 3)
    (tmp_path / "all" / "run_1").mkdir(parents=True)
    for number in range(4):
        (tmp_path / "all" / "run_1" / f"{number}.tif").touch()

    (found,) = raw_data.folders_in(tmp_path, DataPath("all"))

    assert found.holds == "more than 3 entries"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a b", "a/b", "a\\b", "a\nb", "a\0b", "\udcff", "µ" * 76]
)
def test_a_name_that_breaks_paths_or_pages_cannot_be_chosen(name):
    assert not raw_data.is_usable(name)


@pytest.mark.parametrize("name", ["run_1", "10-11-12_488", "Gewebe_µm", "..x"])
def test_a_plain_name_can_be_chosen(name):
    assert raw_data.is_usable(name)
