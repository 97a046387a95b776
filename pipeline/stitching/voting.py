"""From the votes of many sub-blocks to one shift for each pair of tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.stitching.layout import Neighbors, Triple
    from pipeline.stitching.matching import Vote

_NEAR = (2, 2, 1)  # voxels (x, y, z) between votes that mean the same
_LEAST_PART = 0.5  # of the votes' weight that must agree


@dataclass(frozen=True, slots=True)
class Pair:
    """Two neighbors with b's origin minus a's, voxels (x, y, z); `weight` 0: not usable."""

    neighbors: Neighbors
    shift_xyz: Triple
    correlation: float
    weight: float
    structured: bool


def elected(neighbors: Neighbors, votes: Sequence[Vote], *, nominal: Triple, least: float) -> Pair:
    """Return what most of the votes with at least the correlation `least` agree on."""
    structured = any(vote.structured for vote in votes)
    best = max((vote.correlation for vote in votes), default=0.0)
    valid = [(vote.shift_xyz, vote.correlation) for vote in votes if vote.correlation >= least]
    usable = [(shift, value) for shift, value in valid if shift is not None]
    if not usable:
        return Pair(neighbors, nominal, best, 0.0, structured)
    shifts = np.array([shift for shift, _ in usable])
    weights = np.array([value**2 for _, value in usable])
    near = (np.abs(shifts[:, None] - shifts[None]) <= _NEAR).all(axis=2)
    support = near @ weights
    chosen = near[int(np.argmax(support))]
    x, y, z = (_median(column, weights[chosen]) for column in shifts[chosen].T)
    value = float(np.median([value for (_, value), own in zip(usable, chosen, strict=True) if own]))
    agreeing = support.max() >= _LEAST_PART * weights.sum()
    return Pair(neighbors, (x, y, z), value, float(support.max()) if agreeing else 0.0, structured)


def _median(values: np.ndarray, weights: np.ndarray) -> int:
    """The weighted median, one of the values."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return int(values[order][np.searchsorted(reached, reached[-1] / 2)])
