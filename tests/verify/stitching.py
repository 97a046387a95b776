"""S1: tiles cut from a known volume with jitter and noise are found again and merged."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.steps import merge_tiles, place_tiles
from pipeline.stitching.layout import Layout, Neighbors
from pipeline.stitching.solving import solve
from pipeline.stitching.voting import Pair
from pipeline.workspace import Workspace
from tests.support import tilings
from tests.verify.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.tilings import Place, Tiling

_VOXEL_UM = [2.0, 2.0, 5.0]
_SEARCH_UM = [28.0, 28.0, 30.0]
_S1_TILE = (26, 540, 300)
_SEEDS = range(5)
_EDGE = 3  # voxels beside a seam or an edge that are left out of the comparison


def figures(work: Path, real: Path | None) -> Iterator[Figure]:
    """Measure on a phantom, and on the real channels where they are given."""
    yield from _s1("phantom", work, lambda tiling, seed: _phantom(tiling, seed))
    yield from _blank(work)
    yield _outlier()
    if real is not None:
        channels = real / "real_channels"
        signal = tifffile.imread(channels / "signal_26planes.tif").astype(np.float32)
        other = tifffile.imread(channels / "background_26planes.tif").astype(np.float32)
        yield from _s1("real", work, lambda tiling, seed: (signal, other))


def _phantom(tiling: Tiling, seed: int) -> tuple[np.ndarray, np.ndarray]:
    shape = tilings.needed_zyx(tiling)
    return tilings.texture(shape, seed=seed), tilings.texture(shape, seed=100 + seed)


def _s1(name: str, work: Path, source) -> Iterator[Figure]:  # type: ignore[no-untyped-def]
    exact, least, most_off, worst = True, [], 0.0, 0.0
    seeds = _SEEDS if name == "real" else _SEEDS[:2]
    for seed in seeds:
        z = 2 if name == "phantom" else 0  # the real block is as deep as a tile
        tiling = tilings.jittered(
            columns=2, rows=2, tile_zyx=_S1_TILE, jitter_xyz=(6, 6, z), seed=seed
        )
        first, second = source(tiling, seed)
        root = work / f"{name}{seed}"
        document = _placed(root, tiling, _exposed(first, tiling, seed))
        exact = exact and _all_shifts_exact(document, tiling)
        least.append(min(pair["correlation"] for pair in document["pairs"]))
        if seed == seeds[0]:
            most_off, worst = _dependent(root, tiling, second)
        shutil.rmtree(root, ignore_errors=True)
    yield Figure(f"S1 {name}: all pair shifts exact in {len(seeds)} jitters", float(exact), 1)
    yield Figure(
        f"S1 {name}: least NCC of a pair, median of the jitters", float(np.median(least)), 0.91
    )
    yield Figure(f"S1 {name}: least NCC of a pair, worst of the jitters", min(least), 0.90)
    yield Figure(
        f"S1 {name}: second channel without noise, most counts off", most_off, 1, at_most=True
    )
    yield Figure(f"S1 {name}: second channel, noise against one tile's", worst, 1.05, at_most=True)


def _exposed(volume: np.ndarray, tiling: Tiling, seed: int) -> dict[Place, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {p: tilings.exposed(tile, rng) for p, tile in tilings.cut(volume, tiling).items()}


def _placed(root: Path, tiling: Tiling, tiles: dict[Place, np.ndarray]) -> JsonDict:
    tilings.write_lavision(root / "raw", tiles)
    inputs = {"folder": "raw", "layout": "lavision", **_grid(tiling)}
    parameters = {"voxel_um": _VOXEL_UM, "overlap": tiling.overlap, "search_um": _SEARCH_UM}
    spec = _spec("place_tiles", inputs, parameters, {"placements": "placements.json"})
    place_tiles.run(spec, Workspace(root, spec.name, spec.threads))
    return json.loads((root / "placements.json").read_text())


def _grid(tiling: Tiling) -> JsonDict:
    return {"columns": tiling.columns, "rows": tiling.rows, "planes": tiling.tile_zyx[0]}


def _spec(step: str, inputs: JsonDict, parameters: JsonDict, outputs: dict[str, str]) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION, step=step, name="verify", version=PIPELINE_VERSION,
        inputs=inputs, parameters=parameters, outputs=outputs, threads=2,
    )  # fmt: skip


def _all_shifts_exact(document: JsonDict, tiling: Tiling) -> bool:
    return all(
        pair["used"] and pair["shift_xyz"] == tiling.shift(tuple(pair["a"]), tuple(pair["b"]))
        for pair in document["pairs"]
    )


def _dependent(root: Path, tiling: Tiling, volume: np.ndarray) -> tuple[float, float]:
    """Merge another channel by the first one's placements.

    Return the most counts by which it differs from its source where the tiles have no noise of
    their own, and with noise the root mean square difference over that of a single tile.
    """
    whole = np.round(np.clip(volume, 0, 65535)).astype(np.uint16)
    clean = _merged(root, tiling, tilings.cut(whole, tiling), index=1)
    truth, covered = _union(whole, tiling)
    most_off = float(np.abs(clean.astype(int) - truth)[covered].max())
    noisy = _exposed(volume, tiling, 50)
    merged = _merged(root, tiling, noisy, index=2)
    one = tilings.cut(volume, tiling)[0, 0] + 100
    single = float(np.sqrt(np.mean((noisy[0, 0] - one) ** 2)))
    exact, _ = _union(volume, tiling)
    off = (merged - (exact + 100))[covered]
    return most_off, float(np.sqrt(np.mean(off**2))) / single


def _merged(
    root: Path, tiling: Tiling, tiles: dict[Place, np.ndarray], *, index: int
) -> np.ndarray:
    tilings.write_lavision(root / "raw", tiles, filter_index=index)
    inputs = {
        "folder": "raw", "layout": "lavision", "channel_index": index,
        "placements": "placements.json", **_grid(tiling),
    }  # fmt: skip
    out = f"merged{index}"
    spec = _spec("merge_tiles", inputs, {"voxel_um": _VOXEL_UM, "name": "m"}, {"planes": out})
    merge_tiles.run(spec, Workspace(root, spec.name, spec.threads))
    return np.stack([tifffile.imread(path) for path in sorted((root / out).glob("*.tif"))])


def _union(volume: np.ndarray, tiling: Tiling) -> tuple[np.ndarray, np.ndarray]:
    """The source where the tiles were cut, in the merged stack's frame, and what is covered."""
    starts = [start for start, _ in tiling.span()]
    box = tuple(slice(start, stop) for start, stop in tiling.span()[::-1])
    part = volume[box]
    covered = np.zeros(part.shape, dtype=bool)
    depth, height, width = tiling.tile_zyx
    for origin in tiling.origins.values():
        x, y, z = (value - start for value, start in zip(origin, starts, strict=True))
        covered[z : z + depth, y : y + height, x : x + width] = True
    return part, covered


def _blank(work: Path) -> Iterator[Figure]:
    """4 x 4 tiles, one of them without a picture: the others exact, it by its neighbors."""
    tiling = tilings.jittered(
        columns=4, rows=4, tile_zyx=(16, 160, 160), overlap=0.2, jitter_xyz=(4, 4, 1), seed=3
    )
    volume, _ = _phantom(tiling, 3)
    tiles = _exposed(volume, tiling, 3)
    rng = np.random.default_rng(9)
    tiles[2, 1] = tilings.exposed(np.zeros(tiling.tile_zyx), rng)
    document = _placed(work / "blank", tiling, tiles)
    found = {(t["column"], t["row"]): t["origin_xyz"] for t in document["tiles"]}
    first = (0, 0)
    off = {
        place: max(
            abs((a - b) - c)
            for a, b, c in zip(found[place], found[first], tiling.shift(first, place), strict=True)
        )
        for place in found
    }
    blank = off.pop((2, 1))
    yield Figure(
        "4 x 4 tiles, one blank: the others, most voxels off", max(off.values()), 0, at_most=True
    )
    yield Figure("4 x 4 tiles, one blank: the blank one, voxels off", blank, 8, at_most=True)
    shutil.rmtree(work / "blank", ignore_errors=True)


def _outlier() -> Figure:
    """4 x 4 tiles with one pair that is sure and wrong: the positions do not notice."""
    tiling = tilings.jittered(columns=4, rows=4, tile_zyx=(8, 100, 100), seed=5)
    layout = Layout(4, 4, (100, 100, 8), 0.1, (2.0, 2.0, 5.0), (14, 14, 2))
    pairs = [_true_pair(tiling, neighbors) for neighbors in layout.pairs]
    x, y, z = pairs[7].shift_xyz
    pairs[7] = replace(pairs[7], shift_xyz=(x + 12, y - 9, z), weight=5 * pairs[7].weight)
    origins = solve(layout, pairs).origins
    off = max(
        abs(b - a - true)
        for place in layout.places
        for a, b, true in zip(
            origins[0, 0], origins[place], tiling.shift((0, 0), place), strict=True
        )
    )
    return Figure("4 x 4 tiles, one pair sure and wrong: most voxels off", off, 0, at_most=True)


def _true_pair(tiling: Tiling, neighbors: Neighbors) -> Pair:
    x, y, z = tiling.shift(neighbors.a, neighbors.b)
    return Pair(neighbors, (x, y, z), 0.95, 1.0, structured=True)
