"""One picture that shows whether a registration is right: template red, result green."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import imagecodecs
import numpy as np

from pipeline.registration.volumes import levels_of

if TYPE_CHECKING:
    from pipeline.registration.volumes import Size, Small

_HEIGHT: Final = 320
_GAP: Final = 6
_GAMMA: Final = 0.7


def overlay(fixed: Small, result: Small, center_mm: np.ndarray) -> bytes:
    """Return a PNG of the three planes through `center_mm` (x, y, z), side by side.

    Where both agree it is yellow; what only the template has is red, only the result green.
    """
    at = [
        min(max(int(mm * 1000 / side), 0), count - 1)
        for mm, side, count in zip(
            center_mm, fixed.voxel_um, reversed(fixed.voxels.shape), strict=True
        )
    ]
    grey = [_grey(fixed.voxels), _grey(result.voxels)]
    views = [_view(grey, fixed.voxel_um, axis, at[2 - axis]) for axis in range(3)]
    gap = np.zeros((_HEIGHT, _GAP, 3), dtype=np.uint8)
    row = np.concatenate([views[0], gap, views[1], gap, views[2]], axis=1)
    return bytes(imagecodecs.png_encode(row))


def _grey(voxels: np.ndarray) -> np.ndarray:
    levels = levels_of(voxels)
    light = (voxels - levels.background) / (levels.ceiling - levels.background)
    return np.asarray(np.rint(255 * np.clip(light, 0, 1) ** _GAMMA), dtype=np.uint8)


def _view(grey: list[np.ndarray], voxel_um: Size, axis: int, index: int) -> np.ndarray:
    """Return one plane across a numpy axis as colors, scaled to the common height."""
    red, green = (volume.take(index, axis=axis) for volume in grey)
    tall, wide = [side for number, side in enumerate(reversed(voxel_um)) if number != axis]
    rows = _picked(red.shape[0], _HEIGHT)
    width = max(1, round(_HEIGHT * red.shape[1] * wide / (red.shape[0] * tall)))
    columns = _picked(red.shape[1], min(width, 4 * _HEIGHT))
    colors = np.stack([red, green, np.zeros_like(red)], axis=-1)
    return np.asarray(colors[rows][:, columns])


def _picked(count: int, wanted: int) -> np.ndarray:
    return (np.arange(wanted) + 0.5).astype(int) * count // wanted
