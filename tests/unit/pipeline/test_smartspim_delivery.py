"""A SmartSPIM channel is a tree of tiles: every column, every tile and every plane is counted."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.raw.check import DeliveryReport, Expected, inspect_folder
from tests.support import stacks

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "Ex_488_Em_0"


def _inspect(root: Path, expected: Expected, folder: str = FOLDER) -> DeliveryReport:
    return inspect_folder(root, folder, expected)


def _words(report: DeliveryReport) -> str:
    return "\n".join(f"{problem.what} {problem.remedy}" for problem in report.problems)


def _codes(report: DeliveryReport) -> list[str]:
    return [problem.code for problem in report.problems]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Three columns of five tiles with three planes."""
    return stacks.smartspim_delivery(tmp_path / FOLDER)


RIGHT = stacks.expected_smartspim()


def test_the_right_scheme_and_number_of_planes_is_fine(tmp_path: Path, scan: Path) -> None:
    report = _inspect(tmp_path, RIGHT)

    assert (report.ok, report.problems) == (True, ())
    assert (report.files, len(report.counts), report.plane_shape) == (45, 15, (8, 10))
    assert {count.found for count in report.counts} == {3}


def test_both_sheets_do_not_multiply_the_planes(tmp_path: Path, scan: Path) -> None:
    one = _inspect(tmp_path, stacks.expected_smartspim(right=False))

    assert one.ok
    assert {count.sheet for count in one.counts} == {"left"}
    assert {count.sheet for count in _inspect(tmp_path, RIGHT).counts} == {"both"}


def test_a_wrong_folder_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "notes").mkdir(parents=True)

    report = _inspect(tmp_path, RIGHT)

    assert "found 0 of 3 columns" in _words(report)
    assert _codes(report) == ["columns"]


@pytest.mark.parametrize(
    ("columns", "rows", "code", "words"),
    [
        (3, 4, "rows", "found 5 rows instead of 4 in every column"),
        (3, 8, "rows", "found 5 rows instead of 8 in every column"),
        (4, 5, "columns", "found 3 columns instead of 4"),
        (2, 5, "columns", "found 3 columns instead of 2"),
    ],
)
def test_another_scheme_than_scanned_is_one_problem(
    tmp_path: Path, scan: Path, columns: int, rows: int, code: str, words: str
) -> None:
    report = _inspect(tmp_path, stacks.expected_smartspim(columns=columns, rows=rows))

    assert words in _words(report)
    assert _codes(report) == [code]


def test_rows_are_counted_in_every_column(tmp_path: Path, scan: Path) -> None:
    shutil.rmtree(stacks.tile_folder(scan, 2, 4))

    report = _inspect(tmp_path, RIGHT)

    column = stacks.tile_folder(scan, 2, 4).parent.name
    assert f"found 4 rows instead of 5 in column {column}" in _words(report)
    assert report.problems[0].file == column


def test_a_plane_missing_in_the_middle_of_one_tile_is_named(tmp_path: Path, scan: Path) -> None:
    tile = stacks.tile_folder(scan, 1, 3)
    (tile / "000020.tif").unlink()

    report = _inspect(tmp_path, RIGHT)

    assert f"tile {tile.name} has 2 of 3 planes; plane 1 is missing" in _words(report)
    assert report.problems[0].waivable


def test_the_first_plane_of_one_tile_is_missed_too(tmp_path: Path, scan: Path) -> None:
    (stacks.tile_folder(scan, 0, 0) / "000000.tif").unlink()

    assert "plane 0 is missing" in _words(_inspect(tmp_path, RIGHT))


@pytest.mark.parametrize("step", [1, 20, 125])
def test_planes_may_be_named_by_index_or_by_position(tmp_path: Path, step: int) -> None:
    folder = stacks.smartspim_delivery(tmp_path / FOLDER, planes=6, step=step)
    (stacks.tile_folder(folder, 0, 0) / f"{3 * step:06d}.tif").unlink()

    report = _inspect(tmp_path, stacks.expected_smartspim(planes=6))

    assert "has 5 of 6 planes; plane 3 is missing" in _words(report)


def test_a_step_that_is_no_whole_tenth_is_understood(tmp_path: Path) -> None:
    folder = stacks.smartspim_delivery(tmp_path / FOLDER, columns=1, rows=1, planes=0)
    tile = stacks.tile_folder(folder, 0, 0)
    for z in range(40):
        stacks.write_plane(tile / f"{round(z * 12.5):06d}.tif", np.zeros((8, 10), np.uint16))

    report = _inspect(tmp_path, stacks.expected_smartspim(columns=1, rows=1, planes=40))

    assert report.ok
    assert report.acquired["channels"]["488"]["z_step_um"]["value"] == pytest.approx(1.25, abs=0.01)


def test_png_planes_count_like_tiff(tmp_path: Path) -> None:
    stacks.smartspim_delivery(tmp_path / FOLDER, suffix=".png")

    report = _inspect(tmp_path, RIGHT)

    assert report.ok
    assert (report.plane_shape, report.dtype) == ((8, 10), "uint16")


def test_a_png_cut_short_is_named(tmp_path: Path) -> None:
    folder = stacks.smartspim_delivery(tmp_path / FOLDER, suffix=".png")
    stacks.truncate(stacks.tile_folder(folder, 1, 1) / "000020.png", keep=0.9)

    assert "1 file is shorter than its header says" in _words(_inspect(tmp_path, RIGHT))


def test_only_images_count_and_what_else_lies_there_is_named(tmp_path: Path, scan: Path) -> None:
    tile = stacks.tile_folder(scan, 0, 0)
    (tile / "000020.tif").rename(tile / "000020.raw")
    (tile / "Thumbs.db").write_bytes(b"x")

    report = _inspect(tmp_path, RIGHT)

    assert "has 2 of 3 planes" in _words(report)
    assert "Thumbs.db" in report.notes[0]
    assert "000020.raw" in report.notes[0]


def test_an_image_that_belongs_to_no_tile_is_a_problem_to_accept(
    tmp_path: Path, scan: Path
) -> None:
    (scan / "overview.tif").write_bytes(b"x")

    (problem,) = _inspect(tmp_path, RIGHT).problems

    assert (problem.code, problem.file, problem.waivable) == ("stray_file", "overview.tif", True)


def test_a_tile_in_the_folder_of_another_column_is_named(tmp_path: Path, scan: Path) -> None:
    tile = stacks.tile_folder(scan, 0, 0)
    tile.rename(stacks.tile_folder(scan, 1, 0).parent / tile.name)

    assert "stray_tile" in _codes(_inspect(tmp_path, RIGHT))


def test_the_folder_of_another_channel_is_never_accepted(tmp_path: Path, scan: Path) -> None:
    (problem,) = _inspect(tmp_path, stacks.expected_smartspim(name="642")).problems

    assert (problem.code, problem.waivable) == ("wrong_channel", False)
    assert "holds 488 nm with emission filter 0" in problem.what


def test_another_emission_filter_is_another_channel(tmp_path: Path, scan: Path) -> None:
    report = _inspect(tmp_path, stacks.expected_smartspim(filter_index=2))

    assert _codes(report) == ["wrong_channel"]


def test_the_same_laser_under_another_number_is_the_channel(tmp_path: Path) -> None:
    stacks.smartspim_delivery(tmp_path / "Ex_639_Em_2")

    expected = stacks.expected_smartspim(name="642", filter_index=2)

    assert _inspect(tmp_path, expected, "Ex_639_Em_2").ok


def test_a_folder_named_freely_may_be_accepted(tmp_path: Path) -> None:
    stacks.smartspim_delivery(tmp_path / "brain_green")

    (problem,) = _inspect(tmp_path, RIGHT, "brain_green").problems
    accepted = inspect_folder(tmp_path, "brain_green", RIGHT, waived=[problem.key])

    assert problem.code == "channel_folder"
    assert accepted.ok


def test_one_folder_for_two_channels_is_refused(tmp_path: Path, scan: Path) -> None:
    first, second = (
        stacks.expected_smartspim(name=name, filter_index=index).channels[0]
        for name, index in (("488", 0), ("642", 2))
    )

    report = _inspect(tmp_path, Expected((first, second), "smartspim"))

    assert "A SmartSPIM folder holds one channel, but 488 and 642 were entered" in _words(report)


def test_a_tile_folder_that_links_out_of_the_storage_is_not_followed(
    tmp_path: Path, scan: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tile = stacks.tile_folder(scan, 1, 1)
    stacks.move_out(tile, tmp_path_factory.mktemp("elsewhere") / "tile")

    report = _inspect(tmp_path, RIGHT)

    assert "link_out" in _codes(report)
    assert report.files == 42


def test_a_tile_folder_that_links_inside_is_followed(tmp_path: Path, scan: Path) -> None:
    stacks.move_out(stacks.tile_folder(scan, 1, 1), tmp_path / "moved")

    assert _inspect(tmp_path, RIGHT).ok


def test_a_tile_on_the_other_side_of_the_origin_is_read(tmp_path: Path) -> None:
    folder = stacks.smartspim_delivery(tmp_path / FOLDER, columns=1, rows=1)
    tile = stacks.tile_folder(folder, 0, 0)
    tile.rename(tile.with_name(f"{tile.parent.name}_-08600"))

    assert _inspect(tmp_path, stacks.expected_smartspim(columns=1, rows=1)).ok


def test_an_overlap_that_the_tiles_do_not_have_may_be_accepted(tmp_path: Path, scan: Path) -> None:
    report = _inspect(tmp_path, stacks.expected_smartspim(overlap=0.2, pixel_um=1.8))

    (problem,) = report.problems
    assert problem.code == "metadata_overlap"
    assert "an overlap of 10.0 %, not 20 %" in problem.what


def test_every_folder_that_was_looked_at_is_listed_with_its_time(
    tmp_path: Path, scan: Path
) -> None:
    folders = _inspect(tmp_path, RIGHT).folders

    tile = stacks.tile_folder(scan, 2, 4)
    assert len(folders) == 1 + 3 + 15
    assert folders[f"{tile.parent.name}/{tile.name}"] == tile.stat().st_mtime_ns
    assert folders["."] == scan.stat().st_mtime_ns


def test_tiles_without_a_single_plane_are_no_delivery(tmp_path: Path, scan: Path) -> None:
    for plane in scan.rglob("*.tif"):
        plane.unlink()

    report = _inspect(tmp_path, RIGHT)

    assert not report.ok
    assert "There is no raw plane in any of its 15 tile folders." in _words(report)
