"""Stripes along the rows (x) of a plane removed by the wavelet-FFT filter of Münch et al. (2009).

Münch B., Trtik P., Marone F., Stampanoni M.: Stripe and ring artifact removal with combined
wavelet-Fourier filtering, Optics Express 17, 8567-8591 (2009). The logarithm of 1 + plane is taken
apart by wavelets; in the horizontal details of level l (high along y, low along x) the frequency k
along x is damped by 1 - exp(-k²/2s²), s = sigma · rows of the level / rows; the rest is kept.

What the filter takes away is computed here, not what it keeps: bands of the lowest frequencies
along x. Along x the wavelet's low-pass and the damping are both products in Fourier space, so x is
transformed once, wavelets run along y only, and only the frequencies that are damped at all are
carried: exp(-k²/2s²) ends at five s. Aliasing of the wavelet along x, which the damping all but
removes, is left out. Planes (y, x) uint16; intensities are rounded and clipped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pywt
import scipy.fft
from scipy import sparse

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = 64  # at a time, so that a block stays in the cache
_GREY_LEVELS = 1 << 16
_BRIGHTEST = _GREY_LEVELS - 1
_REACH = 5.0  # in units of s; beyond, the damping is below 4e-6
_SMOOTHING: Final = (
    0.39905,
    0.24204,
    0.05401,
    0.00443,
)  # a Gaussian, sigma 1 pixel, from its middle
_OTSU_STEP = 2
_LOGARITHMS: Final = np.log1p(np.arange(_GREY_LEVELS)).astype(np.float32)


class Destriper:
    """Removes stripes along x from planes of one size. Threads may share it.

    `sigma` is (foreground, background) in rows: a larger one damps more frequencies and takes more
    structure with the stripes; 0 leaves that part as it is. Where they differ, a plane is split at
    Otsu's threshold and both results are mixed by a sigmoid of width `crossover` counts around it.
    `level` 0 is the deepest that the plane allows.
    """

    def __init__(
        self,
        shape_yx: tuple[int, int],
        sigma: tuple[float, float],
        *,
        wavelet: str = "db3",
        level: int = 0,
        crossover: float = 10.0,
    ) -> None:
        if wavelet not in pywt.wavelist(kind="discrete"):
            raise BadInput(f"There is no discrete wavelet {wavelet!r}. db3 is the usual one.")
        if crossover <= 0:
            raise BadInput("crossover must be more than 0.")
        self._crossover = crossover
        self._sigma = sigma
        kind = pywt.Wavelet(wavelet)
        self._bands = {
            one: _Band(shape_yx, one, kind, level) for one in sorted(set(sigma)) if one > 0
        }

    def __call__(self, plane: np.ndarray) -> np.ndarray:
        """Return the plane without stripes."""
        foreground, background = self._sigma
        if not self._bands:
            return plane
        if foreground == background:
            return self._one_band(plane)
        return self._two_bands(plane)

    def _one_band(self, plane: np.ndarray) -> np.ndarray:
        band = self._bands[self._sigma[0]]
        spectrum = band.stripes(plane, _LOGARITHMS)
        result = np.empty_like(plane)
        for rows in _blocks(plane):
            result[rows] = _rounded(band.corrected(plane[rows], spectrum[rows]))
        return result

    def _two_bands(self, plane: np.ndarray) -> np.ndarray:
        threshold = otsu_threshold(plane)
        bright, dark = _LOGARITHMS.copy(), _LOGARITHMS.copy()
        bright[:threshold] = bright[threshold]
        dark[threshold:] = dark[threshold]
        above = self._spectrum(self._sigma[0], plane, bright)
        below = self._spectrum(self._sigma[1], plane, dark)
        distance = (np.arange(_GREY_LEVELS) - threshold) / self._crossover
        foreground = (0.5 * (1 + np.tanh(distance / 2))).astype(np.float32)
        result = np.empty_like(plane)
        for rows in _blocks(plane):
            high = self._part(self._sigma[0], np.maximum(plane[rows], threshold), above, rows)
            low = self._part(self._sigma[1], np.minimum(plane[rows], threshold), below, rows)
            high -= low
            high *= _smoothed(foreground, plane, rows)
            high += low
            result[rows] = _rounded(high)
        return result

    def _spectrum(self, sigma: float, plane: np.ndarray, table: np.ndarray) -> np.ndarray | None:
        return self._bands[sigma].stripes(plane, table) if sigma > 0 else None

    def _part(
        self, sigma: float, pixels: np.ndarray, spectrum: np.ndarray | None, rows: slice
    ) -> np.ndarray:
        if spectrum is None:
            return pixels.astype(np.float32)
        return self._bands[sigma].corrected(pixels, spectrum[rows])


class _Band:
    """The filter for one sigma and one size of planes."""

    def __init__(
        self, shape_yx: tuple[int, int], sigma: float, wavelet: pywt.Wavelet, level: int
    ) -> None:
        height, self._width = shape_yx
        self._padded: int = scipy.fft.next_fast_len(self._width, real=True)
        deepest = pywt.dwt_max_level(min(shape_yx), wavelet.dec_len)
        levels = min(level, deepest) if level else deepest
        self._damped = _damping(self._padded, self._width, sigma, wavelet, levels)
        self._bins = max((len(values) // 2 for values in self._damped), default=1)
        self._steps = list(_wavelet_steps(height, wavelet, levels))

    def stripes(self, plane: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Return minus the stripes of table[plane]: (y, k) complex64, the lowest frequencies."""
        spectrum = np.empty((len(plane), self._bins), dtype=np.complex64)
        logarithms = np.empty((_ROWS, self._padded), dtype=np.float32)
        for rows in _blocks(plane):
            block = logarithms[: len(plane[rows])]
            np.take(table, plane[rows], out=block[:, : self._width], mode="clip")
            self._mirror(block)
            spectrum[rows] = scipy.fft.rfft(block, axis=1, workers=1)[:, : self._bins]
        return self._filtered(spectrum.view(np.float32)).view(np.complex64)

    def _mirror(self, block: np.ndarray) -> None:
        """Fill the columns that only make the length one that is fast to transform."""
        beyond = self._padded - self._width
        if beyond:
            block[:, self._width :] = block[:, self._width - beyond : self._width][:, ::-1]

    def _filtered(self, values: np.ndarray) -> np.ndarray:
        """Take `values` (y, real and imaginary parts of k) apart along y, damp, put together."""
        details = []
        low = values
        for (apart, _, _), damped in zip(self._steps, self._damped, strict=True):
            both = apart @ np.ascontiguousarray(low[:, : len(damped)])
            low, high = both[: len(both) // 2], both[len(both) // 2 :]
            high *= damped
            details.append(high)
        result = np.zeros((0, 0), dtype=np.float32)
        for (_, from_low, from_high), high in zip(self._steps[::-1], details[::-1], strict=True):
            below, result = result, from_high @ high
            if below.size:
                result[:, : below.shape[1]] += from_low @ below[: from_low.shape[1]]
        return result if details else np.zeros_like(values)

    def corrected(self, pixels: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
        """Return rows (y, x) uint16 without their stripes, as float32."""
        factor: np.ndarray = scipy.fft.irfft(spectrum, n=self._padded, axis=1, workers=1)
        factor = factor[:, : self._width]
        np.exp(factor, out=factor)
        raised = pixels.astype(np.float32)
        raised += 1
        raised *= factor
        raised -= 1
        return raised


def _damping(
    padded: int, width: int, sigma: float, wavelet: pywt.Wavelet, levels: int
) -> list[np.ndarray]:
    """Return for each level minus the share of each frequency that is taken away, (2k,) float32.

    Every share stands twice, for the real and the imaginary part.
    """
    shares = []
    most = padded // 2 + 1
    for level in range(1, levels + 1):
        s = sigma / 2**level * padded / width
        k = np.arange(min(most, math.ceil(_REACH * s) + 1))
        most = len(k)
        share = np.exp(-(k**2) / (2 * s * s))
        for step in range(level):
            share *= _low_response(wavelet, 2 * np.pi * k / padded * 2**step)
        shares.append(np.repeat(-share, 2).astype(np.float32))
    return shares


def _low_response(wavelet: pywt.Wavelet, omega: np.ndarray) -> np.ndarray:
    """Return what the low-pass, taken apart and put together once, leaves of a frequency."""
    taps = np.arange(wavelet.dec_len)
    waves = np.exp(-1j * omega[:, None] * taps)
    response: np.ndarray = np.abs((waves @ wavelet.dec_lo) * (waves @ wavelet.rec_lo)) / 2
    return response


def _wavelet_steps(
    rows: int, wavelet: pywt.Wavelet, levels: int
) -> Iterator[tuple[sparse.csr_matrix, sparse.csr_matrix, sparse.csr_matrix]]:
    """Yield per level: low over high from rows; rows from low; rows from high."""
    for _ in range(levels):
        low, high = (_apart(rows, taps) for taps in (wavelet.dec_lo, wavelet.dec_hi))
        from_low, from_high = (_together(rows, taps) for taps in (wavelet.rec_lo, wavelet.rec_hi))
        yield sparse.vstack([low, high]).tocsr(), from_low, from_high
        rows = low.shape[0]


def _apart(rows: int, taps: list[float]) -> sparse.csr_matrix:
    """One filter and every second of its results, the rows continued by their mirror image."""
    length = (rows + len(taps) - 1) // 2
    into, tap = np.divmod(np.arange(length * len(taps)), len(taps))
    out_of = _mirrored(2 * into + 1 - tap, rows)
    values = np.asarray(taps, dtype=np.float32)[tap]
    return sparse.csr_matrix((values, (into, out_of)), shape=(length, rows))


def _together(rows: int, taps: list[float]) -> sparse.csr_matrix:
    """The inverse of `_apart` for one of both filters; the sum of both is the rows."""
    length = (rows + len(taps) - 1) // 2
    into, tap = np.divmod(np.arange(rows * len(taps)), len(taps))
    out_of, odd = np.divmod(into + len(taps) - 2 - tap, 2)
    there = (odd == 0) & (out_of >= 0) & (out_of < length)
    values = np.asarray(taps, dtype=np.float32)[tap[there]]
    return sparse.csr_matrix((values, (into[there], out_of[there])), shape=(rows, length))


def _mirrored(index: np.ndarray, count: int) -> np.ndarray:
    """Return where an index beyond 0 to `count` lands if the values go on as their mirror image."""
    within = index % (2 * count)
    return np.where(within >= count, 2 * count - 1 - within, within)


def _smoothed(table: np.ndarray, plane: np.ndarray, rows: slice) -> np.ndarray:
    """Return some rows of table[plane] (y, x) float32, smoothed by a Gaussian."""
    reach = len(_SMOOTHING) - 1
    near = plane[_mirrored(np.arange(rows.start - reach, rows.stop + reach), len(plane))]
    values = _along_rows(np.take(table, near, mode="clip"))
    columns = _mirrored(np.arange(-reach, plane.shape[1] + reach), plane.shape[1])
    wide = np.empty((len(values), len(columns)), dtype=np.float32)
    wide[:, reach:-reach] = values
    wide[:, :reach], wide[:, -reach:] = values[:, columns[:reach]], values[:, columns[-reach:]]
    return _along_rows(wide.T).T


def _along_rows(values: np.ndarray) -> np.ndarray:
    """Smooth along axis 0; the result is shorter by what the Gaussian reaches on both sides."""
    reach = len(_SMOOTHING) - 1
    count = len(values) - 2 * reach
    result = values[reach : reach + count] * np.float32(_SMOOTHING[0])
    for step, weight in enumerate(_SMOOTHING[1:], start=1):
        pair = values[reach - step : reach - step + count] + values[reach + step :][:count]
        pair *= np.float32(weight)
        result += pair
    return result


def otsu_threshold(plane: np.ndarray) -> int:
    """Return the grey level that parts the plane's histogram best (Otsu 1979), from 1.

    Every second pixel along x and y is looked at.
    """
    counts = np.bincount(plane[::_OTSU_STEP, ::_OTSU_STEP].ravel(), minlength=_GREY_LEVELS)
    below = np.cumsum(counts)
    sums = np.cumsum(counts * np.arange(_GREY_LEVELS))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / below - (sums[-1] - sums) / above
        between = np.nan_to_num(below * above * apart**2)
    return min(int(np.argmax(between)) + 1, _BRIGHTEST)


def _blocks(plane: np.ndarray) -> Iterator[slice]:
    for start in range(0, len(plane), _ROWS):
        yield slice(start, min(start + _ROWS, len(plane)))


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round half up, clip, and return uint16; float32 `values` are used up."""
    values += 0.5
    np.clip(values, 0, _BRIGHTEST, out=values)
    return values.astype(np.uint16)
