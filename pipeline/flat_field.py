"""The uneven light of a plane: read from a file or estimated from the planes, and divided out.

The estimate: planes sampled evenly along z are reduced to some hundred boxes a side, the median of
each box over the planes is taken, so that bright structures in a few planes do not count, and the
result is smoothed by a Gaussian of an eighth of the plane. It cannot tell light that is uneven
from a sample that is brighter at the same place in nearly all planes; a measured image can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from scipy import ndimage

from pipeline.contract import Problem
from pipeline.downsizing import PlaneReducer, shares
from pipeline.errors import BadInput
from pipeline.plane_stream import in_order, read_plane, sampled

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.io.tiff import PlaneStack

_ROWS = 128
_BRIGHTEST = 65535
_SAMPLED_PLANES = 48
_BOXES = 96
_SMOOTH = 8  # the Gaussian's sigma is a plane's side by this
_LEAST_ESTIMATE = 0.1  # no place is made more than ten times as bright by an estimate
_MEASURE_AGAIN = "Measure the flat-field image again, or correct without one, then retry."


def read_flat(path: Path, shape_yx: tuple[int, int]) -> np.ndarray:
    """Return the flat-field image (y, x) float32, divided by its maximum.

    Raises BadInput for what is no TIFF of the planes' size, or has a pixel that is not above 0.
    """
    try:
        flat: np.ndarray = np.asarray(tifffile.imread(path, is_ome=False))
    except OSError as error:
        raise _unfit(path, f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # decoders raise whatever their library does
        raise _unfit(path, f"cannot be decoded: {error}") from error
    if flat.shape != shape_yx:
        size = " x ".join(f"{side:,}" for side in flat.shape[::-1])
        wanted = f"{shape_yx[1]:,} x {shape_yx[0]:,}"
        raise _unfit(path, f"has {size} pixels, the planes have {wanted}")
    if flat.dtype.kind not in "uif":
        raise _unfit(path, f"holds {flat.dtype}, not grey values")
    values = flat.astype(np.float64)
    unfit = int(np.count_nonzero(~(np.isfinite(values) & (values > 0))))
    if unfit:
        raise _unfit(path, f"has {unfit:,} pixels that are not above 0, so nothing can be divided")
    values /= values.max()
    return values.astype(np.float32)


def _unfit(path: Path, why: str) -> BadInput:
    what = f"The flat-field image {path.name} {why}."
    return BadInput(f"{what} {_MEASURE_AGAIN}", [Problem(path.name, what, _MEASURE_AGAIN)])


def estimate_flat(stack: PlaneStack, *, dark: float, threads: int) -> np.ndarray:
    """Return the light (y, x) float32 estimated from the planes, at most 1 and at least a tenth.

    Raises BadInput where the planes are black.
    """
    depth, height, width = stack.shape
    boxes = (min(_BOXES, height), min(_BOXES, width))
    reduce = PlaneReducer((height, width), (1, 1), (height / boxes[0], width / boxes[1]))
    chosen = sampled([z for z in range(depth) if stack.paths[z]], most=_SAMPLED_PLANES)

    def small(index: int) -> np.ndarray:
        plane = read_plane(stack, chosen[index])
        assert plane is not None
        return reduce(plane)

    medians = np.median(list(in_order(len(chosen), small, threads=threads)), axis=0) - dark
    sigma = [side / _SMOOTH for side in medians.shape]
    light = ndimage.gaussian_filter(medians, sigma, mode="nearest")
    if light.max() <= 0:
        raise BadInput(
            "The planes are black, so no flat field can be estimated. Give a flat-field image, or "
            "correct without one, then retry."
        )
    light = np.clip(light / light.max(), _LEAST_ESTIMATE, 1)
    along_y = shares(light.shape[0], height / light.shape[0], 1).astype(np.float32)
    along_x = shares(light.shape[1], width / light.shape[1], 1).astype(np.float32)
    return np.ascontiguousarray((along_x @ (along_y @ light.astype(np.float32)).T).T)


@dataclass(frozen=True, slots=True)
class Flattener:
    """(plane - dark) / flat, rounded and clipped. Threads may share it."""

    flat: np.ndarray | None  # (y, x) float32
    dark: float

    def __call__(self, plane: np.ndarray) -> np.ndarray:
        """Return the corrected plane (y, x) uint16."""
        if self.flat is None and self.dark == 0:
            return plane
        result = np.empty_like(plane)
        for start in range(0, len(plane), _ROWS):
            rows = slice(start, start + _ROWS)
            values = plane[rows].astype(np.float32)
            values -= np.float32(self.dark)
            if self.flat is not None:
                values /= self.flat[rows]
            values += 0.5
            np.clip(values, 0, _BRIGHTEST, out=values)
            result[rows] = values
        return result
