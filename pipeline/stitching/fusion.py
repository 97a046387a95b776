"""Fuse the planes of overlapping tiles: weights that fall smoothly to the edges, their sum 1."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.stitching.layout import Place
    from pipeline.stitching.placements import Placements

_MOST: Final = 65535


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the result that the same tiles cover; `weights` (tile, y, x) if several."""

    top: int
    bottom: int
    left: int
    right: int
    tiles: tuple[Place, ...]
    weights: np.ndarray | None


class Fusion:
    """How planes of these tiles are fused; another set of tiles is another fusion."""

    def __init__(self, placements: Placements, tiles: frozenset[Place]) -> None:
        self.size_xy = placements.size[:2]
        self._tile = placements.tile[:2]
        self._origins = {place: placements.origins[place][:2] for place in sorted(tiles)}
        self._ramps = [_ramp(side, round(side * placements.overlap)) for side in self._tile]
        self.regions = list(self._divided())

    def fused(self, planes: Mapping[Place, np.ndarray], gains: Mapping[Place, float]) -> np.ndarray:
        """Return the whole plane (y, x) uint16 of tiles (y, x) uint16; where no tile is, 0."""
        result = np.zeros(self.size_xy[::-1], dtype=np.uint16)
        for region in self.regions:
            target = result[region.top : region.bottom, region.left : region.right]
            parts = [self._part(planes[place], place, region) for place in region.tiles]
            factors = [gains.get(place, 1.0) for place in region.tiles]
            if region.weights is None and factors[0] == 1.0:
                target[:] = parts[0]
            else:
                target[:] = _mixed(parts, factors, region.weights)
        return result

    def _part(self, plane: np.ndarray, place: Place, region: Region) -> np.ndarray:
        x, y = self._origins[place]
        return plane[region.top - y : region.bottom - y, region.left - x : region.right - x]

    def _divided(self) -> list[Region]:
        """Cut the plane at every edge of a tile; join what lies side by side below same tiles."""
        width, height = self._tile
        xs = sorted({x + d for x, _ in self._origins.values() for d in (0, width)})
        ys = sorted({y + d for _, y in self._origins.values() for d in (0, height)})
        regions = []
        for top, bottom in itertools.pairwise(ys):
            for left, right, tiles in self._runs(xs, top):
                regions.append(self._region(top, bottom, left, right, tiles))
        return regions

    def _runs(self, xs: Sequence[int], y: int) -> list[tuple[int, int, tuple[Place, ...]]]:
        """Spans of x in row `y` and the tiles that cover each, those without a tile left out."""
        runs: list[tuple[int, int, tuple[Place, ...]]] = []
        for left, right in itertools.pairwise(xs):
            tiles = tuple(place for place in self._origins if self._covers(place, left, y))
            if runs and runs[-1][1] == left and runs[-1][2] == tiles:
                runs[-1] = (runs[-1][0], right, tiles)
            elif tiles:
                runs.append((left, right, tiles))
        return runs

    def _covers(self, place: Place, x: int, y: int) -> bool:
        left, top = self._origins[place]
        return left <= x < left + self._tile[0] and top <= y < top + self._tile[1]

    def _region(
        self, top: int, bottom: int, left: int, right: int, tiles: tuple[Place, ...]
    ) -> Region:
        if len(tiles) == 1:
            return Region(top, bottom, left, right, tiles, None)
        weights = np.empty((len(tiles), bottom - top, right - left), dtype=np.float32)
        for index, place in enumerate(tiles):
            x, y = self._origins[place]
            down, across = (
                self._ramps[1][top - y : bottom - y],
                self._ramps[0][left - x : right - x],
            )
            np.multiply(down[:, None], across[None, :], out=weights[index])
        weights /= weights.sum(axis=0)
        return Region(top, bottom, left, right, tiles, weights)


def _ramp(side: int, reach: int) -> np.ndarray:
    """Weights along a tile: 1 inside, falling as a cosine over `reach` pixels to each edge."""
    from_edge = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
    part = np.minimum(1.0, from_edge / max(1, reach))
    return np.asarray((1 - np.cos(np.pi * part)) / 2, dtype=np.float32)


def _mixed(
    parts: Sequence[np.ndarray], factors: Sequence[float], weights: np.ndarray | None
) -> np.ndarray:
    """The weighted sum, rounded and clipped."""
    total = np.zeros(parts[0].shape, dtype=np.float32)
    for index, (part, factor) in enumerate(zip(parts, factors, strict=True)):
        share: np.ndarray | float = 1.0 if weights is None else weights[index]
        total += part * np.multiply(share, factor, dtype=np.float32)
    np.rint(total, out=total)
    np.clip(total, 0, _MOST, out=total)
    return total
