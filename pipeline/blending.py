"""Two light sheets made one plane: each side of the sample comes from the sheet on that side.

The right sheet's weight rises along x as a logistic curve over the whole width, so where both are
equal the result is equal to them. The sheets differ in power: a constant factor for the whole
volume lowers the brighter one, which can neither clip nor drift from plane to plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.plane_stream import in_order, read_plane, sampled

if TYPE_CHECKING:
    from pipeline.io.tiff import PlaneStack

_ROWS = 256
_SAMPLED_PLANES = 16
_SAMPLED_STEP = 4
_BRIGHTEST = 65535
LEVELS: Final = ("none", "median", "mean")


def right_weights(width: int, slope: float) -> np.ndarray:
    """Return the right sheet's weight at each x, from about 0 to about 1, float64."""
    return 1 / (1 + np.exp(-np.linspace(-slope, slope, width)))


@dataclass(frozen=True, slots=True)
class Blender:
    """Blends planes (y, x) uint16. Gains are at most 1. Threads may share it."""

    weights: np.ndarray  # (x,) float32
    left_gain: float = 1.0
    right_gain: float = 1.0

    def blend(self, left: np.ndarray | None, right: np.ndarray | None) -> np.ndarray | None:
        """Return the blended plane; where one sheet is absent, the other; None without both."""
        if left is None or right is None:
            return self._alone(left, right)
        result = np.empty_like(left)
        for start in range(0, len(left), _ROWS):
            rows = slice(start, start + _ROWS)
            ours = _gained(left[rows], self.left_gain)
            theirs = _gained(right[rows], self.right_gain)
            theirs -= ours
            theirs *= self.weights
            theirs += ours
            np.rint(theirs, out=theirs)
            result[rows] = theirs
        return result

    def _alone(self, left: np.ndarray | None, right: np.ndarray | None) -> np.ndarray | None:
        plane, gain = (left, self.left_gain) if right is None else (right, self.right_gain)
        if plane is None or gain == 1:
            return plane
        alone: np.ndarray = np.rint(_gained(plane, gain)).astype(np.uint16)
        return alone


def _gained(rows: np.ndarray, gain: float) -> np.ndarray:
    values = rows.astype(np.float32)
    if gain != 1:
        values *= np.float32(gain)
    return values


def gains(left: PlaneStack, right: PlaneStack, level: str, *, threads: int) -> tuple[float, float]:
    """Return the factors of both sheets: 1 for the darker, less for the brighter.

    The level is the median or mean of every fourth pixel along x and y of at most 16 planes that
    both sheets have. A sheet that is black has none, and both factors are 1.
    """
    both = [z for z in range(left.shape[0]) if left.paths[z] and right.paths[z]]
    if level == "none" or not both:
        return 1.0, 1.0
    chosen = sampled(both, most=_SAMPLED_PLANES)
    jobs = [(stack, z) for z in chosen for stack in (left, right)]
    seen = list(in_order(len(jobs), lambda i: _thinned(*jobs[i]), threads=threads))
    measure = np.median if level == "median" else np.mean
    ours, theirs = (float(measure(np.concatenate(seen[side::2]))) for side in (0, 1))
    if min(ours, theirs) <= 0:
        return 1.0, 1.0
    return min(1.0, theirs / ours), min(1.0, ours / theirs)


def _thinned(stack: PlaneStack, z: int) -> np.ndarray:
    plane = read_plane(stack, z)
    assert plane is not None
    return plane[::_SAMPLED_STEP, ::_SAMPLED_STEP].ravel()
