"""Whole volumes (z, y, x) in one TIFF, uncompressed, read and written plane by plane."""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import tifffile

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Shape: TypeAlias = tuple[int, int, int]

_STATED_PLANES = re.compile(r"ImageJ=[^\n]*\nimages=(\d+)\n")
_UM_PER_CM = 10_000.0
_CLASSIC_LIMIT = 3_900_000_000  # a TIFF of 4 GiB needs 64-bit offsets


class _Stream(io.BufferedWriter):
    """A file without a descriptor, so that numpy cannot write past it.

    numpy does not say why it could not write: a full disk would be an error without a number.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def write_volume(
    path: Path,
    planes: Iterable[np.ndarray],
    *,
    shape_zyx: Shape,
    dtype: np.dtype | type,
    voxel_um: tuple[float, float, float],
) -> int:
    """Write planes (y, x) in z order and return the bytes; on the disk when this returns.

    The voxel size (x, y, z) in µm is in the resolution tags and, for ImageJ and Fiji, in the
    description.
    """
    kind = np.dtype(dtype)
    size = int(np.prod(shape_zyx)) * kind.itemsize
    x, y, z = voxel_um
    with io.FileIO(path, "w") as file, _Stream(file) as stream:
        tifffile.imwrite(
            stream, _checked(planes, shape_zyx, kind), shape=shape_zyx, dtype=kind,
            bigtiff=size > _CLASSIC_LIMIT, photometric="minisblack", metadata=None, software="",
            resolution=(_UM_PER_CM / x, _UM_PER_CM / y), resolutionunit="CENTIMETER",
            description=_for_imagej(shape_zyx[0], z), contiguous=True,
        )  # fmt: skip
        stream.flush()
        os.fsync(file.fileno())
        return stream.tell()


def open_volume(path: Path) -> np.ndarray:
    """Return the volume (z, y, x) as a read-only view of the file; BadInput if it is none."""
    try:
        volume: np.ndarray = tifffile.memmap(path, mode="r")
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror or error}.") from error
    except Exception:  # it is compressed, or damaged in one of many ways
        volume = _decoded(path)
    if volume.ndim == 2:
        volume = volume[None]
    if volume.ndim != 3:
        raise BadInput(f"{path.name} has {volume.ndim} dimensions; a volume has 3.")
    _require_whole(path, len(volume))
    return volume


def _require_whole(path: Path, planes: int) -> None:
    """Refuse a file that was cut short: what is left of it can look like a smaller volume."""
    try:
        with tifffile.TiffFile(path, is_ome=False) as tiff:
            stated = _STATED_PLANES.match(tiff.pages.first.description)
    except Exception as error:  # what reads as an array can still have damaged tags
        raise BadInput(f"{path.name} cannot be read: {error}.") from error
    if stated and planes < int(stated[1]):
        raise BadInput(f"{path.name} was cut short: {planes:,} of {int(stated[1]):,} planes.")


def _decoded(path: Path) -> np.ndarray:
    """Return a volume that is compressed, so that it cannot be mapped."""
    try:
        return np.asarray(tifffile.imread(path, is_ome=False))
    except Exception as error:  # decoders raise whatever their library does
        raise BadInput(f"{path.name} cannot be decoded: {error}.") from error


def _checked(planes: Iterable[np.ndarray], shape: Shape, kind: np.dtype) -> Iterator[np.ndarray]:
    for plane in planes:
        if plane.shape != shape[1:]:
            raise ValueError(f"a plane of {plane.shape} in a volume of {shape}")
        yield np.ascontiguousarray(plane, dtype=kind)


def _for_imagej(planes: int, z_um: float) -> str:
    return f"ImageJ=1.53\nimages={planes}\nslices={planes}\nspacing={z_um:g}\nunit=micron\n"
