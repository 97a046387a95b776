"""Volumes made smaller plane by plane: means over boxes whose edges may lie within voxels.

The boxes of the result begin at the corner of the volume and are as large as its voxels; a voxel
that is cut by an edge counts by its share, so the mean is that over the area. The last box ends
with the volume and is averaged over what it covers. The three axes are independent (separable):
the plane is reduced along y and x by sparse matrices of the shares, then added to the one or two
planes of the result that it reaches. Along an axis where the result's voxels are smaller than the
source's, values are interpolated linearly between voxel centers instead. Sums are 64-bit floats,
divided once and rounded half up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.orientation import Turn

Triple: TypeAlias = tuple[float, float, float]
Shape: TypeAlias = tuple[int, int, int]

_ROWS = 128  # of the source at a time, so that a block stays in the cache
_FUZZ = 1e-6  # of a voxel: an edge so near to a voxel's is that voxel's
_BRIGHTEST = 65535
_BLOCK_BYTES = 64 << 20
_MOST_ENLARGED = 16


def length_of(count: int, voxel: float, to_voxel: float) -> int:
    """Return how many voxels of `to_voxel` cover `count` voxels of `voxel`, the last in part."""
    return max(1, math.ceil(count * voxel / to_voxel - _FUZZ))


def shares(count: int, voxel: float, to_voxel: float) -> sparse.csr_matrix:
    """Return the weights (result, source) of one axis; each row adds up to 1."""
    ratio = to_voxel / voxel
    length = length_of(count, voxel, to_voxel)
    if ratio < 1 - _FUZZ:
        return _between_centers(count, length, ratio)
    return _areas(count, length, ratio)


def _areas(count: int, length: int, ratio: float) -> sparse.csr_matrix:
    edges = np.minimum(np.arange(length + 1) * ratio, count)
    edges[-1] = count
    near = np.abs(edges - np.rint(edges)) < _FUZZ
    edges[near] = np.rint(edges[near])
    cuts = np.unique(np.concatenate([np.arange(count + 1), edges]))
    middles, pieces = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    box = np.searchsorted(edges, middles) - 1
    share = pieces / np.diff(edges)[box]
    at = (box, middles.astype(np.int64))
    return sparse.csr_matrix((share, at), shape=(length, count))


def _between_centers(count: int, length: int, ratio: float) -> sparse.csr_matrix:
    center = np.clip((np.arange(length) + 0.5) * ratio - 0.5, 0, count - 1)
    before = np.minimum(center.astype(np.int64), max(0, count - 2))
    after = np.minimum(before + 1, count - 1)
    part = center - before
    values = np.concatenate([1 - part, part])
    at = (np.tile(np.arange(length), 2), np.concatenate([before, after]))
    return sparse.csr_matrix((values, at), shape=(length, count))


class PlaneReducer:
    """Reduces planes (y, x) uint16 to (y, x) float64 means. Threads may share it."""

    def __init__(self, shape_yx: tuple[int, int], voxel_yx: tuple[float, float],
                 to_voxel_yx: tuple[float, float]) -> None:  # fmt: skip
        along_y = shares(shape_yx[0], voxel_yx[0], to_voxel_yx[0])
        self._x = shares(shape_yx[1], voxel_yx[1], to_voxel_yx[1])
        self.shape = (along_y.shape[0], self._x.shape[0])
        self._width = shape_yx[1]
        self._bands = list(_bands(along_y))

    def __call__(self, plane: np.ndarray) -> np.ndarray:
        rows = np.empty((self.shape[0], self._width))
        for into, out_of, weights in self._bands:
            rows[into] = weights @ plane[out_of].astype(np.float64)
        return np.ascontiguousarray((self._x @ rows.T).T)


def _bands(weights: sparse.csr_matrix) -> Iterator[tuple[slice, slice, sparse.csr_matrix]]:
    """Cut the matrix into bands of rows that need about `_ROWS` rows of the source."""
    starts, ends = _reach(weights)
    first = 0
    for row in range(1, len(starts) + 1):
        if row == len(starts) or ends[row] - starts[first] > _ROWS:
            source = slice(int(starts[first]), int(ends[row - 1]))
            yield slice(first, row), source, weights[first:row, source]
            first = row


def _reach(weights: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column of each row and the one after its last."""
    weights.sort_indices()
    first = weights.indices[weights.indptr[:-1]]
    return first, weights.indices[weights.indptr[1:] - 1] + 1


@dataclass(slots=True)
class _Sum:
    values: np.ndarray
    weight: float = 0.0


class Downsizer:
    """Takes planes in z order and hands out those of the smaller volume, still with its axes.

    `reduce` may be called by any thread, `add` in z order by one. Planes that are absent are
    left out of the means; where a box has no other, it is black.
    """

    def __init__(self, shape_zyx: Shape, voxel_um: Triple, to_voxel_um: Triple) -> None:
        """Take voxel sizes (x, y, z) of the source and, along the same axes, of the result."""
        (depth, *plane), (x, y, z), (to_x, to_y, to_z) = shape_zyx, voxel_um, to_voxel_um
        self.reduce = PlaneReducer((plane[0], plane[1]), (y, x), (to_y, to_x))
        along_z = shares(depth, z, to_z)
        self.shape: Shape = (along_z.shape[0], *self.reduce.shape)
        if math.prod(self.shape) > _MOST_ENLARGED * math.prod(shape_zyx):
            raise BadInput(
                f"Voxels of {to_voxel_um} µm are far smaller than those of the planes, {voxel_um} "
                "µm. Correct the voxel sizes, then retry."
            )
        self._last = _reach(along_z)[1] - 1
        self._along_z = along_z.tocsc()
        self._open: dict[int, _Sum] = {}
        self._next = 0

    def add(self, z: int, reduced: np.ndarray | None) -> Iterator[np.ndarray]:
        """Take what `reduce` made of plane `z`, None if it is absent; yield (y, x) uint16."""
        column = slice(self._along_z.indptr[z], self._along_z.indptr[z + 1])
        reached, weights = self._along_z.indices[column], self._along_z.data[column]
        for index, weight in zip(reached.tolist(), weights.tolist(), strict=True):
            total = self._open.setdefault(index, _Sum(np.zeros(self.reduce.shape)))
            if reduced is not None:
                total.values += weight * reduced
                total.weight += weight
        while self._next < self.shape[0] and self._last[self._next] <= z:
            yield _finished(self._open.pop(self._next))
            self._next += 1


def _finished(total: _Sum) -> np.ndarray:
    mean = total.values / total.weight if total.weight > 0 else total.values
    return np.clip(np.floor(mean + 0.5), 0, _BRIGHTEST).astype(np.uint16)


def turned_planes(stored: Path, shape_zyx: Shape, turn: Turn) -> Iterator[np.ndarray]:
    """Yield the planes (y, x) of the turned volume in order; `stored` is its uint16 voxels alone.

    Blocks of a fixed size are read, whichever axis of the source the planes run along.
    """
    axis, count = turn.order[0], shape_zyx[turn.order[0]]
    plane_bytes = 2 * math.prod(shape_zyx) // count
    step = max(1, _BLOCK_BYTES // max(1, plane_bytes))
    for start in range(0, count, step):
        stop = min(start + step, count)
        part = slice(count - stop, count - start) if turn.reversed[0] else slice(start, stop)
        yield from turn.of(_read_part(stored, shape_zyx, axis, part))


def _read_part(stored: Path, shape: Shape, axis: int, part: slice) -> np.ndarray:
    """Read a part along one axis; plane by plane, because a mapped file would stay in memory."""
    size = list(shape)
    size[axis] = part.stop - part.start
    block = np.empty(size, dtype=np.uint16)
    first, last = (part.start, part.stop) if axis == 0 else (0, shape[0])
    inside = [slice(None) if axis == 0 or other != axis else part for other in (1, 2)]
    with stored.open("rb") as stream:
        stream.seek(first * shape[1] * shape[2] * 2)
        for z in range(last - first):
            plane = np.fromfile(stream, np.uint16, shape[1] * shape[2]).reshape(shape[1:])
            block[z] = plane[inside[0], inside[1]]
    return block
