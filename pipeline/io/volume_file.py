"""Read blocks of a volume (z, y, x) that is one TIFF, without holding it.

An uncompressed file is read where the block lies, not mapped: a file that becomes shorter is then a
named failure and not the end of the process, and pages of the file are no memory of ours.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.io.tiff_volume import open_volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

_BRIGHTEST = 65535
_AGAIN = "Run the step that makes it again, then retry."


class VolumeFile:
    """The shape (z, y, x) and type of a volume; a compressed one is held decoded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        volume = open_volume(path)
        z, y, x = volume.shape
        self.shape: tuple[int, int, int] = (z, y, x)
        self.dtype = volume.dtype
        if 0 in self.shape:
            raise BadInput(f"{path.name} is empty: its shape is {self.shape}.")
        is_mapped = isinstance(volume, np.memmap)
        self._offset: int = volume.offset if isinstance(volume, np.memmap) else 0
        self._decoded = None if is_mapped else volume

    @contextmanager
    def reading(self) -> Iterator[Blocks]:
        """Open the file for reading blocks."""
        if self._decoded is not None:
            yield Blocks(self, self._decoded, -1, 0)
            return
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield Blocks(self, None, descriptor, self._offset)
        finally:
            os.close(descriptor)


class Blocks:
    """A volume open for reading; several threads may read."""

    def __init__(
        self, file: VolumeFile, decoded: np.ndarray | None, descriptor: int, offset: int
    ) -> None:
        self.file = file
        self._decoded = decoded
        self._descriptor = descriptor
        self._offset = offset

    def rows(self, z: int, start: int, stop: int) -> np.ndarray:
        """Return rows `start` to `stop` of plane `z` as (y, x), in the file's own type."""
        if self._decoded is not None:
            return self._decoded[z, start:stop]
        shape, dtype = self.file.shape, self.file.dtype
        rows = np.empty((stop - start, shape[2]), dtype=dtype)
        at = (z * shape[1] + start) * shape[2] * dtype.itemsize
        self._read(rows.reshape(-1).view(np.uint8).data, self._offset + at)
        return rows

    def _read(self, target: memoryview, offset: int) -> None:
        done = 0
        while done < target.nbytes:
            count = os.preadv(self._descriptor, [target[done:]], offset + done)
            if count == 0:
                what = f"{self.file.path.name} is shorter than it says."
                raise BadInput(f"{what} {_AGAIN}", [Problem(self.file.path.name, what, _AGAIN)])
            done += count


class VolumeStack:
    """A volume of one file as the planes of a stack: 16 bits unsigned, rounded and clipped."""

    def __init__(self, path: Path) -> None:
        self._file = VolumeFile(path)
        if self._file.dtype.kind not in "uif":
            kind = self._file.dtype
            raise BadInput(f"{path.name} holds {kind}: a volume of images has grey values.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)"""
        return self._file.shape

    @contextmanager
    def slab(self, start: int, stop: int, pool: ThreadPoolExecutor) -> Iterator[VolumeSlab]:
        """Planes `start` to `stop` (exclusive), open for reading rows; several threads may read."""
        with self._file.reading() as blocks:
            yield VolumeSlab(blocks, start, stop)

    def prefetch(self, start: int, stop: int) -> None:
        """Nothing to do: the planes follow one another in the file, so the system reads ahead."""


class VolumeSlab:
    """Some neighboring planes of a volume."""

    def __init__(self, blocks: Blocks, start: int, stop: int) -> None:
        self._blocks = blocks
        self._start = start
        self.depth = stop - start

    def rows(self, z: int, start: int, stop: int, scratch: np.ndarray) -> np.ndarray:
        """Rows `start` to `stop` of the slab's plane `z` in `scratch` (y, x), uint16."""
        found = self._blocks.rows(self._start + z, start, stop)
        if found.dtype.kind == "f":
            found = self._rounded(found, self._start + z)
        rows = scratch[: stop - start]
        np.copyto(rows, _clipped(found), casting="unsafe")
        return rows

    def _rounded(self, values: np.ndarray, z: int) -> np.ndarray:
        if np.isnan(values).any():
            name = self._blocks.file.path.name
            what = f"Plane {z} of {name} has values that are no numbers."
            raise BadInput(f"{what} {_AGAIN}", [Problem(name, what, _AGAIN)])
        return np.asarray(np.rint(values))


def _clipped(values: np.ndarray) -> np.ndarray:
    """Limit to 0..65535; a bound beyond the type's own is none."""
    if values.dtype.kind != "u":
        values = np.maximum(values, 0)
    small = values.dtype.kind != "f" and values.dtype.itemsize <= 2
    return values if small else np.minimum(values, _BRIGHTEST)
