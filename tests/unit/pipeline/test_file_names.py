"""What raw file names mean."""

from __future__ import annotations

import pytest

from pipeline.raw.layouts import PlaneName, parse_lavision, sheet_code


def test_a_raw_name_tells_tile_sheet_plane_and_filter() -> None:
    name = "10-11-12_x_RawDataStack[01 x 02]_C01_xyz-Table Z0123_UltraII Filter0003.ome.tif"

    assert parse_lavision(name) == PlaneName(1, 2, 1, 123, 3)


def test_a_name_without_a_tile_part_is_tile_zero() -> None:
    name = "10-11-12_UltraII_raw_RawDataStack_C00_xyz-Table Z0000_UltraII Filter0000.tif"

    assert parse_lavision(name) == PlaneName(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "name",
    [
        "10-11-12_UltraII[00 x 00]_C00_xyz-Table Z0000.ome.tif",
        "10-11-12_UltraII_raw_RawDataStack[00 x 00]_C00_xyz-Table Z0000.ome.tif",
        "10-11-12_RawDataStack[00 x 00]_C00_xyz-Table Z0000_UltraII Filter0000.ome.tif.part",
        "10-11-12_RawDataStack[0 x 0]_C00_xyz-Table Z0000_UltraII Filter0000.ome.tif",
        "notes.txt",
        "",
    ],
)
def test_other_names_are_not_raw_planes(name: str) -> None:
    assert parse_lavision(name) is None


def test_the_right_sheet_alone_is_written_as_sheet_zero() -> None:
    assert sheet_code("right", left=False, right=True) == 0


def test_the_right_sheet_beside_the_left_is_sheet_one() -> None:
    assert sheet_code("right", left=True, right=True) == 1
