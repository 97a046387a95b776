"""A folder of planes, one file each: `<name>_Z0000.tif`, (y, x) uint16, zlib level 1."""

from __future__ import annotations

import importlib
import os
import zlib
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LEVEL: Final = 1
# Readers fetch a strip at a time; small ones cost more to find than to read.
_STRIP_BYTES: Final = 256 << 10


class PlaneFolder:
    """Planes being written. Threads may write different planes at once.

    A plane gets its name only once it is whole and on the disk, so after a crash whatever is there
    can be kept.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, z: int) -> Path:
        return self.folder / plane_name(self.name, z)

    def missing(self, planes: int) -> list[int]:
        """Return the planes that are still to be written."""
        there = {path.name for path in self.folder.iterdir()}
        return [z for z in range(planes) if plane_name(self.name, z) not in there]

    def write(self, z: int, plane: np.ndarray) -> int:
        """Write one plane (y, x) uint16 and return its bytes. Raises OSError, leaving nothing."""
        path = self.path(z)
        temporary = path.with_suffix(".writing")
        pixels = np.ascontiguousarray(plane, dtype="<u2")
        rows = max(1, _STRIP_BYTES // max(1, pixels.shape[1] * 2))
        try:
            with temporary.open("wb") as stream:
                tifffile.imwrite(
                    stream, _strips(pixels, rows), shape=pixels.shape, dtype=pixels.dtype,
                    compression="zlib", rowsperstrip=rows, byteorder="<",
                    photometric="minisblack", metadata=None,
                )  # fmt: skip
                stream.flush()
                os.fsync(stream.fileno())
                size = stream.tell()
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return size


def plane_name(name: str, z: int) -> str:
    return f"{name}_Z{z:04d}.tif"


def _strips(pixels: np.ndarray, rows: int) -> Iterator[bytes]:
    """Return the compressed strips of a plane; tifffile writes bytes as they come."""
    for start in range(0, pixels.shape[0], rows):
        yield _compress(pixels[start : start + rows].data.cast("B"), _LEVEL)


def _fastest() -> Callable[[memoryview, int], bytes]:
    """Return zlib of the fastest library at hand: isal takes a quarter of the time."""
    try:
        module = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib.compress
    return cast("Callable[[memoryview, int], bytes]", module.compress)


_compress: Final = _fastest()
