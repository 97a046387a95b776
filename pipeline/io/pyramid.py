"""The exact image pyramid: sums are carried up and divided once, so no rounding ever piles up.

Volumes are numpy (z, y, x); factors and sizes of a scale are (x, y, z), as in the info file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.io.grid import Triple

# An axis is halved while its voxel is at most sqrt(2) of the smallest: halving then makes voxels
# more nearly equal, never less.
_NEARLY_EQUAL = math.sqrt(2)
_SUM_LIMIT = 1 << 16  # voxels of 16 bits whose sum still fits 32 bits


@dataclass(frozen=True, slots=True)
class Scale:
    """One mip: `size` in voxels, `step` = the halving from the mip before (1 or 2 per axis)."""

    size: Triple
    step: Triple
    factor: Triple
    resolution_nm: Triple

    @property
    def key(self) -> str:
        return "_".join(str(value) for value in self.resolution_nm)


def plan_scales(size: Triple, voxel_nm: Triple, *, mips: int, chunk: Triple) -> list[Scale]:
    """Mip 0 and at most `mips` further ones; ends once a whole mip fits in one chunk."""
    scales = [Scale(size, (1, 1, 1), (1, 1, 1), voxel_nm)]
    while len(scales) <= mips:
        last = scales[-1]
        if all(n <= c for n, c in zip(last.size, chunk, strict=True)):
            break
        scales.append(_halved(last, choose_step(last.size, last.resolution_nm)))
    return scales


def choose_step(size: Triple, voxel_nm: Sequence[int]) -> Triple:
    """Which axes to halve next: those whose voxels are about as small as the smallest."""
    divisible = [n > 1 for n in size]
    smallest = min(nm for nm, can in zip(voxel_nm, divisible, strict=True) if can)
    x, y, z = (
        2 if can and nm <= smallest * _NEARLY_EQUAL else 1
        for nm, can in zip(voxel_nm, divisible, strict=True)
    )
    return x, y, z


def _halved(scale: Scale, step: Triple) -> Scale:
    def each(values: Triple) -> Triple:
        return values[0] * step[0], values[1] * step[1], values[2] * step[2]

    x, y, z = (-(-n // s) for n, s in zip(scale.size, step, strict=True))
    return Scale((x, y, z), step, each(scale.factor), each(scale.resolution_nm))


def pair_sums(values: np.ndarray, axis: int) -> np.ndarray:
    """Add neighbors along `axis` of an array of sums; an odd last one stays alone."""
    count = values.shape[axis]
    front = [slice(None)] * values.ndim
    back = list(front)
    front[axis], back[axis] = slice(0, count, 2), slice(1, count, 2)
    first, second = values[tuple(front)], values[tuple(back)]
    if count % 2 == 0:
        return np.asarray(first + second)
    out = first.copy()
    inner = [slice(None)] * values.ndim
    inner[axis] = slice(0, count // 2)
    out[tuple(inner)] += second
    return out


def next_sums(sums: np.ndarray, step: Triple, voxels_per_sum: int) -> np.ndarray:
    """Sums (z, y, x) of the next mip; widened to 64 bits before they could overflow."""
    if voxels_per_sum * math.prod(step) > _SUM_LIMIT and sums.dtype != np.uint64:
        sums = sums.astype(np.uint64)
    for axis, factor in ((2, step[0]), (1, step[1]), (0, step[2])):
        if factor == 2:
            sums = pair_sums(sums, axis)
    return sums


class RowSums:
    """Sums of mip 1 from planes that arrive one by one, for one strip of rows.

    Works on pairs of 16-bit pixels seen as one 32-bit word, which is several times faster than
    converting first. Scratch memory is kept for the next plane.
    """

    def __init__(self, width: int, step: Triple) -> None:
        self._width = width
        self._step = step
        self._scratch: dict[tuple[str, int], np.ndarray] = {}

    def plane_sums(self, rows: np.ndarray) -> np.ndarray:
        """Sum the (y, x) uint16 `rows` over the step in x and y; the result is scratch memory."""
        sums = self._along_x(rows) if self._step[0] == 2 else rows.astype(np.uint32)
        return self._along_y(sums) if self._step[1] == 2 else sums

    def _along_x(self, rows: np.ndarray) -> np.ndarray:
        words = self._as_words(rows)
        low = self._memory("low", words.shape)
        high = self._memory("high", words.shape)
        np.bitwise_and(words, np.uint32(0xFFFF), out=low)
        np.right_shift(words, np.uint32(16), out=high)
        np.add(low, high, out=low)
        return low

    def _along_y(self, sums: np.ndarray) -> np.ndarray:
        if sums.shape[0] % 2:
            return pair_sums(sums, 0)
        out = self._memory("rows", (sums.shape[0] // 2, sums.shape[1]))
        np.add(sums[0::2], sums[1::2], out=out)
        return out

    def _as_words(self, rows: np.ndarray) -> np.ndarray:
        if self._width % 2 == 0 and rows.flags.c_contiguous:
            return rows.view(np.uint32)
        padded = np.zeros((rows.shape[0], self._width + self._width % 2), dtype="<u2")
        padded[:, : self._width] = rows
        return padded.view(np.uint32)

    def _memory(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        found = self._scratch.get((name, shape[0]))
        if found is None:
            found = self._scratch[name, shape[0]] = np.empty(shape, dtype=np.uint32)
        return found


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many voxels of mip 0 each position of a block covers, per axis (z, y, x).

    That is `factor` everywhere but perhaps at the last position of the volume.
    """

    factor: Triple
    counts: tuple[np.ndarray, np.ndarray, np.ndarray]


def divide(sums: np.ndarray, covered: Coverage) -> np.ndarray:
    """Round sums (z, y, x) to means as uint16, half up, by the true number of voxels in each."""
    number = math.prod(covered.factor)
    shift = sums.dtype.type(number.bit_length() - 1)
    means = np.add(sums, sums.dtype.type(number >> 1))
    np.right_shift(means, shift, out=means)
    result: np.ndarray = means.astype(np.uint16)
    for axis in range(3):
        if covered.counts[axis][-1] != covered.factor[axis]:
            _divide_edge(result, sums, covered, axis)
    return result


def _divide_edge(result: np.ndarray, sums: np.ndarray, covered: Coverage, axis: int) -> None:
    """Only the last position of an axis can be short; its divisor is no power of two."""
    edge: list[slice] = [slice(None)] * 3
    edge[axis] = slice(-1, None)
    z, y, x = (part[span] for part, span in zip(covered.counts, edge, strict=True))
    number = z[:, None, None] * y[None, :, None] * x[None, None, :]
    twice = sums[tuple(edge)].astype(np.uint64) * np.uint64(2)
    result[tuple(edge)] = (twice + number) // (number * np.uint64(2))


def coverage(full: Scale, scale: Scale, starts: Triple, shape: tuple[int, ...]) -> Coverage:
    """Coverage of the block (z, y, x) of `scale` with this shape that begins at `starts`."""
    factor, size = scale.factor[::-1], full.size[::-1]
    z, y, x = (_axis_coverage(*axis) for axis in zip(size, factor, starts, shape, strict=True))
    return Coverage(factor, (z, y, x))


def _axis_coverage(size: int, factor: int, start: int, count: int) -> np.ndarray:
    first = np.arange(start, start + count, dtype=np.int64) * factor
    return (np.minimum(first + factor, size) - first).astype(np.uint64)
