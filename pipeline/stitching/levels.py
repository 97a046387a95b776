"""One factor of intensity for each tile, found for all of them at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.stitching.layout import Place
    from pipeline.stitching.placements import Placements
    from pipeline.stitching.tiles import TileStack

_SAMPLES = 12  # planes
_STAY = 0.02  # how much a tile insists on its own level, against a pair of tiles
_MOST_GAIN = 2.0
_SATURATED = 65535


def gains_of(tiles: TileStack, placements: Placements) -> dict[Place, float]:
    """Return the factor of each tile, from a few planes; tiles that agree keep exactly theirs.

    The logarithms of the factors are those of least squares over all overlaps, with a mean of 0:
    no tile sets the level of the next one, so nothing darkens from tile to tile.
    """
    places = sorted(placements.origins)
    number = {place: index for index, place in enumerate(places)}
    ratios: dict[tuple[Place, Place], list[float]] = {}
    for z in _sampled(placements.size[2]):
        planes = {
            place: tiles.plane(place, own)
            for place in places
            if tiles.has(place, own := z - placements.origins[place][2])
        }
        for pair, ratio in _ratios(planes, placements):
            ratios.setdefault(pair, []).append(ratio)
    matrix, target = _STAY * np.eye(len(places)), np.zeros(len(places))
    for (a, b), found in ratios.items():
        one, other, ratio = number[a], number[b], float(np.median(found))
        matrix[[one, other], [one, other]] += 1
        matrix[[one, other], [other, one]] -= 1
        target[one] += ratio
        target[other] -= ratio
    levels = np.linalg.solve(matrix, target)
    limit = math.log(_MOST_GAIN)
    return {
        place: math.exp(min(limit, max(-limit, float(levels[i])))) for place, i in number.items()
    }


def _sampled(planes: int) -> list[int]:
    """Planes spread evenly, the first and the last among them only if there are few."""
    count = min(planes, _SAMPLES)
    return [int((number + 0.5) * planes / count) for number in range(count)]


def _ratios(
    planes: Mapping[Place, np.ndarray], placements: Placements
) -> Iterable[tuple[tuple[Place, Place], float]]:
    """For each two tiles that overlap: the logarithm of b's level over a's."""
    width, height, _ = placements.tile
    for a in planes:
        for b in planes:
            x, y = (placements.origins[b][i] - placements.origins[a][i] for i in (0, 1))
            if a >= b or abs(x) >= width or abs(y) >= height:
                continue
            one = planes[a][max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
            other = planes[b][max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
            ratio = _log_ratio(one, other)
            if ratio is not None:
                yield (a, b), ratio


def _log_ratio(a: np.ndarray, b: np.ndarray) -> float | None:
    """Of the means where neither is black or saturated."""
    fair = (a > 0) & (b > 0) & (a < _SATURATED) & (b < _SATURATED)
    if not fair.any():
        return None
    return math.log(float(b[fair].mean(dtype=np.float64)) / float(a[fair].mean(dtype=np.float64)))
