"""Planes through threads: each is read, worked on and written alone; what comes of it is in order.

At most two planes per thread are under way, so memory does not grow with the number of planes.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from pipeline import parameters
from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.io.tiff import decode_plane, open_stack
from pipeline.raw import sources
from pipeline.raw.selection import lavision_planes, smartspim_planes, sorted_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.io.planes import PlaneFolder
    from pipeline.io.tiff import PlaneStack
    from pipeline.workspace import Workspace

T = TypeVar("T")

_PER_THREAD = 2
_COPY_AGAIN = "Copy it again from the microscope, then retry."


@dataclass(frozen=True, slots=True)
class Source:
    """The planes of one channel and sheet, as a spec names them, and how they were when opened."""

    inputs: JsonDict
    folder: Path
    paths: list[Path | None]
    files: sources.Identities

    @property
    def absent(self) -> list[Json]:
        return [z for z, path in enumerate(self.paths) if path is None]

    def listed(self) -> list[Json]:
        """Return what tells these files from others, for the identity of a product."""
        return sources.listed(self.files)

    def open(self, work: Workspace) -> PlaneStack:
        """Read the headers; BadInput naming every plane that is unfit."""
        return open_stack(self.paths, threads=work.threads)

    def require_unchanged(self, work: Workspace) -> None:
        """Raise BadInput naming every plane that changed, came or went since."""
        now = sources.identities(self.folder, _paths(self.inputs, work))
        sources.require_unchanged(self.files, now)


def find_source(inputs: JsonDict, spec: StepSpec, work: Workspace) -> Source:
    """Find the planes that `inputs` name: a single tile of the raw data, or a folder of planes.

    Where they name the manifest of the inspection, the files must be as it says.
    """
    folder = work.resolve(parameters.text(inputs, "folder"))
    paths = _paths(inputs, work)
    files = sources.identities(folder, paths)
    sources.require_manifest(replace(spec, inputs=inputs), work, files)
    return Source(inputs, folder, paths, files)


def _paths(inputs: JsonDict, work: Workspace) -> list[Path | None]:
    folder = work.resolve(parameters.text(inputs, "folder"))
    absent = frozenset(parameters.integers(inputs, "absent"))
    layout = parameters.choice(inputs, "layout", "planes", "lavision", "smartspim")
    if layout == "planes":
        wanted = parameters.integer(inputs, "planes") if "planes" in inputs else None
        return _without(sorted_planes(work.root, folder, planes=wanted), absent, folder)
    planes = parameters.integer(inputs, "planes")
    if layout == "smartspim":
        return smartspim_planes(work.root, folder, planes=planes, absent=absent)
    return lavision_planes(
        work.root,
        folder,
        channel_index=parameters.integer(inputs, "channel_index"),
        sheet_code=parameters.integer(inputs, "sheet_code"),
        planes=planes,
        absent=absent,
    )


def _without(
    paths: Sequence[Path | None], absent: frozenset[int], folder: Path
) -> list[Path | None]:
    """A folder of planes has a file for each, black where there was none."""
    beyond = [z for z in absent if z >= len(paths)]
    if beyond:
        raise BadInput(
            f"Plane {min(beyond):,} is named as absent, but the folder {folder.name} has only "
            f"{len(paths):,} planes, from 0. Correct the list, then retry."
        )
    return [None if z in absent else path for z, path in enumerate(paths)]


def read_plane(stack: PlaneStack, z: int) -> np.ndarray | None:
    """Return plane `z` as (y, x) uint16, None if it is absent; BadInput if it cannot be read."""
    path, header = stack.paths[z], stack.headers[z]
    if path is None:
        return None
    if header.data_offset is None:
        return decode_plane(path, header)
    count = header.height * header.width
    try:
        pixels = np.fromfile(path, dtype="<u2", count=count, offset=header.data_offset)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror or error}") from error
    if len(pixels) != count:
        raise _unreadable(path, "became shorter while it was read")
    return pixels.reshape(header.height, header.width)


def _unreadable(path: Path, why: str) -> BadInput:
    what = f"{path.name} {why}."
    return BadInput(f"{what} {_COPY_AGAIN}", [Problem(path.name, what, _COPY_AGAIN)])


def sampled(planes: Sequence[int], *, most: int) -> list[int]:
    """Return at most so many of the planes, evenly over all of them."""
    if len(planes) <= most:
        return list(planes)
    places = (np.arange(most) + 0.5) * len(planes) / most
    return [planes[int(place)] for place in places]


def in_order(
    count: int,
    work_on: Callable[[int], T],
    *,
    threads: int,
    prefetch: Callable[[int], None] | None = None,
) -> Generator[T, None, None]:
    """Yield what `work_on(z)` returns for every z in order; threads work a few planes ahead."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for z in range(count):
                if len(waiting) >= _PER_THREAD * threads:
                    yield waiting.popleft().result()
                if prefetch is not None:
                    prefetch(z)
                waiting.append(pool.submit(work_on, z))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    seen: T | None
    read: int
    written: int


@dataclass(frozen=True, slots=True)
class Filling(Generic[T]):
    """A folder of `depth` planes being filled, and what else is wanted of each plane.

    `make(z)` returns a plane (y, x) uint16. `see(z, plane)` runs in the same thread and
    `take(z, seen)` in the caller's, in z order. Planes that a dead attempt, or a task, wrote are
    kept; where there is a `see` they are read back. `wanted` are the planes to fill, usually all.
    """

    folder: PlaneFolder
    depth: int
    make: Callable[[int], np.ndarray]
    read_bytes: int
    label: str
    see: Callable[[int, np.ndarray], T] | None = None
    take: Callable[[int, T | None], None] | None = None
    prefetch: Callable[[int], None] | None = None
    wanted: range | None = None

    def run(self, work: Workspace) -> None:
        """Fill the folder. Raises whatever `make` raises, and OSError where a plane cannot be."""
        missing = frozenset(self.folder.missing(self.depth))
        wanted = range(self.depth) if self.wanted is None else self.wanted
        total = len(wanted)

        def one(index: int) -> _Done[T]:
            return self._fill(wanted[index], is_missing=wanted[index] in missing)

        def ahead(index: int) -> None:
            if self.prefetch is not None and wanted[index] in missing:
                self.prefetch(wanted[index])

        work.progress(0, total, "planes", self.label)
        with closing(in_order(total, one, threads=work.threads, prefetch=ahead)) as results:
            for index, done in enumerate(results):
                if self.take is not None:
                    self.take(wanted[index], done.seen)
                work.count_bytes(read=done.read, written=done.written)
                work.progress(index + 1, total, "planes", self.label)

    def _fill(self, z: int, *, is_missing: bool) -> _Done[T]:
        plane = None
        if not is_missing and self.see is None:
            return _Done(None, 0, 0)
        if not is_missing:
            plane = _read_back(self.folder.path(z))
        if plane is None:
            plane = self.make(z)
            written = self.folder.write(z, plane)
            return _Done(self._seen(z, plane), self.read_bytes, written)
        return _Done(self._seen(z, plane), plane.nbytes, 0)

    def _seen(self, z: int, plane: np.ndarray) -> T | None:
        return self.see(z, plane) if self.see is not None else None


def _read_back(path: Path) -> np.ndarray | None:
    """Read a plane of our own; None if it is damaged, so that it is made again."""
    try:
        return read_plane(open_stack([path], threads=1), 0)
    except BadInput:
        return None


def file_name(values: Mapping[str, Json], key: str) -> str:
    """Read the beginning of file names out of a spec; BadInput if it can be none."""
    name = parameters.text(values, key)
    if not name or name.startswith(".") or "/" in name or not name.isprintable():
        raise BadInput(f"{key} must be fit to begin the names of files, not {name!r}.")
    return name
