"""Read the header of a TIFF plane with the standard library, so that the site can do it too."""

from __future__ import annotations

import operator
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HeaderFault: TypeAlias = Literal["not_tiff", "truncated", "unreadable", "unsupported"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_DESCRIPTION, _STRIP_OFFSETS, _STRIP_COUNTS, _PREDICTOR = 270, 273, 279, 317
_TILE_OFFSETS, _TILE_COUNTS, _SAMPLE_FORMAT = 324, 325, 339
_FORMATS: Final = {1: "B", 2: "s", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
_KINDS: Final = {1: "uint", 2: "int", 3: "float"}
_HEAD_BYTES: Final = 4096
_PNG_MARK: Final = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD: Final = struct.Struct(">8sI4sIIBB")
_PNG_END: Final = b"\0\0\0\0IEND\xaeB`\x82"

# A person waits while the site reads headers, and anybody may have written the file. Real planes
# have a few pages of some 20 tags and at most one strip per row.
_MOST_PAGES: Final = 64
_MOST_ENTRIES: Final = 512
_MOST_VALUES: Final = 65_536
_MOST_BYTES: Final = 4 << 20
_LONGEST_DESCRIPTION: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class PlaneHeader:
    """A readable plane of (height, width) pixels in `pages` pages.

    `data_offset` is where (y, x) little-endian pixels start if the only page is contiguous and
    uncompressed, else None; `byte_count` is the stored size of the first page's pixels.
    """

    width: int
    height: int
    dtype: str
    pages: int
    data_offset: int | None
    byte_count: int
    samples: int = 1
    is_png: bool = False


@dataclass(frozen=True, slots=True)
class HeaderProblem:
    """Why a file could not be read as a plane."""

    fault: HeaderFault
    detail: str


class _Malformed(Exception):
    def __init__(self, fault: HeaderFault, detail: str) -> None:
        super().__init__(detail)
        self.problem = HeaderProblem(fault, detail)


@dataclass(slots=True)
class _Reader:
    """Positioned reads from one open TIFF of either byte order, classic or BigTIFF."""

    descriptor: int
    size: int
    head: bytes = b""
    order: str = "<"
    is_big: bool = False
    left: int = _MOST_BYTES

    def read(self, offset: int, count: int) -> bytes:
        if offset + count > self.size:
            raise _Malformed("truncated", f"byte {offset + count:,} of {self.size:,} is needed")
        self.left -= count
        if self.left < 0:
            raise _Malformed("unsupported", f"its header is longer than {_MOST_BYTES:,} bytes")
        if offset + count <= len(self.head):
            return self.head[offset : offset + count]
        data = os.pread(self.descriptor, count, offset)
        if len(data) != count:
            raise _Malformed("truncated", "it became shorter while it was read")
        return data

    def numbers(self, offset: int, count: int, letter: str) -> tuple[int, ...]:
        form = f"{self.order}{count}{letter}"
        return struct.unpack(form, self.read(offset, struct.calcsize(form)))


_Tags: TypeAlias = dict[int, tuple[str, int, int]]  # tag -> struct letter, count, offset of values
_Extents: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]  # offsets, byte counts


def read_header(path: Path) -> PlaneHeader | HeaderProblem:
    """Read one file's header; never raises for what is wrong with the file itself."""
    try:
        # a pipe of that name would otherwise be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return HeaderProblem("unreadable", error.strerror or str(error))
    try:
        return _png_header(descriptor) or _header(_opened(descriptor))
    except _Malformed as error:
        return error.problem
    except OSError as error:
        return HeaderProblem("unreadable", error.strerror or str(error))
    finally:
        os.close(descriptor)


def _png_header(descriptor: int) -> PlaneHeader | None:
    """The header of a PNG, or None for another format."""
    head = os.pread(descriptor, _PNG_HEAD.size, 0)
    if not head:
        raise _Malformed("truncated", "it is empty")
    if not head.startswith(_PNG_MARK):
        return None
    size = os.fstat(descriptor).st_size
    if len(head) < _PNG_HEAD.size or os.pread(descriptor, 12, max(0, size - 12)) != _PNG_END:
        raise _Malformed("truncated", "it ends before its image does")
    _, _, chunk, width, height, bits, color = _PNG_HEAD.unpack(head)
    if chunk != b"IHDR" or min(width, height) < 1:
        raise _Malformed("unsupported", "it does not begin with the size of the image")
    samples = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(color, 0)
    return PlaneHeader(width, height, f"uint{bits}", 1, None, size, samples=samples, is_png=True)


def read_description(path: Path) -> str:
    """The ImageDescription of the first page (OME-XML, say), or "" if there is none or no TIFF."""
    try:
        with path.open("rb") as stream:
            reader = _opened(stream.fileno())
            tags, _ = _directory(reader, _first_directory(reader))
            letter, count, offset = tags.get(_DESCRIPTION, ("s", 0, 0))
            if letter != "s" or count > _LONGEST_DESCRIPTION:
                return ""
            reader.left = count
            return reader.read(offset, count).rstrip(b"\0").decode("utf-8", errors="replace")
    except (OSError, _Malformed):
        return ""


def _opened(descriptor: int) -> _Reader:
    head = os.pread(descriptor, _HEAD_BYTES, 0)
    reader = _Reader(descriptor, os.fstat(descriptor).st_size, head)
    marks = {b"II": "<", b"MM": ">"}
    if len(head) < 8 or head[:2] not in marks:
        raise _Malformed("not_tiff", "the file does not begin like a TIFF")
    reader.order = marks[head[:2]]
    version = reader.numbers(2, 1, "H")[0]
    if version not in (42, 43):
        raise _Malformed("not_tiff", f"TIFF version {version} does not exist")
    reader.is_big = version == 43
    return reader


def _first_directory(reader: _Reader) -> int:
    return reader.numbers(8, 1, "Q")[0] if reader.is_big else reader.numbers(4, 1, "I")[0]


def _directory(reader: _Reader, offset: int) -> tuple[_Tags, int]:
    """Read the directory at `offset`; return its tags and the next one's offset (0 = last)."""
    big = reader.is_big
    count = reader.numbers(offset, 1, "Q" if big else "H")[0]
    if not 0 < count <= _MOST_ENTRIES:
        raise _Malformed("truncated", f"its directory claims {count:,} entries")
    entry, start = (20, offset + 8) if big else (12, offset + 2)
    block = reader.read(start, count * entry + (8 if big else 4))
    tags: _Tags = {}
    form = reader.order + ("HHQ" if big else "HHI")
    value_at = struct.calcsize(form)
    for index in range(count):
        tag, kind, length = struct.unpack_from(form, block, index * entry)
        letter = _FORMATS.get(kind)
        if letter is None:
            continue
        inline = struct.calcsize(f"<{letter}") * length <= entry - value_at
        here = start + index * entry + value_at
        where = here if inline else reader.numbers(here, 1, "Q" if big else "I")[0]
        tags[tag] = (letter, length, where)
    following = struct.unpack_from(reader.order + ("Q" if big else "I"), block, count * entry)[0]
    return tags, following


def _pages(reader: _Reader) -> Iterator[_Tags]:
    offset, seen = _first_directory(reader), set[int]()
    while offset:
        if offset in seen:
            raise _Malformed("truncated", "its directories form a loop")
        if len(seen) == _MOST_PAGES:
            raise _Malformed("unsupported", f"it holds more than {_MOST_PAGES} images")
        seen.add(offset)
        tags, offset = _directory(reader, offset)
        yield tags


def _values(reader: _Reader, tags: _Tags, tag: int, default: int | None = None) -> tuple[int, ...]:
    if tag not in tags:
        if default is None:
            raise _Malformed("unsupported", f"TIFF tag {tag} is missing")
        return (default,)
    letter, count, offset = tags[tag]
    if letter == "s":
        raise _Malformed("unsupported", f"TIFF tag {tag} is not a number")
    if not 0 < count <= _MOST_VALUES:
        raise _Malformed("unsupported", f"TIFF tag {tag} claims {count:,} values")
    return reader.numbers(offset, count, letter)


def _header(reader: _Reader) -> PlaneHeader:
    pages = list(_pages(reader))
    if not pages:
        raise _Malformed("truncated", "it holds no image")
    extents, *_ = [_whole_extents(reader, tags) for tags in pages]
    tags = pages[0]
    bits, samples = _values(reader, tags, _BITS, 1)[0], _values(reader, tags, _SAMPLES, 1)[0]
    kind = _KINDS.get(_values(reader, tags, _SAMPLE_FORMAT, 1)[0], "unknown")
    width, height = _values(reader, tags, _WIDTH)[0], _values(reader, tags, _HEIGHT)[0]
    if min(width, height) < 1:
        raise _Malformed("unsupported", f"it claims to have {width:,} x {height:,} pixels")
    plain = len(pages) == 1 and samples == 1 and _is_plain(reader, tags)
    expected = width * height * bits // 8
    return PlaneHeader(
        width=width,
        height=height,
        dtype=f"{kind}{bits}",
        pages=len(pages),
        data_offset=_contiguous_start(*extents, expected) if plain else None,
        byte_count=sum(extents[1]),
        samples=samples,
    )


def _whole_extents(reader: _Reader, tags: _Tags) -> _Extents:
    """Where the strips or tiles of a page are and how long; all must lie within the file."""
    tiled = _TILE_OFFSETS in tags
    offsets = _values(reader, tags, _TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    counts = _values(reader, tags, _TILE_COUNTS if tiled else _STRIP_COUNTS)
    if len(offsets) != len(counts):
        raise _Malformed("unsupported", "its strips and their sizes do not match")
    if min(offsets) < 0 or min(counts) < 0:
        raise _Malformed("unsupported", "its strips lie before the beginning of the file")
    end = max(offset + count for offset, count in zip(offsets, counts, strict=True))
    if end > reader.size:
        raise _Malformed("truncated", f"it has {reader.size:,} of at least {end:,} bytes")
    return offsets, counts


def _is_plain(reader: _Reader, tags: _Tags) -> bool:
    """Are the values stored as a little-endian machine has them in memory, row by row?"""
    return (
        _TILE_OFFSETS not in tags
        and reader.order == "<"
        and _values(reader, tags, _COMPRESSION, 1)[0] == 1
        and _values(reader, tags, _PREDICTOR, 1)[0] == 1
    )


def _contiguous_start(
    offsets: tuple[int, ...], counts: tuple[int, ...], expected: int
) -> int | None:
    """Where the pixels start if the strips lie one after another and nothing is missing."""
    ends = map(operator.add, offsets, counts)
    joined = all(end == start for end, start in zip(ends, offsets[1:], strict=False))
    return offsets[0] if joined and sum(counts) == expected else None
