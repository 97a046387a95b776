"""A stack of single-plane TIFF files, read a slab at a time; planes are (y, x), slabs (z, y, x).

Uncompressed planes are never held as a whole: the rows that are asked for are read straight from
the file. Compressed, tiled, big-endian and multi-page planes are decoded into one slab.
"""

from __future__ import annotations

import os
import string
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import tifffile

from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.raw.tiff_header import HeaderProblem, PlaneHeader, read_header
from pipeline.raw.wording import files_are, folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_COPY_AGAIN = "Copy it again from the microscope, then retry."
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class PlaneStack:
    """Planes of equal size in z order. A plane without a path is absent, and black."""

    paths: Sequence[Path | None]
    headers: Sequence[PlaneHeader]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)"""
        return len(self.paths), self.headers[0].height, self.headers[0].width

    @contextmanager
    def slab(self, start: int, stop: int, pool: ThreadPoolExecutor) -> Iterator[Slab]:
        """Planes `start` to `stop` (exclusive), open for reading rows; several threads may read."""
        slab = Slab(self, start, stop)
        try:
            slab.load(pool)
            yield slab
        finally:
            slab.close()

    def prefetch(self, start: int, stop: int) -> None:
        """Ask the system to read these planes ahead, so that the next slab need not wait."""
        for path in filter(None, self.paths[start:stop]):
            with suppress(OSError):
                _advise(path)


class Slab:
    """Some neighboring planes of a stack."""

    def __init__(self, stack: PlaneStack, start: int, stop: int) -> None:
        self._stack = stack
        self._start = start
        self.depth = stop - start
        self._descriptors: dict[int, int] = {}
        self._decoded: dict[int, np.ndarray] = {}

    def load(self, pool: ThreadPoolExecutor) -> None:
        """Open the planes; decode those whose pixels do not lie in the file as they are."""
        for z in range(self.depth):
            if self._stack.paths[self._start + z] is None:
                self._decoded[z] = np.zeros(self._stack.shape[1:], dtype=np.uint16)
            elif self._header(z).data_offset is not None:
                self._descriptors[z] = _open_plane(self._path(z))
        others = [z for z in range(self.depth) if z not in self._descriptors | self._decoded]
        planes = pool.map(lambda z: decode_plane(self._path(z), self._header(z)), others)
        self._decoded.update(zip(others, planes, strict=True))

    def rows(self, z: int, start: int, stop: int, scratch: np.ndarray) -> np.ndarray:
        """Rows `start` to `stop` of the slab's plane `z`, in `scratch` (y, x) or a view of ours."""
        if z in self._decoded:
            return self._decoded[z][start:stop]
        offset = self._header(z).data_offset
        assert offset is not None
        rows = scratch[: stop - start]
        at = offset + start * rows.strides[0]
        _read_into(self._descriptors[z], rows.data.cast("B"), at, self._path(z))
        return rows

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        self._decoded.clear()

    def _path(self, z: int) -> Path:
        path = self._stack.paths[self._start + z]
        assert path is not None
        return path

    def _header(self, z: int) -> PlaneHeader:
        return self._stack.headers[self._start + z]


def open_stack(paths: Sequence[Path | None], *, threads: int) -> PlaneStack:
    """Read every header and return the stack; raise BadInput naming every unfit plane."""
    there = [path for path in paths if path is not None]
    if not there:
        raise BadInput("There is no plane to read. Check the folder, then retry.")
    with ThreadPoolExecutor(max_workers=threads) as pool:
        found = dict(zip(there, pool.map(read_header, there), strict=True))
    problems = list(_unreadable(found))
    headers = {path: item for path, item in found.items() if isinstance(item, PlaneHeader)}
    problems += [*_wrong_depth(headers), *_mixed_sizes(headers)]
    if problems:
        more = f" and {len(problems) - 1:,} further problems" if len(problems) > 1 else ""
        raise BadInput(f"{problems[0].what}{more}", problems[:_MOST_PROBLEMS])
    any_header = headers[there[0]]
    return PlaneStack(paths, [headers[path] if path else any_header for path in paths])


def _unreadable(found: Mapping[Path, PlaneHeader | HeaderProblem]) -> Iterator[Problem]:
    for path, item in found.items():
        if isinstance(item, HeaderProblem):
            words = {"not_tiff": "not a TIFF", "unsupported": "a TIFF of an unknown kind"}
            fault = words.get(item.fault, item.fault)
            yield Problem(path.name, f"{path.name} is {fault}: {item.detail}.", _COPY_AGAIN)


def _wrong_depth(headers: Mapping[Path, PlaneHeader]) -> Iterator[Problem]:
    odd = [path.name for path, h in headers.items() if h.dtype != "uint16" or h.samples != 1]
    if odd:
        dtype = next(h.dtype for path, h in headers.items() if path.name == odd[0])
        yield Problem(
            odd[0],
            f"{files_are(len(odd))} {dtype.lstrip(string.ascii_lowercase)}-bit ({dtype}), "
            f"not 16-bit grey: {folded(odd)}.",
            "Export the planes again as 16-bit grey values, then retry.",
        )


def _mixed_sizes(headers: Mapping[Path, PlaneHeader]) -> Iterator[Problem]:
    sizes: dict[tuple[int, int], list[str]] = {}
    for path, header in headers.items():
        sizes.setdefault((header.width, header.height), []).append(path.name)
    usual = max(sizes.values(), key=len) if sizes else []
    for (width, height), names in sizes.items():
        if names is not usual:
            yield Problem(
                names[0],
                f"{files_are(len(names))} {width:,} x {height:,} pixels, "
                f"unlike the others: {folded(names)}.",
                "Leave only the planes of one acquisition in the folder, then retry.",
            )


def read_plane(path: Path, header: PlaneHeader) -> np.ndarray:
    """Return one whole plane (y, x) uint16; raise BadInput naming the file."""
    if header.data_offset is None:
        return decode_plane(path, header)
    plane = np.empty((header.height, header.width), dtype="<u2")
    descriptor = _open_plane(path)
    try:
        _read_into(descriptor, plane.data.cast("B"), header.data_offset, path)
    finally:
        os.close(descriptor)
    return plane


def decode_plane(path: Path, header: PlaneHeader) -> np.ndarray:
    """Decode one plane as (y, x) uint16; several pages are horizontal foci, merged by maximum."""
    if header.is_png:
        return _decode_png(path, header)
    try:
        # is_ome=False: an OME header may name the other files of the acquisition as one series
        with tifffile.TiffFile(path, is_ome=False) as tiff:
            pages = [tiff.pages[index].asarray() for index in range(header.pages)]
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # decoders raise whatever their library does
        raise _undecodable(path, str(error)) from error
    plane = np.maximum.reduce(pages) if len(pages) > 1 else pages[0]
    return _checked(path, plane, header)


def _decode_png(path: Path, header: PlaneHeader) -> np.ndarray:
    try:
        plane = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # decoders raise whatever their library does
        raise _undecodable(path, str(error)) from error
    return _checked(path, plane, header)


def _checked(path: Path, plane: np.ndarray, header: PlaneHeader) -> np.ndarray:
    if plane.shape != (header.height, header.width) or plane.dtype != np.uint16:
        raise _undecodable(path, f"it holds {plane.shape} {plane.dtype}")
    return np.ascontiguousarray(plane)


def _undecodable(path: Path, detail: str) -> BadInput:
    what = f"{path.name} cannot be decoded: {detail}."
    return BadInput(what, [Problem(path.name, what, _COPY_AGAIN)])


def _open_plane(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        what = f"{path.name} cannot be opened any more: {error.strerror or error}."
        raise BadInput(what, [Problem(path.name, what, _COPY_AGAIN)]) from error


def _read_into(descriptor: int, target: memoryview, offset: int, path: Path) -> None:
    done = 0
    while done < target.nbytes:
        count = os.preadv(descriptor, [target[done:]], offset + done)
        if count == 0:
            what = f"{path.name} became shorter while it was read."
            raise BadInput(what, [Problem(path.name, what, _COPY_AGAIN)])
        done += count


def _advise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(descriptor)
