"""What a folder must hold, and which folders can be chosen at all."""

from types import SimpleNamespace

import pytest

from core_app.errors import Invalid
from core_app.paths import DataPath
from imaging_app import raw_data


def a_channel(name="488", **other):
    values = {
        "wavelength": SimpleNamespace(name=name), "left_sheet": True, "right_sheet": False,
        "tile_columns": 2, "tile_rows": 1, "z_planes": 7, **other,
    }  # fmt: skip
    return SimpleNamespace(**values)


def test_channels_of_one_folder_are_filters_in_their_order():
    expected = raw_data.expected_of([a_channel("488"), a_channel("647")])

    assert [(c.name, c.filter_index) for c in expected.channels] == [("488", 0), ("647", 1)]


def test_a_channel_without_planes_cannot_be_checked():
    with pytest.raises(Invalid, match="how many planes channel 647 has"):
        raw_data.expected_of([a_channel("647", z_planes=None)])


def test_a_place_that_is_not_there_holds_no_folders(tmp_path):
    assert raw_data.folders_in(tmp_path, DataPath("nobody/nothing")) == []


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "a\\b", "a\nb", "a\0b", "\udcff"])
def test_a_name_that_breaks_paths_or_pages_cannot_be_chosen(name):
    assert not raw_data.is_usable(name)


@pytest.mark.parametrize("name", ["run_1", "10-11-12_488", "Gewebe_µm", "..x"])
def test_a_plain_name_can_be_chosen(name):
    assert raw_data.is_usable(name)
