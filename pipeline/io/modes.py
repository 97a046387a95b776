"""Make a label volume smaller by the most frequent label of each block.

Every voxel has one vote in its block; with several labels in front, a structure goes before the
background (0) and the smaller id before the larger, so the result depends on nothing else. Blocks
at the far edges have the voxels that are there. Volumes are numpy (z, y, x).
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.io.grid import Triple


def mode_of_blocks(labels: np.ndarray, step: Triple) -> np.ndarray:
    """Return the mode of each block of `step` (x, y, z; 1 or 2 each) voxels; `labels` is uint32."""
    even = _evened(labels, step)
    x, y, z = step
    corners = product(range(z), range(y), range(x))
    votes = [even[c::z, b::y, a::x] for c, b, a in corners]
    result = votes[0].copy()
    is_split = np.zeros(result.shape, dtype=bool)
    for vote in votes[1:]:
        is_split |= vote != result
    if is_split.any():
        result[is_split] = _winners(np.stack([vote[is_split] for vote in votes]))
    return result


def _evened(labels: np.ndarray, step: Triple) -> np.ndarray:
    """Repeat the last position of an axis that does not divide: each of its votes then counts
    twice, which changes no mode."""
    missing = [-n % s for n, s in zip(labels.shape, step[::-1], strict=True)]
    if not any(missing):
        return labels
    return np.pad(labels, [(0, count) for count in missing], mode="edge")


def _winners(votes: np.ndarray) -> np.ndarray:
    """Return the label with most votes of each column of (vote, block) uint32."""
    # Below 0 comes the largest number, so that the background is sorted behind all structures.
    ranked = np.sort(votes - np.uint32(1), axis=0)
    counts = np.zeros(ranked.shape, dtype=np.uint8)
    for vote in ranked:
        counts += ranked == vote
    first = np.argmax(counts, axis=0)
    chosen: np.ndarray = np.take_along_axis(ranked, first[None], axis=0)[0]
    return chosen + np.uint32(1)
