"""The parts of stitching alone: correlation, votes, positions, weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.stitching.correlation import Range, correlation_map, detail, has_structure
from pipeline.stitching.fusion import Fusion
from pipeline.stitching.layout import Layout, Neighbors, layout_of
from pipeline.stitching.matching import Vote
from pipeline.stitching.placements import Placements
from pipeline.stitching.solving import solve
from pipeline.stitching.voting import Pair, elected
from tests.support import tilings
from tests.unit.pipeline.stitching import place_spec

NOMINAL = (90, 0, 0)
NEIGHBORS = Neighbors((0, 0), (1, 0), 0)


def test_the_map_is_pearson_s_correlation_of_what_overlaps_at_each_shift() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((40, 30)), rng.random((36, 28))

    found = correlation_map(a, b, Range(-5, 7), Range(-3, 10))

    for y, x in [(-5, -3), (0, 0), (7, 10), (3, -2), (-4, 6)]:
        top, left = max(0, y), max(0, x)
        bottom, right = min(40, 36 + y), min(30, 28 + x)
        one, other = a[top:bottom, left:right], b[top - y : bottom - y, left - x : right - x]
        expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert found[y + 5, x + 3] == pytest.approx(expected, abs=1e-9)


def test_a_flat_side_correlates_with_nothing() -> None:
    flat, other = np.full((30, 30), 65535.0), np.random.default_rng(2).random((30, 30))

    assert np.abs(correlation_map(flat, other, Range(-3, 3), Range(-3, 3))).max() == 0


@pytest.mark.parametrize("kind", ["noise", "gradient", "saturated", "black"])
def test_noise_and_background_are_no_structure(kind: str) -> None:
    rng = np.random.default_rng(3)
    across = np.linspace(100, 400, 200)[None, :]
    pictures = {
        "noise": 100 + rng.normal(0, 5, (150, 200)),
        "gradient": across + rng.normal(0, 5, (150, 200)),
        "saturated": np.full((150, 200), 65535.0),
        "black": np.zeros((150, 200)),
    }

    assert not has_structure(detail(pictures[kind]))


def test_cells_in_noise_are_structure() -> None:
    volume = tilings.exposed(tilings.texture((8, 150, 200)), np.random.default_rng(4))

    assert has_structure(detail(volume.max(axis=0)))


def test_a_minority_of_strong_votes_does_not_decide() -> None:
    right = [Vote(structured=True, shift_xyz=(91, 2, 0), correlation=0.8)] * 4
    wrong = [Vote(structured=True, shift_xyz=(80, -9, 3), correlation=0.99)] * 2

    pair = elected(NEIGHBORS, [*wrong, *right], nominal=NOMINAL, least=0.7)

    assert pair.shift_xyz == (91, 2, 0)
    assert pair.weight > 0


def test_votes_that_agree_on_nothing_make_no_usable_pair() -> None:
    votes = [Vote(structured=True, shift_xyz=(80 + 5 * n, 0, 0), correlation=0.9) for n in range(4)]

    assert elected(NEIGHBORS, votes, nominal=NOMINAL, least=0.7).weight == 0


def test_votes_below_the_least_correlation_do_not_count() -> None:
    votes = [Vote(structured=True, shift_xyz=(91, 0, 0), correlation=0.69)]

    pair = elected(NEIGHBORS, votes, nominal=NOMINAL, least=0.7)

    assert (pair.weight, pair.structured) == (0, True)


def _grid_of(tiling: tilings.Tiling) -> tuple[Layout, list[Pair]]:
    width, height, depth = tiling.tile_zyx[::-1]
    layout = Layout(
        tiling.columns, tiling.rows, (width, height, depth), 0.1, (2, 2, 5), (14, 14, 4)
    )
    return layout, [
        Pair(n, tuple(tiling.shift(n.a, n.b)), 0.95, 1.0, structured=True) for n in layout.pairs
    ]


def _against(tiling: tilings.Tiling, origins: dict, place: tuple[int, int]) -> list[int]:
    found = [b - a for a, b in zip(origins[0, 0], origins[place], strict=True)]
    return [a - b for a, b in zip(found, tiling.shift((0, 0), place), strict=True)]


@pytest.mark.parametrize("wrong", range(24))
@pytest.mark.parametrize("off", [(12, -9, 0), (4, 0, 0), (0, 0, 3.5)])
def test_one_wrong_pair_moves_no_tile_that_others_hold(
    wrong: int, off: tuple[float, float, float]
) -> None:
    tiling = tilings.jittered(columns=4, rows=4, tile_zyx=(8, 100, 100), jitter_xyz=(6, 6, 2))
    layout, pairs = _grid_of(tiling)
    shift = tuple(a + b for a, b in zip(pairs[wrong].shift_xyz, off, strict=True))
    pairs[wrong] = replace(pairs[wrong], shift_xyz=shift, weight=0.8)

    solution = solve(layout, pairs)

    assert {tuple(_against(tiling, solution.origins, place)) for place in layout.places} == {
        (0,) * 3
    }
    assert [index for index, used in enumerate(solution.used) if not used] == [wrong]


def test_a_wrong_pair_that_is_far_surer_than_the_others_has_no_more_say() -> None:
    tiling = tilings.jittered(columns=4, rows=4, tile_zyx=(8, 100, 100))
    layout, pairs = _grid_of(tiling)
    x, y, z = pairs[7].shift_xyz
    pairs[7] = replace(pairs[7], shift_xyz=(x + 12, y - 9, z), weight=50)

    solution = solve(layout, pairs)

    assert all(_against(tiling, solution.origins, place) == [0, 0, 0] for place in layout.places)


def test_small_errors_are_shared_instead_of_adding_up() -> None:
    tiling = tilings.jittered(columns=8, rows=2, tile_zyx=(8, 100, 100))
    layout, pairs = _grid_of(tiling)
    rng = np.random.default_rng(6)
    noisy = [
        replace(p, shift_xyz=tuple(v + int(rng.integers(-1, 2)) for v in p.shift_xyz))
        for p in pairs
    ]

    solution = solve(layout, noisy)

    off = np.array([_against(tiling, solution.origins, place) for place in layout.places])
    assert np.abs(off - np.median(off, axis=0)).max() <= 3


def test_a_tile_without_a_pair_is_moved_as_its_neighbors_were() -> None:
    tiling = tilings.jittered(columns=3, rows=1, tile_zyx=(8, 100, 100), jitter_xyz=(0, 0, 0))
    layout, pairs = _grid_of(tiling)
    moved = replace(pairs[0], shift_xyz=(95, 3, 1))
    unknown = replace(pairs[1], weight=0.0)

    solution = solve(layout, [moved, unknown])

    assert solution.origins[2, 0] == (solution.origins[1, 0][0] + 90, 3, 1)
    assert solution.by_grid == [(2, 0)]


def test_groups_without_a_pair_between_them_keep_their_shape() -> None:
    tiling = tilings.jittered(columns=4, rows=1, tile_zyx=(8, 100, 100), jitter_xyz=(5, 5, 1))
    layout, pairs = _grid_of(tiling)
    pairs[1] = replace(pairs[1], weight=0.0)

    origins = solve(layout, pairs).origins

    for a, b in (((0, 0), (1, 0)), ((2, 0), (3, 0))):
        found = [j - i for i, j in zip(origins[a], origins[b], strict=True)]
        assert found == tiling.shift(a, b)


@pytest.mark.parametrize("overlap", [0.0, 0.02, 1.0])
def test_tiles_that_hardly_overlap_are_refused_in_words(overlap: float) -> None:
    tiling = tilings.jittered(columns=2, rows=1, tile_zyx=(8, 100, 100))
    spec = place_spec(tiling, parameters={"overlap": overlap})

    with pytest.raises(BadInput, match="overlap"):
        layout_of(spec, plane_yx=(100, 100), planes=8)


def test_the_slabs_of_a_stack_are_all_its_planes_once() -> None:
    for planes in (1, 15, 16, 17, 100, 999):
        layout = Layout(2, 2, (2000, 1600, planes), 0.1, (2, 2, 2), (30, 30, 5))
        covered = [z for start, stop in layout.slabs() for z in range(start, stop)]

        assert covered == list(range(planes))


def _fusion(tiling: tilings.Tiling) -> Fusion:
    placements = Placements(
        tiling.columns, tiling.rows, tiling.tile_zyx[::-1], tiling.overlap, (2, 2, 5),
        dict(tiling.origins),
    )  # fmt: skip
    return Fusion(placements, frozenset(tiling.origins))


def test_weights_add_up_to_one_and_each_pixel_is_in_one_region() -> None:
    tiling = tilings.jittered(columns=3, rows=3, tile_zyx=(1, 60, 50), overlap=0.3)
    fusion = _fusion(tiling)
    seen = np.zeros(fusion.size_xy[::-1], dtype=int)

    for region in fusion.regions:
        seen[region.top : region.bottom, region.left : region.right] += 1
        if region.weights is not None:
            assert np.abs(region.weights.sum(axis=0) - 1).max() < 1e-6
            assert region.weights.min() >= 0

    covered = np.zeros_like(seen)
    for x, y, _ in tiling.origins.values():
        covered[y : y + 60, x : x + 50] = 1
    assert np.array_equal(seen, covered)


def test_the_seam_between_a_dark_and_a_bright_tile_is_smooth() -> None:
    tiling = tilings.jittered(
        columns=2, rows=1, tile_zyx=(1, 40, 100), overlap=0.3, jitter_xyz=(0, 0, 0)
    )
    planes = {(0, 0): np.full((40, 100), 1000, "u2"), (1, 0): np.full((40, 100), 2000, "u2")}

    row = _fusion(tiling).fused(planes, {})[20].astype(int)

    assert (row[0], row[-1]) == (1000, 2000)
    assert np.diff(row).min() >= 0
    assert np.diff(row).max() <= 1000 / 30 * 3
