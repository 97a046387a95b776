"""Figures of single planes, (y, x) uint16, and of some planes of a channel together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.contract import Json, JsonDict

BRIGHTEST: Final = 65535
_GREY_LEVELS = 1 << 16
_LEAST_TISSUE = 0.02
_TOWARDS_TISSUE = 0.5  # of the way to Otsu's level, so that tissue in little light is tissue
_PATCH, _PATCHES = 256, 4  # per side
_ROW_NEIGHBORS = 21
_SMALL = 384
# The response of this mask to noise of variance 1 has the variance 36; it is 0 on any slope and on
# any parabola (J. Immerkær, Comput. Vis. Image Underst. 64, 1996).
_NOISE_MASK: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
_NOISE_GAIN = 6.0
_NORMAL_MAD = 1.4826


@dataclass(frozen=True, slots=True)
class PlaneFigures:
    """What one plane says; None where it has too little tissue to tell. `z` is its number."""

    z: int
    background: float
    signal: float | None
    noise: float | None
    sharpness: float | None
    stripes: float | None
    illumination: float | None

    @property
    def signal_to_noise(self) -> float | None:
        if self.signal is None or self.noise is None:
            return None
        return self.signal / max(self.noise, 1.0)


def histogram_of(plane: np.ndarray) -> np.ndarray:
    """Counts of every grey level."""
    return np.bincount(plane.ravel(), minlength=_GREY_LEVELS)


def tissue_level(histogram: np.ndarray) -> float:
    """The grey level between background and tissue (N. Otsu, IEEE Trans. SMC 9, 1979).

    The brightest values are drawn together first, so that a few bright cells are no class. An even
    picture has no tissue: the level is above it.
    """
    total = np.cumsum(histogram)
    top = int(np.searchsorted(total, 0.995 * total[-1])) + 1
    counts = histogram[:top].astype(np.float64)
    levels = np.arange(top)
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    if not np.isfinite(apart).any() or np.nanmax(apart) <= 0:
        return float(top)
    best = np.flatnonzero(apart == np.nanmax(apart[np.isfinite(apart)]))
    between = float(best.mean()) + 0.5
    dark = np.cumsum(counts[: int(between) + 1])
    background = int(np.searchsorted(dark, dark[-1] / 2))
    return background + _TOWARDS_TISSUE * (between - background)


def figures_of_plane(z: int, plane: np.ndarray, level: float) -> PlaneFigures:
    """Measure one plane; `level` is the grey level from which on it is tissue."""
    stride = max(1, math.isqrt(plane.size // 2_000_000))
    thin = plane[::stride, ::stride]
    tissue = thin > level
    dark = thin[~tissue]
    background = float(np.median(dark)) if dark.size else float(thin.min())
    if tissue.mean() < _LEAST_TISSUE:
        return PlaneFigures(z, background, None, None, None, None, None)
    signal = float(np.median(thin[tissue])) - background
    noise, sharpness = _noise_and_sharpness(plane, level, max(signal, 1.0))
    return PlaneFigures(
        z, background, signal, noise, sharpness,
        _stripes(plane, level, background), _illumination(thin, tissue, background),
    )  # fmt: skip


def _noise_and_sharpness(
    plane: np.ndarray, level: float, signal: float
) -> tuple[float | None, float | None]:
    """The noise of tissue, and the strength of what is a few pixels large, over the signal."""
    noises, details = [], []
    for patch in _patches(plane):
        inside = patch > level
        if inside.mean() < 0.5:
            continue
        values = patch.astype(np.float32)
        ripple = ndimage.convolve(values, _NOISE_MASK, mode="nearest")[inside]
        noise = _NORMAL_MAD * float(np.median(np.abs(ripple))) / _NOISE_GAIN
        band = ndimage.gaussian_filter(values, 1) - ndimage.gaussian_filter(values, 3)
        of_noise = noise * _band_gain()
        spread = _NORMAL_MAD * float(np.median(np.abs(band[inside])))
        noises.append(noise)
        details.append(math.sqrt(max(spread**2 - of_noise**2, 0.0)) / signal)
    if not noises:
        return None, None
    return float(np.median(noises)), float(np.median(details))


def _band_gain() -> float:
    """The standard deviation that the band has of noise of 1."""
    point = np.zeros((25, 25))
    point[12, 12] = 1
    band = ndimage.gaussian_filter(point, 1) - ndimage.gaussian_filter(point, 3)
    return float(np.sqrt((band**2).sum()))


def _patches(plane: np.ndarray) -> list[np.ndarray]:
    height, width = plane.shape
    tall, wide = min(_PATCH, height), min(_PATCH, width)
    tops = np.unique(np.linspace(0, height - tall, _PATCHES).astype(int))
    lefts = np.unique(np.linspace(0, width - wide, _PATCHES).astype(int))
    return [plane[top : top + tall, left : left + wide] for top in tops for left in lefts]


def _stripes(plane: np.ndarray, level: float, background: float) -> float | None:
    """How much rows are brighter or darker than the rows around them, relative to the signal.

    Light sheets come along x, so their shadows are rows. A row counts over the columns that are
    tissue in most rows; slow changes from row to row are the sample's.
    """
    stride = max(1, plane.shape[1] // 1024)
    thin = plane[:, ::stride]
    inside = thin > level
    count = inside.sum(axis=1)
    rows = np.flatnonzero(count >= 0.1 * thin.shape[1])
    if len(rows) < _ROW_NEIGHBORS:
        return None
    sums = np.array([thin[row][inside[row]].mean() for row in rows]) - background
    means = np.log(np.maximum(sums, 1.0))
    rest = means - ndimage.median_filter(means, _ROW_NEIGHBORS, mode="nearest")
    return _NORMAL_MAD * float(np.median(np.abs(rest)))


def _illumination(thin: np.ndarray, tissue: np.ndarray, background: float) -> float | None:
    """The brighter half of the tissue over the darker, left against right."""
    middle = thin.shape[1] // 2
    halves = [thin[:, part][tissue[:, part]] for part in (slice(None, middle), slice(middle, None))]
    if min(len(half) for half in halves) < 0.1 * tissue.sum():
        return None
    left, right = (max(float(np.median(half)) - background, 1.0) for half in halves)
    return max(left, right) / min(left, right)


def small(plane: np.ndarray) -> np.ndarray:
    """Every n-th pixel, so that the picture is small enough for a montage."""
    stride = max(1, -(-max(plane.shape) // _SMALL))
    return plane[::stride, ::stride]


def middle_of(
    planes: Sequence[PlaneFigures], of: Callable[[PlaneFigures], float | None]
) -> float | None:
    """The median of a figure over the planes that have it."""
    values = [value for value in map(of, planes) if value is not None]
    return float(np.median(values)) if values else None


def least_sharpness(planes: Sequence[PlaneFigures]) -> float | None:
    """The tenth percentile of sharpness over its median."""
    values = [plane.sharpness for plane in planes if plane.sharpness is not None]
    if len(values) < 3 or np.median(values) <= 0:
        return None
    return float(np.percentile(values, 10) / np.median(values))


def curves(planes: Sequence[PlaneFigures], z_um: float) -> JsonDict:
    """The figures by depth, to be drawn: lists as long as `z`, null where there is none."""

    def line(of: Callable[[PlaneFigures], float | None]) -> list[Json]:
        values = [of(plane) for plane in planes]
        return [None if value is None else round(value, 6) for value in values]

    return {
        "z": [plane.z for plane in planes],
        "z_um": [round((plane.z + 0.5) * z_um, 3) for plane in planes],
        "background": line(lambda plane: plane.background),
        "signal": line(lambda plane: plane.signal),
        "noise": line(lambda plane: plane.noise),
        "signal_to_noise": line(lambda plane: plane.signal_to_noise),
        "sharpness": line(lambda plane: plane.sharpness),
        "stripes": line(lambda plane: plane.stripes),
        "illumination": line(lambda plane: plane.illumination),
    }
