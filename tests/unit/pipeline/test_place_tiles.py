"""The step place_tiles: exact shifts from jittered tiles, named failures instead of guesses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, POOR_STITCHING, StepSpec
from pipeline.errors import BadInput, StepFailed
from pipeline.steps import inspect_raw
from pipeline.stitching import overlaps
from pipeline.stitching.overlaps import Overlaps
from pipeline.workspace import Workspace
from tests.support import stacks, tilings
from tests.unit.pipeline.stitching import (
    PLACEMENTS,
    origins,
    place,
    place_spec,
    true_origins,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tilings import Tiling

TILE = (16, 110, 120)


def _tiling(**changes: object) -> Tiling:
    usual = {"columns": 2, "rows": 2, "tile_zyx": TILE, "overlap": 0.25, "jitter_xyz": (3, 3, 1)}
    return tilings.jittered(**{**usual, **changes})


def _tiles(tiling: Tiling, *, seed: int = 0, noise: int = 0) -> dict[tuple[int, int], np.ndarray]:
    volume = tilings.texture(tilings.needed_zyx(tiling), seed=seed)
    rng = np.random.default_rng(noise)
    return {p: tilings.exposed(tile, rng) for p, tile in tilings.cut(volume, tiling).items()}


def _noise(shape: tuple[int, int, int]) -> np.ndarray:
    return tilings.exposed(np.zeros(shape), np.random.default_rng(8))


@pytest.mark.parametrize("layout", ["lavision", "smartspim"])
@pytest.mark.parametrize("grid", [(2, 2), (3, 1), (1, 2)])
def test_every_tile_is_found_exactly(tmp_path: Path, layout: str, grid: tuple[int, int]) -> None:
    tiling = _tiling(columns=grid[0], rows=grid[1], seed=sum(grid))
    write = tilings.write_lavision if layout == "lavision" else tilings.write_smartspim
    write(tmp_path / "raw", _tiles(tiling))

    document = place(tmp_path, place_spec(tiling, layout=layout))

    assert origins(document) == true_origins(tiling)
    assert document["size_xyz"] == [end - start for start, end in tiling.span()]
    assert all(pair["used"] and pair["correlation"] > 0.9 for pair in document["pairs"])
    assert document["residual_um"] == {"median": 0, "most": 0}


def test_a_single_tile_lies_at_the_origin(tmp_path: Path) -> None:
    tiling = _tiling(columns=1, rows=1)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))

    document = place(tmp_path, place_spec(tiling))

    assert document["size_xyz"] == list(TILE[::-1])
    assert document["pairs"] == []


def test_what_one_sheet_does_not_show_the_other_does(tmp_path: Path) -> None:
    tiling = _tiling(seed=4)
    tiles = _tiles(tiling)
    for sheet, dark in ((0, (0, 0)), (1, (1, 1))):
        lit = {p: _noise(TILE) if p == dark else tile for p, tile in tiles.items()}
        tilings.write_lavision(tmp_path / "raw", lit, sheet_code=sheet)

    document = place(tmp_path, place_spec(tiling, sheet_codes=[0, 1]))

    assert origins(document) == true_origins(tiling)
    assert all(pair["used"] for pair in document["pairs"])


def test_a_blank_tile_is_put_on_the_grid_and_named(tmp_path: Path) -> None:
    tiling = _tiling(columns=3, rows=2, seed=5, jitter_xyz=(2, 2, 0))
    tiles = _tiles(tiling)
    tiles[1, 0] = _noise(TILE)
    tilings.write_lavision(tmp_path / "raw", tiles)

    document = place(tmp_path, place_spec(tiling))

    found, true = origins(document), true_origins(tiling)
    others = [p for p in true if p != (1, 0)]
    off = {tuple(np.subtract(found[p], true[p])) for p in others}
    assert len(off) == 1
    assert np.abs(np.subtract(found[1, 0], true[1, 0]) - next(iter(off))).max() <= 4
    assert [[t["column"], t["row"]] for t in document["tiles"] if t["by_grid"]] == [[1, 0]]


@pytest.mark.parametrize("fill", [0, 65535, "noise"])
def test_only_blank_black_or_saturated_tiles_are_poor_stitching(
    tmp_path: Path, fill: int | str
) -> None:
    tiling = _tiling()
    blank = _noise(TILE) if fill == "noise" else np.full(TILE, fill, dtype=np.uint16)
    tilings.write_lavision(tmp_path / "raw", dict.fromkeys(tiling.origins, blank))

    with pytest.raises(StepFailed, match="None of the tiles shows anything") as caught:
        place(tmp_path, place_spec(tiling))

    assert caught.value.reason == POOR_STITCHING
    assert not (tmp_path / PLACEMENTS).exists()


def test_tiles_that_do_not_overlap_are_named(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1)
    tiles = {(0, 0): _tiles(tiling, seed=1)[0, 0], (1, 0): _tiles(tiling, seed=2)[1, 0]}
    tilings.write_lavision(tmp_path / "raw", tiles)

    with pytest.raises(StepFailed, match="column 0, row 0, column 1, row 0") as caught:
        place(tmp_path, place_spec(tiling))

    assert caught.value.reason == POOR_STITCHING


def test_one_tile_of_another_sample_is_named_alone(tmp_path: Path) -> None:
    tiling = _tiling(seed=6)
    tiles = _tiles(tiling)
    tiles[1, 1] = _tiles(tiling, seed=99)[1, 1]
    tilings.write_lavision(tmp_path / "raw", tiles)

    with pytest.raises(StepFailed, match="Tile column 1, row 1 could not be matched") as caught:
        place(tmp_path, place_spec(tiling))

    assert caught.value.reason == POOR_STITCHING


def test_a_shift_beyond_the_search_range_is_not_guessed(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    tiling.origins[1, 0] = (tiling.origins[1, 0][0] + 12, 0, 0)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))

    with pytest.raises(StepFailed) as caught:
        place(tmp_path, place_spec(tiling, parameters={"search_um": [10, 10, 10]}))

    assert caught.value.reason == POOR_STITCHING


def test_the_search_range_is_in_microns_along_each_axis(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1, jitter_xyz=(0, 0, 0))
    tiling.origins[1, 0] = (tiling.origins[1, 0][0], 0, 3)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    wide = place_spec(tiling, parameters={"voxel_um": [2, 2, 5], "search_um": [10, 10, 20]})
    narrow = place_spec(tiling, parameters={"voxel_um": [2, 2, 10], "search_um": [10, 10, 20]})

    assert origins(place(tmp_path, wide))[1, 0][2] == 3
    with pytest.raises(StepFailed):
        place(tmp_path, narrow)


def test_a_truncated_plane_is_named(tmp_path: Path) -> None:
    tiling = _tiling()
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    path = tilings.lavision_file(tmp_path / "raw", (1, 0), 7)
    stacks.truncate(path)

    with pytest.raises(BadInput, match="Z0007"):
        place(tmp_path, place_spec(tiling))


def test_a_truncated_plane_that_was_accepted_is_left_out_of_its_tile_alone(tmp_path: Path) -> None:
    tiling = _tiling(seed=7)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    stacks.truncate(tilings.lavision_file(tmp_path / "raw", (1, 0), 7))

    document = place(tmp_path, place_spec(tiling, absent=[7]))

    assert origins(document) == true_origins(tiling)


def test_a_tile_with_fewer_planes_is_named(tmp_path: Path) -> None:
    tiling = _tiling()
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    for z in (14, 15):
        tilings.lavision_file(tmp_path / "raw", (0, 1), z).unlink()

    with pytest.raises(BadInput, match=r"Tile \[01 x 00\].*14 of 16 planes; planes 14-15"):
        place(tmp_path, place_spec(tiling))


def test_a_smartspim_tile_with_fewer_planes_is_named(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1)
    tilings.write_smartspim(tmp_path / "raw", _tiles(tiling))
    tile = stacks.tile_folder(tmp_path / "raw", 1, 0, shape=TILE[1:])
    (tile / "000300.tif").unlink()

    with pytest.raises(BadInput, match=f"Tile {tile.name}.*15 of 16 planes"):
        place(tmp_path, place_spec(tiling, layout="smartspim"))


@pytest.mark.parametrize(("columns", "rows"), [(3, 2), (2, 1), (1, 2)])
def test_another_tiling_than_the_files_have_is_refused(
    tmp_path: Path, columns: int, rows: int
) -> None:
    tilings.write_lavision(tmp_path / "raw", _tiles(_tiling()))

    with pytest.raises(BadInput, match=f"{columns} columns x {rows} rows"):
        place(tmp_path, place_spec(_tiling(columns=columns, rows=rows)))


def test_a_tile_of_another_size_is_named(tmp_path: Path) -> None:
    tiling = _tiling()
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    stacks.change_size(tilings.lavision_file(tmp_path / "raw", (1, 1), 3), (110, 119))

    with pytest.raises(BadInput, match="unlike the others"):
        place(tmp_path, place_spec(tiling))


def test_tiles_changed_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiling = _tiling(columns=2, rows=1)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    compared = Overlaps._compared

    def changing(self: Overlaps, *arguments: object) -> object:
        stacks.write_plane(
            tilings.lavision_file(tmp_path / "raw", (0, 0), 0), np.zeros(TILE[1:], dtype=np.uint16)
        )
        return compared(self, *arguments)

    monkeypatch.setattr(Overlaps, "_compared", changing)

    with pytest.raises(BadInput, match="changed while it was read"):
        place(tmp_path, place_spec(tiling))

    assert not (tmp_path / PLACEMENTS).exists()


def test_a_second_run_returns_at_once_and_another_parameter_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiling = _tiling(columns=2, rows=1)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    first = place(tmp_path, place_spec(tiling))
    monkeypatch.setattr(overlaps, "votes_of", None)

    assert place(tmp_path, place_spec(tiling, "a2")) == first
    with pytest.raises(TypeError):
        place(tmp_path, place_spec(tiling, "a3", parameters={"least_correlation": 0.8}))


def test_a_retry_keeps_the_votes_of_the_dead_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiling = _tiling(columns=2, rows=1, tile_zyx=(48, 60, 80), jitter_xyz=(2, 2, 0))
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    spec = {"parameters": {"search_um": [10, 10, 10]}}
    monkeypatch.setattr("pipeline.stitching.layout._MOST_DEPTH", 16)
    expected = place(tmp_path, place_spec(tiling, **spec))
    (tmp_path / PLACEMENTS).unlink()
    compared, seen = Overlaps._compared, []

    def dying(self: Overlaps, start: int, *arguments: object) -> object:
        seen.append(start)
        if seen == [0, 16]:
            raise RuntimeError("crash")
        return compared(self, start, *arguments)

    monkeypatch.setattr(Overlaps, "_compared", dying)
    with pytest.raises(RuntimeError):
        place(tmp_path, place_spec(tiling, "a1", **spec))

    assert place(tmp_path, place_spec(tiling, "a2", **spec)) == expected
    assert seen == [0, 16, 16, 32]
    assert sorted(p.name for p in (tmp_path / "stitching").glob("*partial*")) == []


def test_half_written_votes_are_collected_again(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    for text in ("", "[[", '[[[[0,0],[1,0],0],[{"structured":true}]]]'):
        (tmp_path / "votes.json").write_text(text)

        assert overlaps._restored(tmp_path / "votes.json") is None


def test_planes_written_over_after_the_inspection_are_refused(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    stacks.make_old(tmp_path / "raw")
    _inspect(tmp_path, tiling)
    spec = place_spec(tiling, manifest="manifest")
    place(tmp_path, spec)
    stacks.write_plane(
        tilings.lavision_file(tmp_path / "raw", (0, 0), 0), np.ones(TILE[1:], dtype=np.uint16)
    )

    with pytest.raises(BadInput, match="changed after the inspection"):
        place(tmp_path, spec)


def _inspect(root: Path, tiling: Tiling) -> None:
    channel = {
        "name": "488", "filter_index": 0, "left": True, "right": False,
        "columns": tiling.columns, "rows": tiling.rows, "planes": tiling.tile_zyx[0],
        "z_step_um": None, "overlap": None, "pixel_um": None,
    }  # fmt: skip
    spec = StepSpec(
        contract=CONTRACT_VERSION, step="inspect_raw", name="i1", version=PIPELINE_VERSION,
        inputs={"folder": "raw"}, parameters={"channels": [channel], "layout": "lavision"},
        outputs={"manifest": "manifest"}, threads=2,
    )  # fmt: skip
    inspect_raw.run(spec, Workspace(root, spec.name, spec.threads))


def test_the_document_is_json_that_says_what_is_promised(tmp_path: Path) -> None:
    tiling = _tiling(columns=2, rows=1)
    tilings.write_lavision(tmp_path / "raw", _tiles(tiling))
    place(tmp_path, place_spec(tiling))

    document = json.loads((tmp_path / PLACEMENTS).read_text())

    assert set(document) == {
        "columns", "rows", "tile_shape_zyx", "size_xyz", "voxel_um", "overlap", "tiles", "pairs",
        "residual_um",
    }  # fmt: skip
    assert set(document["pairs"][0]) == {"a", "b", "shift_xyz", "correlation", "used"}
    assert min(value for tile in document["tiles"] for value in tile["origin_xyz"]) == 0
