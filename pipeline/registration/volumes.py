"""What is read before a registration: whole volumes, checked, made ready, and in small.

Volumes are numpy (z, y, x), voxel sizes (x, y, z) in µm, positions (x, y, z) in mm from the corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from scipy import ndimage

from pipeline import parameters
from pipeline.errors import BadInput
from pipeline.io.tiff_volume import open_volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.contract import Json

Size: TypeAlias = tuple[float, float, float]

_LEAST_SIDE: Final = 8
_MOST_SATURATED: Final = 0.1
_MOST_SMALL_VOXELS: Final = 4_000_000
_MOST_SAMPLED: Final = 2_000_000
_CEILING_PERCENT: Final = 99.8
_BINS: Final = 256
_NEARLY: Final = 0.02  # so many of a voxel are no reason against blocks
_SIGMA_VOXELS: Final = 0.5
UM_PER_MM: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as it is on the disk."""

    path: Path
    voxels: np.ndarray
    voxel_um: Size

    @property
    def spacing_mm(self) -> Size:
        return in_mm(self.voxel_um)

    @property
    def size_xyz(self) -> tuple[int, int, int]:
        z, y, x = self.voxels.shape
        return x, y, z


@dataclass(frozen=True, slots=True)
class Levels:
    """Intensities of a volume: its background, what is tissue, and what counts as brightest."""

    background: float
    threshold: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class Small:
    """A volume in memory, float32 (z, y, x), of means of blocks of voxels."""

    voxels: np.ndarray
    voxel_um: Size

    @property
    def spacing_mm(self) -> Size:
        return in_mm(self.voxel_um)


def in_mm(voxel_um: Size) -> Size:
    x, y, z = voxel_um
    return x / UM_PER_MM, y / UM_PER_MM, z / UM_PER_MM


def named_size(values: Mapping[str, Json], key: str) -> Size | None:
    """Return the size (x, y, z) in voxels that a spec says, None if it says none."""
    return parameters.triple(values, key) if key in values else None


def require_size(path: Path, voxels: np.ndarray, size: Size | None) -> None:
    """Raise BadInput if the volume has not the size (x, y, z) that the spec says."""
    if size is not None and size != voxels.shape[::-1]:
        there, said = (
            " x ".join(f"{side:g}" for side in xyz) for xyz in (voxels.shape[::-1], size)
        )
        raise BadInput(
            f"{path.name} has {there} voxels, not {said}, as the specification says. Make the "
            "volume again, or correct the specification."
        )


def read_checked(path: Path, voxel_um: Size, *, size: Size | None = None) -> Volume:
    """Map the volume; raise BadInput if it is too small, blank, saturated or no intensities."""
    voxels = open_volume(path)
    require_size(path, voxels, size)
    if voxels.dtype.kind not in "uif":
        raise BadInput(f"{path.name} holds {voxels.dtype}, which are no intensities.")
    if min(voxels.shape) < _LEAST_SIDE:
        z, y, x = voxels.shape
        raise BadInput(
            f"{path.name} has {x} x {y} x {z} voxels; to be registered, a volume needs at least "
            f"{_LEAST_SIDE} along each axis. Choose a smaller voxel size."
        )
    lowest, highest, at_limit = _extremes(voxels)
    if not np.isfinite([lowest, highest]).all():
        raise BadInput(f"{path.name} holds values that are no numbers. Make it anew.")
    if lowest == highest:
        raise BadInput(
            f"{path.name} is blank: every voxel is {lowest:g}. Check which channel it was made "
            "from, and whether its planes are black."
        )
    if at_limit > _MOST_SATURATED * voxels.size:
        raise BadInput(
            f"{path.name} is saturated: {at_limit / voxels.size:.0%} of its voxels have the "
            "highest value there is. Image the channel with less light, or register another one."
        )
    return Volume(path, voxels, voxel_um)


def _extremes(voxels: np.ndarray) -> tuple[float, float, int]:
    """Lowest and highest value, and how many voxels have the largest that their type can hold."""
    limit = np.iinfo(voxels.dtype).max if voxels.dtype.kind in "ui" else np.inf
    lows, highs, at_limit = [], [], 0
    for plane in voxels:
        lows.append(float(plane.min()))
        highs.append(float(plane.max()))
        if highs[-1] >= limit:
            at_limit += int(np.count_nonzero(plane == limit))
    return float(np.min(lows)), float(np.max(highs)), at_limit


def levels_of(voxels: np.ndarray) -> Levels:
    """Find background and tissue by Otsu's threshold (1979) on an even sample of the voxels.

    The threshold is halfway from the background to Otsu's, so that dim tissue is inside. Where all
    is even, nothing is above it.
    """
    step = max(1, round((voxels.size / _MOST_SAMPLED) ** (1 / 3)))
    sample = np.asarray(voxels[::step, ::step, ::step], dtype=np.float32).ravel()
    ceiling = float(np.percentile(sample, _CEILING_PERCENT))
    if ceiling <= sample.min():
        ceiling = float(sample.max())
    if ceiling <= sample.min():
        return Levels(ceiling, ceiling, ceiling + 1e-6)
    otsu = _otsu(np.clip(sample, None, ceiling))
    below = sample[sample <= otsu]
    background = float(np.median(below)) if below.size else float(sample.min())
    return Levels(background, (background + otsu) / 2, max(ceiling, background + 1e-6))


def _otsu(values: np.ndarray) -> float:
    counts, edges = np.histogram(values, bins=_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(np.float64)
    sums = np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(apart))])


def made_ready(volume: Volume, like_um: Size) -> Small:
    """Return what elastix gets: smoothed, without background, clipped, float32 (z, y, x).

    Voxels much smaller than `like_um` are brought together to blocks that are not larger than it,
    because what is finer than the other volume cannot be compared.
    """
    factors = [
        max(1, int(wanted / side + _NEARLY))
        for wanted, side in zip(like_um, volume.voxel_um, strict=True)
    ]
    blocks = (factors[2], factors[1], factors[0])
    if max(blocks) > 1:
        ready = _block_means(volume.voxels, blocks)
    else:
        ready = np.array(volume.voxels, dtype=np.float32)
    levels = levels_of(ready)
    voxel_um = _times(volume.voxel_um, factors)
    sigma_um = _SIGMA_VOXELS * float(np.prod(like_um)) ** (1 / 3)
    sigmas = [sigma_um / side for side in reversed(voxel_um)]
    ndimage.gaussian_filter(ready, sigmas, output=ready, mode="nearest")
    ready -= np.float32(levels.background)
    np.clip(ready, 0, levels.ceiling - levels.background, out=ready)
    return Small(ready, voxel_um)


def in_small(voxels: np.ndarray, voxel_um: Size) -> Small:
    """Return means of blocks, so large that few million remain and that they are near cubes."""
    wanted = max(voxel_um)
    while True:
        factors = [max(1, round(wanted / side)) for side in reversed(voxel_um)]
        if np.prod([-(-n // f) for n, f in zip(voxels.shape, factors, strict=True)]) <= (
            _MOST_SMALL_VOXELS
        ):
            break
        wanted *= 1.1
    z, y, x = (min(f, n) for f, n in zip(factors, voxels.shape, strict=True))
    return Small(_block_means(voxels, (z, y, x)), _times(voxel_um, (x, y, z)))


def _times(voxel_um: Size, factors: Sequence[int]) -> Size:
    x, y, z = (side * factor for side, factor in zip(voxel_um, factors, strict=True))
    return x, y, z


def _block_means(voxels: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """Means (z, y, x) float32; blocks at the far edges are smaller. A slab is in memory."""
    z, y, x = factors
    rows, columns = np.arange(0, voxels.shape[1], y), np.arange(0, voxels.shape[2], x)
    heights = np.diff(np.append(rows, voxels.shape[1]))
    widths = np.diff(np.append(columns, voxels.shape[2]))
    planes = []
    for start in range(0, voxels.shape[0], z):
        slab = voxels[start : start + z].mean(axis=0, dtype=np.float64)
        sums = np.add.reduceat(np.add.reduceat(slab, rows, axis=0), columns, axis=1)
        planes.append((sums / heights[:, None] / widths[None, :]).astype(np.float32))
    return np.stack(planes)


def tissue_mask(small: np.ndarray) -> np.ndarray:
    """Return where the tissue is, bool (z, y, x): its largest part, with holes filled.

    Above a threshold by `levels_of` after smoothing by one voxel. Empty if nothing is.
    """
    smooth = ndimage.gaussian_filter(small, 1.0, mode="nearest")
    inside = ndimage.binary_fill_holes(smooth > levels_of(smooth).threshold)
    parts, count = ndimage.label(inside)
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        inside = parts == int(sizes.argmax())
    return np.asarray(inside, dtype=bool)


def center_mm(mask: np.ndarray, voxel_um: Size) -> np.ndarray:
    """Return the center of mass of a mask, (x, y, z) in mm; that of the volume if it is empty."""
    if not mask.any():
        middle = np.array(mask.shape[::-1]) / 2
    else:
        middle = np.array(ndimage.center_of_mass(mask))[::-1] + 0.5
    return np.asarray(middle * np.array(voxel_um) / UM_PER_MM)
