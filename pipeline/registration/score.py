"""How good a registration is: figures from its result, and what its transform does to space."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from pipeline.registration import transforms
from pipeline.registration.volumes import UM_PER_MM, in_small, levels_of, tissue_mask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.contract import JsonDict
    from pipeline.registration.volumes import Size, Small

_BINS: Final = 32
_AROUND: Final = 3  # voxels
_MOST_FOLDED: Final = 0.01
_VOLUME_CHANGE: Final = (0.2, 5.0)
_STRETCH: Final = (0.4, 2.5)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How two volumes on one grid agree: `correlation` inside the tissue of the first.

    `mutual_information` is in bits, there and just around; `dice` compares the masks of tissue.
    """

    correlation: float
    mutual_information: float
    dice: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the transform does: volume ratio and stretches of its affine part, folds of its spline.

    `folded` is the fraction of the brain where space is turned inside out.
    """

    volume_ratio: float
    least_stretch: float
    most_stretch: float
    folded: float = 0.0
    least_determinant: float = 1.0

    def fault(self) -> str:
        """Say what no brain can do; empty if nothing."""
        if not _VOLUME_CHANGE[0] <= self.volume_ratio <= _VOLUME_CHANGE[1]:
            return f"it changes volumes by {self.volume_ratio:.3g}"
        if self.least_stretch < _STRETCH[0] or self.most_stretch > _STRETCH[1]:
            return f"it stretches by {self.least_stretch:.2g} to {self.most_stretch:.2g}"
        if self.folded > _MOST_FOLDED:
            return f"{self.folded:.1%} of the brain is folded"
        return ""


def likeness(fixed: np.ndarray, result: np.ndarray, voxel_um: Size) -> tuple[Likeness, Small]:
    """Compare two volumes (z, y, x) on one grid, in small; return also the small fixed one.

    Both are smoothed by one voxel of the small volumes and clipped at their brightest 0.2 %.
    """
    small = in_small(fixed, voxel_um)
    other = in_small(result, voxel_um)
    masks = tissue_mask(small.voxels), tissue_mask(other.voxels)
    a, b = (_smooth(item.voxels) for item in (small, other))
    around = ndimage.binary_dilation(masks[0], iterations=_AROUND)
    return (
        Likeness(
            correlation=_correlation(a[masks[0]], b[masks[0]]),
            mutual_information=_information(a[around], b[around]),
            dice=dice(*masks),
        ),
        small,
    )


def _smooth(voxels: np.ndarray) -> np.ndarray:
    smooth = ndimage.gaussian_filter(voxels, 1.0, mode="nearest")
    return np.asarray(np.minimum(smooth, levels_of(smooth).ceiling))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _information(a: np.ndarray, b: np.ndarray) -> float:
    if a.size == 0:
        return 0.0
    joint = np.histogram2d(a, b, bins=_BINS)[0] / a.size
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log2(joint[there] / apart[there])).sum())


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return how much two masks overlap, 0 to 1."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 0.0


def geometry(files: Sequence[Path], small_fixed: Small) -> Geometry:
    """Look at an affine transform file and the B-spline after it, if there is one."""
    affine = transforms.affine_of(transforms.read_transform(files[0]))
    ratio = float(np.linalg.det(affine.matrix))
    stretches = np.linalg.svd(affine.matrix, compute_uv=False)
    found = Geometry(ratio, float(stretches.min()), float(stretches.max()))
    if len(files) == 1 or found.fault():
        return found
    spline = transforms.spline_of(transforms.read_transform(files[1]))
    points, determinants = spline.determinants()
    inside = _inside(affine.back(points), tissue_mask(small_fixed.voxels), small_fixed.voxel_um)
    if not inside.any():
        return found
    within = determinants[inside]
    return Geometry(
        found.volume_ratio, found.least_stretch, found.most_stretch,
        folded=float((within <= 0).mean()), least_determinant=float(within.min()),
    )  # fmt: skip


def _inside(points_mm: np.ndarray, mask: np.ndarray, voxel_um: Size) -> np.ndarray:
    """Return which positions (x, y, z) lie in the mask."""
    at = np.floor(points_mm * UM_PER_MM / np.array(voxel_um)).astype(int)[:, ::-1]
    on = ((at >= 0) & (at < mask.shape)).all(axis=1)
    at = np.where(on[:, None], at, 0)
    return np.asarray(on & mask[at[:, 0], at[:, 1], at[:, 2]])


def as_json(found: Likeness, shape: Geometry, **more: object) -> str:
    return json.dumps({**summary(found, shape), **more}, indent=1, sort_keys=True)


def summary(found: Likeness, shape: Geometry) -> JsonDict:
    """The figures by name, rounded; `score` is the correlation."""
    values = {"score": found.correlation, **asdict(found), **asdict(shape)}
    return {name: round(float(value), 6) for name, value in values.items()}
