"""What a delivery consists of: one line of JSON per raw file, written and read a line at a time.

A line has name (relative to the raw folder), size, mtime_ns and blake2b; lines are in the order of
the names, so that a listing and a manifest are compared side by side, in little memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from pipeline.errors import BadInput
from pipeline.raw.codes import problem
from pipeline.raw.listing import Names, RawFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from pipeline.raw.listing import Found

DIGEST_BYTES = 16
_READ_BYTES = 1 << 20
_encode = json.JSONEncoder(ensure_ascii=False).encode
_BATCH = 256
# A file that changed this shortly before its manifest was written may have changed again unseen.
_SURE_AFTER_NS = 2_000_000_000


class Line(NamedTuple):
    """One file as it was when its digest was made; `mtime_ns` is -1 where it is not known."""

    name: str
    size: int
    mtime_ns: int
    digest: str


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a manifest; raise OSError if it cannot be read, ValueError if it is none."""
    with path.open("rb") as stream:
        for number, text in enumerate(stream, start=1):
            yield _line(text, number)


def _line(text: bytes, number: int) -> Line:
    try:
        item = json.loads(text)
        mtime = item.get("mtime_ns", -1)
        line = Line(item["name"], item["size"], mtime, item["blake2b"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"line {number} is not one of a manifest") from error
    if [type(value) for value in line] != [str, int, int, str]:
        raise ValueError(f"line {number} is not one of a manifest")
    return line


@dataclass(slots=True)
class Draft:
    """A manifest that is written but not published. `read` counts the bytes digested anew."""

    destination: Path
    temporary: Path
    files: int = 0
    bytes: int = 0
    read: int = 0
    _digest: hashlib.blake2b = field(
        default_factory=lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)
    )

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def add(self, stream: BinaryIO, line: Line) -> None:
        item = {
            "name": line.name,
            "size": line.size,
            "mtime_ns": line.mtime_ns,
            "blake2b": line.digest,
        }
        data = f"{_encode(item)}\n".encode()
        stream.write(data)
        self._digest.update(data)
        self.files += 1
        self.bytes += len(data)

    def publish(self) -> None:
        """Replace what was there, so that a reader sees the old or the new."""
        self.temporary.replace(self.destination)

    def discard(self) -> None:
        self.temporary.unlink(missing_ok=True)


def draft_manifest(
    folder: Path,
    found: Found,
    destination: Path,
    *,
    threads: int,
    progress: Callable[[int, int], None],
) -> Draft:
    """Digest every raw file of a listing; BadInput for one that cannot be read.

    A file that has the size and time it has in the manifest at `destination` keeps its digest.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    draft = Draft(destination, destination.with_name(f".{destination.name}.{os.getpid()}"))
    total = found.raw_files
    try:
        with draft.temporary.open("wb") as stream:
            for line in _digested(folder, found, draft, threads):
                draft.add(stream, line)
                progress(draft.files, total)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        draft.discard()
        raise
    return draft


def _digested(folder: Path, found: Found, draft: Draft, threads: int) -> Iterator[Line]:
    """Every file with its digest, in order, while several are read at once."""
    pairs = _with_known(found.in_order(), draft.destination)

    def digest(pair: tuple[RawFile, str]) -> Line:
        item, known = pair
        return Line(*item, known or digest_of_file(folder / item.name))

    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        while batch := list(islice(pairs, _BATCH)):
            draft.read += sum(item.size for item, known in batch if not known)
            if all(known for _, known in batch):
                yield from map(digest, batch)
            else:
                yield from pool.map(digest, batch)


def _with_known(files: Iterator[RawFile], manifest: Path) -> Iterator[tuple[RawFile, str]]:
    """Each file with the digest that an older manifest has for it, or ""."""
    known = _usable_lines(manifest)
    line = next(known, None)
    for item in files:
        while line is not None and line.name < item.name:
            line = next(known, None)
        same = line is not None and line[:3] == item
        yield item, line.digest if same and line is not None else ""


def _usable_lines(manifest: Path) -> Iterator[Line]:
    """The lines that can be relied on; a manifest that is gone or damaged is worth nothing."""
    try:
        sure_before = manifest.stat().st_mtime_ns - _SURE_AFTER_NS
        for line in read_lines(manifest):
            if 0 <= line.mtime_ns < sure_before:
                yield line
    except (OSError, ValueError):
        return


def digest_of_file(path: Path) -> str:
    """BLAKE2b, 128 bit; BadInput if the file cannot be read."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    buffer = memoryview(bytearray(_READ_BYTES))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            while count := os.readv(descriptor, [buffer]):
                digest.update(buffer[:count])
        finally:
            os.close(descriptor)
    except OSError as error:
        what = f"{path.name} cannot be read: {error.strerror or error}."
        remedy = "Copy it again from the microscope, then press Check again."
        raise BadInput(what, [problem("unreadable", path.name, what, remedy)]) from error
    return digest.hexdigest()


@dataclass(slots=True)
class Difference:
    """Files that only the older of two listings has, only the newer, and those that changed."""

    gone: Names = field(default_factory=Names)
    new: Names = field(default_factory=Names)
    changed: Names = field(default_factory=Names)

    def __bool__(self) -> bool:
        return bool(self.gone or self.new or self.changed)


_T = TypeVar("_T", RawFile, Line)


def side_by_side(
    older: Iterable[RawFile | Line], newer: Iterable[_T]
) -> Iterator[tuple[RawFile | Line | None, _T | None]]:
    """Pairs of equal names from two sorted sequences; None where the other has no such name."""
    left, right = iter(older), iter(newer)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.name < b.name):
            yield a, None
            a = next(left, None)
        elif a is None or b.name < a.name:
            yield None, b
            b = next(right, None)
        else:
            yield a, b
            a, b = next(left, None), next(right, None)


def difference(before: Iterable[_T], after: Iterable[_T]) -> Difference:
    """What changed between two listings of a folder, or two manifests; both in order."""
    found = Difference()
    for old, new in side_by_side(before, after):
        if new is None:
            found.gone.add(cast("RawFile", old).name)
        elif old is None:
            found.new.add(new.name)
        elif old != new:
            found.changed.add(new.name)
    return found
