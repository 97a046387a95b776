"""A raw delivery is judged against what was requested: every problem at once, in words."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.raw.check import (
    DeliveryReport,
    Expected,
    check_delivery,
    headers_needed,
    inspect_folder,
    walk_folder,
)
from pipeline.raw.tiff_header import PlaneHeader
from tests.support import stacks

if TYPE_CHECKING:
    from pathlib import Path


def _inspect(folder: Path, expected: Expected) -> DeliveryReport:
    return inspect_folder(folder.parent, folder.name, expected)


def _words(report: DeliveryReport) -> str:
    return "\n".join(f"{problem.what} {problem.remedy}" for problem in report.problems)


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """One channel, left sheet, ten planes."""
    return stacks.lavision_delivery(tmp_path / "raw", planes=10)


TEN = stacks.expected_delivery(planes=10)


def test_a_whole_delivery_is_fine(delivery: Path) -> None:
    report = _inspect(delivery, TEN)

    assert (report.ok, report.problems) == (True, ())
    assert (report.files, report.plane_shape, report.dtype) == (10, (12, 16), "uint16")
    assert [count.found for count in report.counts] == [10]


def test_a_delivery_of_two_sheets_channels_and_four_tiles_is_fine(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(
        tmp_path / "raw", planes=2, filters=(0, 1), sheets=(0, 1), rows=2, columns=2
    )

    report = _inspect(
        folder, stacks.expected_delivery(planes=2, filters=(0, 1), right=True, rows=2, columns=2)
    )

    assert report.ok
    assert len(report.counts) == 16


def test_the_right_sheet_alone_is_looked_for_as_sheet_zero(delivery: Path) -> None:
    expected = stacks.expected_delivery(planes=10, left=False, right=True)

    assert _inspect(delivery, expected).ok


def test_missing_planes_are_counted_and_named(delivery: Path) -> None:
    stacks.drop_planes(delivery, [2, 5, 6, 7])

    report = _inspect(delivery, TEN)

    assert _words(report) == (
        "Channel 488 has 6 of 10 planes; planes 2, 5-7 are missing. "
        "Wait for the copy to finish, then press Check again."
    )


def test_one_missing_plane_is_singular(delivery: Path) -> None:
    stacks.drop_planes(delivery, [9])

    assert "plane 9 is missing" in _words(_inspect(delivery, TEN))


def test_many_gaps_are_folded_but_counted(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=30, shape=(2, 2))
    stacks.drop_planes(folder, range(1, 30, 2))

    words = _words(_inspect(folder, stacks.expected_delivery(planes=30)))

    assert "has 15 of 30 planes; planes 1, 3, 5, 7, 9, 11 and 9 more ranges" in words


def test_a_missing_sheet_is_named(delivery: Path) -> None:
    report = _inspect(delivery, stacks.expected_delivery(planes=10, right=True))

    assert "Channel 488, right sheet has none of its 10 planes." in _words(report)


def test_a_missing_tile_is_named(delivery: Path) -> None:
    report = _inspect(delivery, stacks.expected_delivery(planes=10, columns=2))

    assert "Channel 488, tile [00 x 01] has none of its 10 planes." in _words(report)


def test_more_planes_than_requested_are_a_problem(delivery: Path) -> None:
    words = _words(_inspect(delivery, stacks.expected_delivery(planes=8)))

    assert "Channel 488 has 2 more than the 8 planes requested: planes 8-9." in words


def test_a_second_file_for_a_plane_is_a_problem(delivery: Path) -> None:
    name = stacks.plane_name(3)
    (delivery / name.replace("10-11-12", "11-00-00")).write_bytes((delivery / name).read_bytes())

    assert "more than one file for plane 3" in _words(_inspect(delivery, TEN))


def test_a_channel_that_nobody_requested_is_a_problem(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=10, filters=(0, 1))

    words = _words(_inspect(folder, TEN))

    assert "10 files belong to Filter0001, but only 1 channel was requested." in words


def test_a_sheet_that_nobody_requested_is_a_problem(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=10, sheets=(0, 1))

    words = _words(_inspect(folder, TEN))

    assert "10 files of light sheet C01, but only the left sheet was requested" in words


def test_a_tile_that_nobody_requested_is_a_problem(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=10, columns=2)

    assert "tiles outside 1 columns x 1 rows: [00 x 01]" in _words(_inspect(folder, TEN))


def test_a_truncated_plane_is_named(delivery: Path) -> None:
    stacks.truncate(delivery / stacks.plane_name(4))

    report = _inspect(delivery, TEN)

    assert "1 file is shorter than its header says" in _words(report)
    assert report.problems[0].file == stacks.plane_name(4)


def test_many_bad_files_are_one_problem_with_an_exact_count(delivery: Path) -> None:
    for z in range(1, 6):
        stacks.truncate(delivery / stacks.plane_name(z))

    report = _inspect(delivery, TEN)

    assert len(report.problems) == 1
    assert "5 files are shorter" in _words(report)
    assert "and 2 more like it" in _words(report)


def test_an_8_bit_plane_is_named(delivery: Path) -> None:
    stacks.make_8_bit(delivery / stacks.plane_name(4))

    assert "1 file is 8-bit (uint8), not 16-bit" in _words(_inspect(delivery, TEN))


def test_mixed_plane_sizes_are_a_problem(delivery: Path) -> None:
    stacks.change_size(delivery / stacks.plane_name(4), (10, 18))

    words = _words(_inspect(delivery, TEN))

    assert "mixes plane sizes: most are 16 x 12 pixels, 1 file is not (18 x 10 first)" in words


def test_a_file_that_is_no_image_is_named(delivery: Path) -> None:
    stacks.replace_by_text(delivery / stacks.plane_name(4))

    assert "1 file is not a TIFF" in _words(_inspect(delivery, TEN))


def test_an_unreadable_file_is_named(delivery: Path) -> None:
    stacks.make_unreadable(delivery / stacks.plane_name(4))

    assert "1 file is not readable" in _words(_inspect(delivery, TEN))


def test_a_link_out_of_the_storage_is_a_problem_and_not_followed(
    delivery: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "plane.tif"
    stacks.write_plane(outside, np.zeros((12, 16), np.uint16))
    stacks.link_out(delivery / stacks.plane_name(4), outside)

    report = _inspect(delivery, TEN)

    assert "1 file is a link that leads out of the data storage" in _words(report)
    assert report.files == 9


def test_a_link_inside_the_storage_is_followed(delivery: Path) -> None:
    moved = delivery.parent / "moved.tif"
    (delivery / stacks.plane_name(4)).rename(moved)
    (delivery / stacks.plane_name(4)).symlink_to(moved)

    assert _inspect(delivery, TEN).ok


def test_a_name_that_is_no_utf_8_is_a_problem_in_readable_letters(delivery: Path) -> None:
    stacks.spoil_name(delivery / stacks.plane_name(4))

    report = _inspect(delivery, TEN)

    assert report.problems[0].file == f"M\\xfcller {stacks.plane_name(4)}"
    assert "1 file has a name that is not valid UTF-8" in _words(report)
    assert "Rename it in plain letters, then press Check again." in _words(report)
    json.dumps(report.to_json(), ensure_ascii=False).encode()


def test_an_ignored_file_may_have_any_name(delivery: Path) -> None:
    (delivery / "notes.txt").write_text("hello")
    stacks.spoil_name(delivery / "notes.txt")

    assert _inspect(delivery, TEN).ok


def test_a_folder_of_unreadable_names_alone_is_not_called_empty(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=1)
    stacks.spoil_name(folder / stacks.plane_name(0))

    (problem,) = _inspect(folder, stacks.expected_delivery(planes=1)).problems

    assert "not valid UTF-8" in problem.what


def test_glob_characters_in_the_name_of_the_folder_mean_nothing(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw [1]*?", planes=10)
    stacks.lavision_delivery(tmp_path / "raw 1", planes=3)

    assert _inspect(folder, TEN).ok


def test_a_half_copied_file_is_named_and_may_be_accepted(delivery: Path) -> None:
    half = stacks.leave_half_copied(delivery)

    (problem,) = _inspect(delivery, TEN).problems

    assert (problem.code, problem.file, problem.waivable) == ("stray_file", half.name, True)


def test_the_same_plane_under_two_time_stamps_is_a_problem(delivery: Path) -> None:
    twin = stacks.duplicate(delivery / stacks.plane_name(3))

    (problem,) = _inspect(delivery, TEN).problems

    assert (problem.code, problem.file) == ("duplicate", twin.name)


def test_an_empty_plane_has_not_arrived_yet(delivery: Path) -> None:
    (delivery / stacks.plane_name(4)).write_bytes(b"")

    (problem,) = _inspect(delivery, TEN).problems

    assert problem.code == "truncated"
    assert "it is empty" in problem.what


def test_a_pipe_in_place_of_a_plane_is_not_waited_for(delivery: Path) -> None:
    (delivery / stacks.plane_name(4)).unlink()
    os.mkfifo(delivery / stacks.plane_name(4))

    assert "unreadable" in {problem.code for problem in _inspect(delivery, TEN).problems}


def test_a_stray_file_may_have_any_name(delivery: Path) -> None:
    stacks.spoil_name(stacks.leave_half_copied(delivery))

    report = _inspect(delivery, TEN)

    json.dumps(report.to_json(), ensure_ascii=False).encode()
    assert report.problems[0].file.startswith("M\\xfcller")


def test_planes_beyond_9999_are_counted(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=1, shape=(2, 2))
    for z in (9999, 10000, 10001):
        (folder / stacks.plane_name(0).replace("Z0000", f"Z{z:04d}")).write_bytes(
            (folder / stacks.plane_name(0)).read_bytes()
        )

    (problem, *_) = _inspect(folder, stacks.expected_delivery(planes=10002)).problems

    assert "planes 1-9998 are missing" in problem.what


def test_when_the_planes_were_written_is_reported(delivery: Path) -> None:
    os.utime(delivery / stacks.plane_name(2), (1_700_000_000, 1_700_000_000))
    os.utime(delivery / stacks.plane_name(3), (1_900_000_000, 1_900_000_000))

    report = _inspect(delivery, TEN)

    assert report.first_at == "2023-11-14T22:13:20+00:00"
    assert report.last_at == "2030-03-17T17:46:40+00:00"
    assert report.folders == {".": delivery.stat().st_mtime_ns}


def test_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()

    assert "The folder is empty." in _words(_inspect(tmp_path / "raw", TEN))


def test_a_folder_without_raw_planes_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "notes.txt").write_text("hello")

    assert "None of the 1 files has the name of a raw plane." in _words(
        _inspect(tmp_path / "raw", TEN)
    )


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    report = _inspect(tmp_path / "raw", TEN)

    assert not report.ok
    assert "cannot be read" in _words(report)


def test_a_folder_outside_the_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="climb"):
        inspect_folder(tmp_path, "../elsewhere", TEN)


def test_processed_images_are_ignored_and_noted(delivery: Path) -> None:
    (delivery / "10-11-12_UltraII[00 x 00]_C00_xyz-Table Z0000.ome.tif").write_bytes(b"x")

    report = _inspect(delivery, TEN)

    assert report.ok
    assert report.ignored_files == 1
    assert "1 file is ignored, not being named like a raw plane: 10-11-12" in report.notes[0]


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=6, filters=(0, 1))
    stacks.drop_planes(folder, [1])
    stacks.make_8_bit(folder / stacks.plane_name(2, filter_index=1))
    stacks.replace_by_text(folder / stacks.plane_name(3, filter_index=1))

    report = _inspect(folder, stacks.expected_delivery(planes=6, filters=(0, 1)))

    assert len(report.problems) == 3


def test_only_first_planes_and_odd_sizes_need_their_headers_read() -> None:
    listing = stacks.lavision_listing(planes=5, sheets=(0, 1))
    odd = listing.groups[1, 0, (0, 0)].series[0]
    odd.sizes[2] = 99

    needed = headers_needed(stacks.expected_delivery(planes=5, right=True), listing)

    firsts = [stacks.plane_name(0), stacks.plane_name(0, sheet_code=1)]
    assert needed == sorted([*firsts, stacks.plane_name(2, sheet_code=1)])


def test_a_bigger_first_plane_with_its_metadata_is_no_problem() -> None:
    listing = stacks.lavision_listing(planes=10)
    listing.groups[0, 0, (0, 0)].series[0].sizes[0] = 500
    header = PlaneHeader(16, 12, "uint16", 1, 8, 384)

    report = check_delivery(TEN, listing, {stacks.plane_name(0): header})

    assert report.ok


def test_a_listing_is_sorted_and_leaves_subfolders_out(delivery: Path) -> None:
    (delivery / "sub").mkdir()

    names = [file.name for file in walk_folder(delivery, "lavision").in_order()]

    assert names == sorted(names)
    assert len(names) == 10


@pytest.mark.parametrize(
    "channels",
    [
        None,
        [],
        [{}],
        [{**stacks.expected_delivery().to_json()[0], "planes": 0}],
        [{**stacks.expected_delivery().to_json()[0], "planes": True}],
        [{**stacks.expected_delivery().to_json()[0], "left": False}],
    ],
)
def test_a_senseless_expectation_is_refused(channels: object) -> None:
    with pytest.raises(BadInput):
        Expected.from_json(channels)


def test_an_expectation_survives_the_journey_as_json() -> None:
    expected = stacks.expected_delivery(filters=(0, 2), right=True, columns=3)

    assert Expected.from_json(expected.to_json()) == expected


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_planes_that_a_full_disk_cut_to_one_length_are_named(delivery: Path, kept: float) -> None:
    for z in range(1, 10):
        stacks.truncate(delivery / stacks.plane_name(z), keep=kept)

    report = _inspect(delivery, TEN)

    (problem,) = report.problems
    assert (problem.code, problem.waivable) == ("truncated", False)
    assert "9 files are shorter" in problem.what


def test_one_damaged_plane_of_the_usual_size_does_not_condemn_the_others(delivery: Path) -> None:
    stacks.describe(delivery / stacks.plane_name(0), "a longer first plane")
    path = delivery / stacks.plane_name(1)
    path.write_bytes(b"?" * path.stat().st_size)

    report = _inspect(delivery, TEN)

    (problem,) = report.problems
    assert "1 file is not a TIFF" in problem.what


def test_planes_missing_and_cut_short_count_together_against_a_group(delivery: Path) -> None:
    stacks.drop_planes(delivery, [0, 1, 2])
    for z in (3, 4, 5):
        stacks.truncate(delivery / stacks.plane_name(z))

    report = _inspect(delivery, TEN)

    assert {problem.code: problem.waivable for problem in report.problems} == {
        "missing": True,
        "truncated": False,
    }


@pytest.mark.parametrize(
    "counts", [{"planes": 10**12}, {"columns": 10**6, "rows": 10**6}, {"filter_index": 10**400}]
)
def test_counts_that_no_microscope_makes_are_bad_input(counts: dict[str, int]) -> None:
    channel = {
        "name": "488", "filter_index": 0, "left": True, "right": False, "columns": 1, "rows": 1,
        "planes": 3, "z_step_um": None, "overlap": None, "pixel_um": None, **counts,
    }  # fmt: skip

    with pytest.raises(BadInput, match="Channel 488 has a count of 10"):
        Expected.from_json([channel])
