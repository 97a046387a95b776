"""The step merge_tiles: the source comes back, whole, whatever happens on the way."""

from __future__ import annotations

import json
import shutil
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.io.planes import PlaneFolder
from pipeline.steps import merge_tiles
from tests.support import disks, stacks, tilings
from tests.unit.pipeline.stitching import (
    PLACEMENTS,
    merge,
    merge_spec,
    read_merged,
    write_placements,
)
from tests.unit.pipeline.support import contents, result_of, start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tilings import Tiling

TILE = (8, 60, 70)


def _tiling(**changes: object) -> Tiling:
    usual = {"columns": 2, "rows": 2, "tile_zyx": TILE, "overlap": 0.2, "jitter_xyz": (3, 3, 2)}
    return tilings.jittered(**{**usual, **changes})


def _delivery(root: Path, tiling: Tiling, *, layout: str = "lavision") -> np.ndarray:
    """Write tiles and placements; return what merging them should give, where no tile is 0."""
    volume = stacks.random_volume(tilings.needed_zyx(tiling), seed=1)
    tiles = tilings.cut(volume, tiling)
    (tilings.write_smartspim if layout == "smartspim" else tilings.write_lavision)(
        root / "raw", tiles
    )
    write_placements(root, tiling)
    return _expected(volume, tiling)


def _expected(volume: np.ndarray, tiling: Tiling) -> np.ndarray:
    expected = np.zeros_like(volume)
    depth, height, width = tiling.tile_zyx
    for x, y, z in tiling.origins.values():
        box = (slice(z, z + depth), slice(y, y + height), slice(x, x + width))
        expected[box] = volume[box]
    (x, _), (y, _), (z, _) = tiling.span()
    return expected[z:, y:, x:]


@pytest.mark.parametrize("layout", ["lavision", "smartspim"])
@pytest.mark.parametrize("grid", [(2, 2), (3, 1), (1, 3), (1, 1)])
def test_every_voxel_of_the_source_comes_back(
    tmp_path: Path, layout: str, grid: tuple[int, int]
) -> None:
    tiling = _tiling(columns=grid[0], rows=grid[1], seed=sum(grid))
    expected = _delivery(tmp_path, tiling, layout=layout)

    outputs = merge(tmp_path, merge_spec(tiling, layout=layout))

    assert np.array_equal(read_merged(tmp_path / "merged"), expected)
    assert outputs["shape"] == list(expected.shape[::-1])
    names = sorted(path.name for path in (tmp_path / "merged").glob("*.tif"))
    assert names == [f"brain_ch00_Z{z:04d}.tif" for z in range(expected.shape[0])]


def test_a_large_overlap_of_four_tiles_comes_back_too(tmp_path: Path) -> None:
    tiling = _tiling(overlap=0.6, seed=3)
    expected = _delivery(tmp_path, tiling)

    merge(tmp_path, merge_spec(tiling))

    assert np.array_equal(read_merged(tmp_path / "merged"), expected)


def test_equalizing_tiles_that_agree_changes_nothing(tmp_path: Path) -> None:
    tiling = _tiling(seed=4)
    expected = _delivery(tmp_path, tiling)

    merge(tmp_path, merge_spec(tiling, parameters={"equalize": "mean"}))

    assert np.array_equal(read_merged(tmp_path / "merged"), expected)


def test_equalizing_brings_tiles_to_one_level_without_darkening_along_a_row(tmp_path: Path) -> None:
    tiling = _tiling(columns=4, rows=1, jitter_xyz=(0, 0, 0))
    factors = [1.0, 0.8, 1.25, 1.0]
    tiles = {
        (c, 0): np.full(TILE, round(10_000 * factor), dtype=np.uint16)
        for c, factor in enumerate(factors)
    }
    tilings.write_lavision(tmp_path / "raw", tiles)
    write_placements(tmp_path, tiling)

    merge(tmp_path, merge_spec(tiling, parameters={"equalize": "mean"}))

    merged = read_merged(tmp_path / "merged")
    assert np.abs(merged.astype(float) / 10_000 - 1).max() < 0.04


def test_a_gain_clips_and_never_wraps(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    dark, bright = np.full(TILE, 20_000, np.uint16), np.full(TILE, 40_000, np.uint16)
    dark[:, :, :5] = 65_000
    tilings.write_lavision(tmp_path / "raw", {(0, 0): dark, (1, 0): bright})
    write_placements(tmp_path, tiling)

    merge(tmp_path, merge_spec(tiling, parameters={"equalize": "mean"}))

    assert read_merged(tmp_path / "merged")[:, :, :5].min() == 65535


def test_horizontal_foci_are_merged_by_maximum(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    _delivery(tmp_path, tiling)
    path = tilings.lavision_file(tmp_path / "raw", (0, 0), 2)
    foci = np.zeros((2, *TILE[1:]), dtype=np.uint16)
    foci[0, :30], foci[1, 30:] = 7, 9
    stacks.write_plane(path, foci)

    merge(tmp_path, merge_spec(tiling))

    plane = read_merged(tmp_path / "merged")[2]
    assert (plane[:30, :40] == 7).all()
    assert (plane[30:, :40] == 9).all()


def test_the_second_sheet_is_merged_from_its_own_files(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1)
    _delivery(tmp_path, tiling)
    ones = {place: np.full(TILE, 5, dtype=np.uint16) for place in tiling.origins}
    tilings.write_lavision(tmp_path / "raw", ones, sheet_code=1)

    merge(tmp_path, merge_spec(tiling, sheet_code=1))

    assert set(np.unique(read_merged(tmp_path / "merged"))) <= {0, 5}


def test_a_plane_that_is_absent_from_one_tile_is_taken_from_the_others(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    expected = _delivery(tmp_path, tiling)
    tilings.lavision_file(tmp_path / "raw", (0, 0), 4).unlink()

    outputs = merge(tmp_path, merge_spec(tiling, absent=[4]))

    merged = read_merged(tmp_path / "merged")
    edge = tiling.origins[1, 0][0]
    assert outputs["absent_planes"] == [4]
    assert np.array_equal(merged[4, :, edge:], expected[4, :, edge:])
    assert merged[4, :, :edge].max() == 0
    assert np.array_equal(np.delete(merged, 4, axis=0), np.delete(expected, 4, axis=0))


@pytest.mark.parametrize("kind", ["truncated", "missing", "text", "8-bit"])
def test_a_spoiled_plane_is_named_and_nothing_is_published(tmp_path: Path, kind: str) -> None:
    tiling = _tiling()
    _delivery(tmp_path, tiling)
    path = tilings.lavision_file(tmp_path / "raw", (1, 1), 3)
    spoil = {
        "truncated": stacks.truncate,
        "missing": lambda path: path.unlink(),
        "text": stacks.replace_by_text,
        "8-bit": stacks.make_8_bit,
    }
    spoil[kind](path)

    with pytest.raises(BadInput, match=r"Z0003|plane 3"):
        merge(tmp_path, merge_spec(tiling))

    assert not (tmp_path / "merged").exists()


def test_a_plane_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1)
    _delivery(tmp_path, tiling)
    path = tilings.lavision_file(tmp_path / "raw", (1, 0), 3)
    stacks.write_plane(path, np.ones(TILE[1:], dtype=np.uint16), compression="zlib")
    data = bytearray(path.read_bytes())
    with_pixels = data.rindex(b"x\x9c") if b"x\x9c" in data else len(data) - 20
    data[with_pixels : with_pixels + 10] = b"\xff" * 10
    path.write_bytes(data)

    with pytest.raises(BadInput, match=r"Z0003.*cannot be decoded"):
        merge(tmp_path, merge_spec(tiling))

    assert list(tmp_path.glob("merged*")) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("columns", 3, "every tile"),
        ("tile_shape_zyx", [8, 60, 71], "every tile"),
        ("size_xyz", [1, 1, 1], "every tile"),
        ("voxel_um", [2, 2, 6], "voxel size"),
        ("tiles", [], "every tile"),
        ("tiles", None, "every tile"),
    ],
)
def test_placements_that_do_not_fit_are_refused(
    tmp_path: Path, key: str, value: object, words: str
) -> None:
    tiling = _tiling()
    _delivery(tmp_path, tiling)
    document = json.loads((tmp_path / PLACEMENTS).read_text())
    (tmp_path / PLACEMENTS).write_text(json.dumps({**document, key: value}))

    with pytest.raises(BadInput, match=words):
        merge(tmp_path, merge_spec(tiling))


def test_a_channel_with_other_planes_than_the_placed_one_is_refused(tmp_path: Path) -> None:
    tiling = _tiling()
    _delivery(tmp_path, tiling)
    write_placements(tmp_path, _tiling(tile_zyx=(9, 60, 70)))

    with pytest.raises(BadInput, match="70 x 60 x 9, here 70 x 60 x 8"):
        merge(tmp_path, merge_spec(tiling))


@pytest.mark.parametrize("text", [None, "", "{}", "[1]"])
def test_missing_or_broken_placements_are_refused(tmp_path: Path, text: str | None) -> None:
    tiling = _tiling()
    _delivery(tmp_path, tiling)
    path = tmp_path / PLACEMENTS
    path.unlink() if text is None else path.write_text(text)

    with pytest.raises(BadInput, match=r"placements\.json"):
        merge(tmp_path, merge_spec(tiling))


def test_other_placements_make_another_product(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    _delivery(tmp_path, tiling)
    first = merge(tmp_path, merge_spec(tiling, "m1"))
    moved = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    moved.origins[1, 0] = (moved.origins[1, 0][0] + 4, 0, 0)
    write_placements(tmp_path, moved)

    second = merge(tmp_path, merge_spec(tiling, "m2"))

    assert second["shape"][0] == first["shape"][0] + 4


def test_placements_made_anew_while_they_are_read_are_not_taken_for_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiling = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    _delivery(tmp_path, tiling)
    moved = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    moved.origins[1, 0] = (moved.origins[1, 0][0] + 4, 0, 0)
    select = merge_tiles.select_tiles

    def after_others(*given: object, **named: object) -> object:
        write_placements(tmp_path, moved)
        return select(*given, **named)

    with monkeypatch.context() as while_read:
        while_read.setattr(merge_tiles, "select_tiles", after_others)
        first = merge(tmp_path, merge_spec(tiling, "m1"))

    second = merge(tmp_path, merge_spec(tiling, "m2"))

    assert second["shape"][0] == first["shape"][0] + 4


def test_a_second_run_returns_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiling = _tiling()
    _delivery(tmp_path, tiling)
    first = merge(tmp_path, merge_spec(tiling))
    monkeypatch.setattr(merge_tiles, "Fusion", None)

    assert merge(tmp_path, merge_spec(tiling, "m2")) == first


def test_tiles_changed_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiling = _tiling()
    _delivery(tmp_path, tiling)
    write = PlaneFolder.write

    def changing(self: PlaneFolder, z: int, plane: np.ndarray) -> int:
        path = tilings.lavision_file(tmp_path / "raw", (0, 0), 0)
        stacks.write_plane(path, np.zeros(TILE[1:], dtype=np.uint16))
        return write(self, z, plane)

    monkeypatch.setattr(PlaneFolder, "write", changing)

    with pytest.raises(BadInput, match=r"changed while it was read|became shorter"):
        merge(tmp_path, merge_spec(tiling))

    assert list(tmp_path.glob("merged*")) == []


def test_a_retry_writes_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiling = _tiling()
    expected = _delivery(tmp_path, tiling)
    write, written = PlaneFolder.write, []

    def dying(self: PlaneFolder, z: int, plane: np.ndarray) -> int:
        if z == 5 and 5 not in written:
            written.append(z)
            raise RuntimeError("crash")
        written.append(z)
        return write(self, z, plane)

    monkeypatch.setattr(PlaneFolder, "write", dying)
    with pytest.raises(RuntimeError):
        merge(tmp_path, merge_spec(tiling, "m1"))
    before = sorted(path.name for path in tmp_path.glob("merged.partial-m1/*.tif"))
    again = len(written)

    merge(tmp_path, merge_spec(tiling, "m2"))

    assert before
    assert len(written) - again == expected.shape[0] - len(before)
    assert np.array_equal(read_merged(tmp_path / "merged"), expected)


@pytest.mark.alone
def test_kill_9_and_resume_give_the_same_bytes(tmp_path: Path) -> None:
    tiling = _tiling(tile_zyx=(60, 60, 70))
    _delivery(tmp_path, tiling)
    merge(tmp_path, merge_spec(tiling, out="whole"))
    whole = {k: v for k, v in contents(tmp_path / "whole").items() if k.endswith(".tif")}

    process = start(tmp_path / "job1", merge_spec(tiling, "k1"), tmp_path)
    while process.poll() is None and len(list(tmp_path.glob("merged.partial-k1/*.tif"))) < 10:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    merge(tmp_path, merge_spec(tiling, "k2"))

    assert [path.name for path in tmp_path.glob("merged*")] == ["merged"]
    found = contents(tmp_path / "merged")
    del found["_product.json"]
    assert found == whole


@pytest.mark.alone
def test_a_full_disk_is_named_and_finished_once_there_is_room(tmp_path: Path) -> None:
    tiling = _tiling(tile_zyx=(40, 60, 70))
    with disks.small_disk(tmp_path / "disk", "size=32m") as disk:
        expected = _delivery(disk, tiling)
        disks.resize(disk, f"size={shutil.disk_usage(disk).used + 400_000}")
        process = start(tmp_path / "job1", merge_spec(tiling, "d1"), disk)
        assert process.wait(timeout=60) == 1
        assert result_of(tmp_path / "job1").reason == "DISK_FULL"
        assert not (disk / "merged").exists()

        disks.resize(disk, "size=32m")
        merge(disk, merge_spec(tiling, "d2"))

        assert np.array_equal(read_merged(disk / "merged"), expected)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"planes": 10**12}, "planes must be at most 1,000,000"),
        ({"columns": 10**12}, "columns must be at most 1,000,000"),
        ({"columns": 10**6, "rows": 10**6}, "more than 10,000 tiles"),
        ({"absent": [10**12]}, "absent must be at most 1,000,000"),
    ],
)
def test_counts_that_no_microscope_makes_are_refused_at_once(
    tmp_path: Path, counts: dict[str, object], words: str
) -> None:
    tiling = _tiling()
    _delivery(tmp_path, tiling)
    spec = merge_spec(tiling)

    with pytest.raises(BadInput, match=words):
        merge(tmp_path, replace(spec, inputs={**spec.inputs, **counts}))
