"""Normalized cross-correlation of two overlapping pieces, exact for every shift.

The products come from one FFT, the sums over each overlapping part from integral images, as in
J. P. Lewis, Fast Normalized Cross-Correlation, 1995.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

_DETAIL = 33  # pixels: what is wider than this counts as background
_LEAST_STRUCTURE = 0.5
_LEAST_PIXELS = 32


class Range(NamedTuple):
    """Shifts from `low` to `high`, both included."""

    low: int
    high: int

    def values(self) -> np.ndarray:
        return np.arange(self.low, self.high + 1)


def correlation_map(a: np.ndarray, b: np.ndarray, rows: Range, columns: Range) -> np.ndarray:
    """Return Pearson's correlation of `a` and `b` (y, x) for `b` shifted by each (y, x).

    With a shift (y, x), pixel (0, 0) of `b` lies on pixel (y, x) of `a`. Where nothing overlaps, or
    one side is flat, the correlation is 0.
    """
    a, b = a - a.mean(), b - b.mean()
    ys, xs = rows.values(), columns.values()
    products = _products(a, b, rows, columns)
    top, bottom = np.maximum(0, ys), np.minimum(a.shape[0], b.shape[0] + ys)
    left, right = np.maximum(0, xs), np.minimum(a.shape[1], b.shape[1] + xs)
    bottom, right = np.maximum(top, bottom), np.maximum(left, right)
    in_a = (top, bottom, left, right)
    in_b = (top - ys, bottom - ys, left - xs, right - xs)
    count = np.maximum(1, np.outer(bottom - top, right - left))
    sum_a, sum_b = _sums(a, in_a), _sums(b, in_b)
    spread_a = _sums(a * a, in_a) - sum_a**2 / count
    spread_b = _sums(b * b, in_b) - sum_b**2 / count
    flat = (spread_a <= 1e-9 * count) | (spread_b <= 1e-9 * count) | (count < _LEAST_PIXELS)
    spread = np.where(flat, 1.0, spread_a * spread_b)
    return np.where(flat, 0.0, (products - sum_a * sum_b / count) / np.sqrt(spread))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation of two equal pieces; 0 if one is flat."""
    a, b = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    spread = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum()) / spread**0.5 if spread > 0 else 0.0


def detail(picture: np.ndarray) -> np.ndarray:
    """Return the picture (y, x) with equal noise everywhere and without its background."""
    even = np.sqrt(picture.astype(np.float64))
    return np.asarray(even - ndimage.uniform_filter(even, _DETAIL, mode="nearest"))


def has_structure(details: np.ndarray) -> bool:
    """Is at least half of what varies from pixel to pixel more than noise?

    Noise is alone in each pixel, structure reaches into the next one, so the correlation of
    neighboring pixels is the part of the variance that is structure.
    """
    if min(details.shape) < 2:
        return False
    pairs = ((details[1:], details[:-1]), (details[:, 1:], details[:, :-1]))
    return min(correlation(one, other) for one, other in pairs) >= _LEAST_STRUCTURE


def best_shift(found: np.ndarray, ranges: Sequence[Range]) -> tuple[tuple[int, ...], bool]:
    """Return the shift of the highest correlation, and whether it lies inside the range.

    At the very edge of a range the true shift may lie beyond it; a range of one value has no edge.
    """
    index = np.unravel_index(int(np.argmax(found)), found.shape)
    shift = tuple(int(i) + r.low for i, r in zip(index, ranges, strict=True))
    inside = all(r.low < s < r.high or r.low == r.high for s, r in zip(shift, ranges, strict=True))
    return shift, inside


def _products(a: np.ndarray, b: np.ndarray, rows: Range, columns: Range) -> np.ndarray:
    """The sum of products for each shift; the FFT is as long as these shifts need, no longer."""
    spans = zip((rows, columns), a.shape, b.shape, strict=True)
    size = [fft.next_fast_len(max(n + r.high, m - r.low), real=True) for r, m, n in spans]
    spectrum = fft.rfft2(a, size)
    spectrum *= np.conj(fft.rfft2(b, size))
    whole = fft.irfft2(spectrum, size)
    return np.asarray(whole[np.ix_(rows.values() % size[0], columns.values() % size[1])])


def _sums(
    values: np.ndarray, box: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """The sum over each box (rows top to bottom, columns left to right, ends excluded)."""
    integral = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(np.cumsum(values, axis=0), axis=1, out=integral[1:, 1:])
    top, bottom, left, right = box
    low, high = integral[top], integral[bottom]
    return np.asarray(high[:, right] - low[:, right] - high[:, left] + low[:, left])
