"""Compare the strips of two neighboring tiles: each sub-block gives a vote for their shift.

First x and y by maximum projections along z, then z by projections of short blocks with the strips
cut to what really overlaps, then x and y once more if the planes had to be shifted.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from pipeline.stitching.correlation import (
    Range,
    best_shift,
    correlation,
    correlation_map,
    detail,
    has_structure,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.stitching.layout import Layout, Neighbors, Triple

Shift: TypeAlias = tuple[int, int, int]  # z, y, x of arrays

_BLOCK: Final = 16  # pixels along the seam that are projected together to see z
_LEAST_DETAIL = 0.3
_STRIP_LENGTH, _MOST_STRIPS = 256, 4


@dataclass(frozen=True, slots=True)
class Vote:
    """What one sub-block says: origin of b minus origin of a in voxels; None if it cannot tell.

    `structured` says that both tiles show something here, so that a match was to be expected.
    """

    structured: bool
    shift_xyz: Triple | None = None
    correlation: float = 0.0


def votes_of(layout: Layout, pair: Neighbors, a: np.ndarray, b: np.ndarray) -> Iterator[Vote]:
    """Yield the votes of a slab: `a` and `b` (z, y, x) are the strips at the common edge.

    `a` ends where its tile ends, `b` begins where its tile begins, each `layout.strip_of` wide.
    """
    along = 1 if pair.axis == 0 else 2  # the numpy axis along the seam
    length = a.shape[along]
    count = max(1, min(_MOST_STRIPS, length // _STRIP_LENGTH))
    edges = [round(number * length / count) for number in range(count + 1)]
    for start, stop in itertools.pairwise(edges):
        part = (slice(None),) * along + (slice(start, stop),)
        yield _vote(layout, pair, a[part], b[part])


def _vote(layout: Layout, pair: Neighbors, a: np.ndarray, b: np.ndarray) -> Vote:
    expected = layout.overlap_of(pair.axis)
    # where the first pixel of b lies in the strip of a, by the stage
    at = a.shape[2 - pair.axis] - expected
    found = _in_plane(layout, pair, a, b, at)
    if isinstance(found, Vote):
        return found
    (y, x), value = found
    z, depth_value = _along_z(layout, pair, a, b, (y, x))
    if z is None:
        return Vote(structured=True)
    if z:
        found = _in_plane(layout, pair, *_cut_z(a, b, z), at)
        if isinstance(found, Vote):
            return found
        (y, x), value = found
    step_x, step_y, _ = layout.nominal_shift(pair)
    by_stage_y, by_stage_x = (0, at) if pair.axis == 0 else (at, 0)
    shift = (step_x + x - by_stage_x, step_y + y - by_stage_y, z)
    return Vote(structured=True, shift_xyz=shift, correlation=min(value, depth_value))


def _in_plane(
    layout: Layout, pair: Neighbors, a: np.ndarray, b: np.ndarray, at: int
) -> tuple[tuple[int, int], float] | Vote:
    """Return the (y, x) of b in the strip of a with the correlation, or a vote without a shift."""
    high_a, high_b = a.max(axis=0), b.max(axis=0)
    fine_a, fine_b = detail(high_a), detail(high_b)
    if not (has_structure(fine_a) and has_structure(fine_b)):
        return Vote(structured=False)
    reach_x, reach_y, _ = layout.search
    middle_y, middle_x = (0, at) if pair.axis == 0 else (at, 0)
    ranges = (
        Range(middle_y - reach_y, middle_y + reach_y),
        Range(middle_x - reach_x, middle_x + reach_x),
    )
    fine = correlation_map(fine_a, fine_b, *ranges)
    (y, x), inside = best_shift(fine, ranges)
    peak = float(fine.max())
    if not inside or peak < _LEAST_DETAIL:
        return Vote(structured=True)
    one, other = _cut(high_a, high_b, (y, x))
    plain = correlation(one.astype(np.float64), other.astype(np.float64))
    return (y, x), max(plain, peak)


def _along_z(
    layout: Layout, pair: Neighbors, a: np.ndarray, b: np.ndarray, at: tuple[int, int]
) -> tuple[int | None, float]:
    """Return the z of b in a with the correlation there; None if it lies at the edge of the range.

    The shift is where the planes' differences agree best; what is the same in all planes of a
    place says nothing of z.
    """
    reach = layout.search[2]
    one, other = _cut(a, b, at)
    along = 1 if pair.axis == 0 else 2
    low, high = _projected(one, along), _projected(other, along)
    if reach == 0:
        return 0, correlation(low, high)
    span = Range(-reach, reach)
    moving_a, moving_b = low - low.mean(axis=0), high - high.mean(axis=0)
    found = np.array([correlation(*_cut_z(moving_a, moving_b, z)) for z in span.values()])
    (z,), inside = best_shift(found, (span,))
    if not inside:
        return None, 0.0
    plain = correlation(*_cut_z(low, high, z))
    return z, max(plain, float(found.max()))


def _projected(strip: np.ndarray, along: int) -> np.ndarray:
    """Maxima of blocks along the seam, as float32 (z, ...)."""
    starts = np.arange(0, strip.shape[along], _BLOCK)
    return np.maximum.reduceat(strip, starts, axis=along).astype(np.float32)


def _cut(a: np.ndarray, b: np.ndarray, at: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The parts of a and b (..., y, x) that overlap if b lies at (y, x) of a."""
    parts_a: list[slice] = []
    parts_b: list[slice] = []
    for start, m, n in zip(at, a.shape[-2:], b.shape[-2:], strict=True):
        low, high = max(0, start), min(m, n + start)
        parts_a.append(slice(low, high))
        parts_b.append(slice(low - start, high - start))
    return a[..., parts_a[0], parts_a[1]], b[..., parts_b[0], parts_b[1]]


def _cut_z(a: np.ndarray, b: np.ndarray, z: int) -> tuple[np.ndarray, np.ndarray]:
    """The planes of a and b that overlap if the first of b lies on plane `z` of a."""
    planes = a.shape[0]
    return (a[z:], b[: planes - z]) if z >= 0 else (a[: planes + z], b[-z:])
