"""One position for every tile from the shifts of the pairs, wrong ones set aside.

Weighted least squares are repeated, each pair weighing less the further it lies off (Geman and
McClure's function), so that a wrong pair loses its say. Tiles that no pair holds are put on the
stage's grid, moved as their neighbors were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.stitching.layout import Layout, Place, Triple
    from pipeline.stitching.voting import Pair

Origins: TypeAlias = "dict[Place, Triple]"

_ROUNDS: Final = 80
_NARROWING = 1.3
_STILL = 1e-6  # voxels
_SCALE = 1.5  # voxels off at which a pair has lost three quarters of its weight
_MOST_OFF = 3.0  # voxels; a pair further off is not used


@dataclass(frozen=True, slots=True)
class Solution:
    """`origins` are whole voxels (x, y, z), the least 0; `used` and `off` are by pair.

    `off` is each pair's shift against the origins, voxels (x, y, z). `by_grid` are the tiles that
    no used pair holds.
    """

    origins: Origins
    used: list[bool]
    off: np.ndarray
    by_grid: list[Place]


def solve(layout: Layout, pairs: Sequence[Pair]) -> Solution:
    """Place every tile of the layout."""
    places = layout.places
    number = {place: index for index, place in enumerate(places)}
    found = [[number[p.neighbors.a], number[p.neighbors.b]] for p in pairs]
    ends = np.array(found, dtype=int).reshape(-1, 2)
    shifts = np.array([p.shift_xyz for p in pairs], dtype=np.float64).reshape(-1, 3)
    weights = _levelled(np.array([p.weight for p in pairs], dtype=np.float64))
    groups = _groups(len(places), ends, weights > 0)
    origins = np.array([layout.nominal(place) for place in places], dtype=np.float64)
    settled = weights.copy()
    for group in groups:
        inside = np.flatnonzero((weights > 0) & np.isin(ends[:, 0], group))
        if len(inside):
            own = _spanning(group, ends[inside], shifts[inside], weights[inside])
            own, left = _reweighted(own, ends[inside], shifts[inside], weights[inside])
            settled[inside] = left
            for tile in group:
                origins[tile] = own[tile]
    used = settled > 0
    _join(layout, origins, _groups(len(places), ends, used), ends)
    whole = np.rint(origins).astype(int)
    whole -= whole.min(axis=0)
    off = shifts - (whole[ends[:, 1]] - whole[ends[:, 0]])
    held = set(ends[used].ravel().tolist())
    return Solution(
        {place: _triple(whole[index]) for place, index in number.items()},
        used.tolist(),
        off,
        [place for place, index in number.items() if index not in held],
    )


def _levelled(weights: np.ndarray) -> np.ndarray:
    """Let no pair weigh more than the usual one: who is wrong can be very sure of it."""
    usable = weights[weights > 0]
    return np.minimum(weights, np.median(usable)) if len(usable) else weights


def _triple(row: np.ndarray) -> Triple:
    x, y, z = (int(value) for value in row)
    return x, y, z


def _groups(tiles: int, ends: np.ndarray, used: np.ndarray) -> list[list[int]]:
    """Tiles that pairs hold together, the largest group first."""
    root = list(range(tiles))
    for a, b in ends[used].tolist():
        low, high = sorted((root[a], root[b]))
        root = [low if own == high else own for own in root]
    groups = [[tile for tile in range(tiles) if root[tile] == own] for own in sorted(set(root))]
    return sorted(groups, key=len, reverse=True)


def _spanning(
    group: list[int], ends: np.ndarray, shifts: np.ndarray, weights: np.ndarray
) -> dict[int, np.ndarray]:
    """Positions along the pairs of most weight, from the first tile at 0."""
    placed = {group[0]: np.zeros(3)}
    order = np.argsort(-weights, kind="stable").tolist()
    while len(placed) < len(group):
        for index in order:
            a, b = ends[index].tolist()
            if (a in placed) != (b in placed):
                if a in placed:
                    placed[b] = placed[a] + shifts[index]
                else:
                    placed[a] = placed[b] - shifts[index]
                break
    return placed


def _reweighted(
    tree: Mapping[int, np.ndarray], ends: np.ndarray, shifts: np.ndarray, weights: np.ndarray
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Return the positions that fit best, with the weights, 0 for pairs that are set aside.

    Two starts are followed, as each can be led astray where the other is not: the tree, by a wrong
    pair in it, and all pairs together, by many wrong ones.
    """
    tiles = sorted(tree)
    column = {tile: index for index, tile in enumerate(tiles)}
    a, b = (np.array([column[tile] for tile in ends[:, side].tolist()]) for side in (0, 1))
    problem = _Problem(len(tiles), a, b, shifts, weights)
    starts = (
        (np.array([tree[tile] for tile in tiles]), _SCALE),
        (problem.solved(weights), max(_SCALE, float(np.abs(shifts).max()))),
    )
    found = [_settled(problem, positions, scale) for positions, scale in starts]
    positions = min(found, key=problem.cost)
    kept = np.where(problem.off(positions) <= _MOST_OFF, weights, 0.0)
    return {tile: positions[index] for tile, index in column.items()}, kept


def _settled(problem: _Problem, positions: np.ndarray, scale: float) -> np.ndarray:
    """Reweight and solve until nothing moves, with a scale that narrows to the final one."""
    for _ in range(_ROUNDS):
        weights = problem.weights / (1 + (problem.off(positions) / scale) ** 2) ** 2
        better = problem.solved(weights)
        change = float(np.abs(better - positions).max())
        positions = better
        if change < _STILL and scale == _SCALE:
            break
        scale = max(_SCALE, scale / _NARROWING)
    return positions


@dataclass(frozen=True, slots=True)
class _Problem:
    """Pairs (a, b) of `tiles` tiles with their shifts (pairs, 3) and weights."""

    tiles: int
    a: np.ndarray
    b: np.ndarray
    shifts: np.ndarray
    weights: np.ndarray

    def off(self, positions: np.ndarray) -> np.ndarray:
        """How far each pair lies off, voxels."""
        between = positions[self.b] - positions[self.a]
        return np.asarray(np.linalg.norm(self.shifts - between, axis=1))

    def cost(self, positions: np.ndarray) -> float:
        off = (self.off(positions) / _SCALE) ** 2
        return float((self.weights * off / (1 + off)).sum())

    def solved(self, weights: np.ndarray) -> np.ndarray:
        """Positions (tiles, 3) of least weighted squares, the first tile at 0."""
        return _least_squares(self.tiles, self.a, self.b, self.shifts, weights)


def _least_squares(
    tiles: int, a: np.ndarray, b: np.ndarray, shifts: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Positions (tiles, 3) that fit the shifts best, the first tile at 0."""
    laplacian, target = np.zeros((tiles, tiles)), np.zeros((tiles, 3))
    for one, other, shift, weight in zip(a, b, shifts, weights, strict=True):
        laplacian[[one, other], [one, other]] += weight
        laplacian[[one, other], [other, one]] -= weight
        target[other] += weight * shift
        target[one] -= weight * shift
    positions = np.zeros((tiles, 3))
    positions[1:] = np.linalg.lstsq(laplacian[1:, 1:], target[1:], rcond=None)[0]
    return positions


def _join(
    layout: Layout, origins: np.ndarray, groups: Iterable[list[int]], ends: np.ndarray
) -> None:
    """Move each group as its placed neighbors were moved from the grid, the middle of them."""
    nominal = np.array([layout.nominal(place) for place in layout.places], dtype=np.float64)
    waiting = list(groups)
    placed = set(waiting.pop(0))
    while waiting:
        links = [_links(group, placed, ends) for group in waiting]
        chosen = int(np.argmax([len(link) for link in links]))
        moved = origins - nominal
        wanted = [moved[there] - moved[here] for here, there in links[chosen]]
        group = waiting.pop(chosen)
        origins[group] += np.median(wanted, axis=0)
        placed |= set(group)


def _links(group: list[int], placed: set[int], ends: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of a tile of the group and its placed neighbor."""
    pairs = [*ends.tolist(), *ends[:, ::-1].tolist()]
    return [(here, there) for here, there in pairs if here in group and there in placed]
