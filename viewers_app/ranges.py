"""Which bytes of a file answer a request: Range, If-Range, If-None-Match. Pure."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ONE_RANGE: Final = re.compile(
    r"bytes=(?:([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19}))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Span:
    """`length` bytes from `start`."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and the bytes to send; no span means no body."""

    status: int
    span: Span | None


def etag_of(status: os.stat_result) -> str:
    """Return a strong validator: a file that is replaced or rewritten gets another one."""
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'


def answer(method: str, headers: Mapping[str, str], *, size: int, etag: str) -> Answer:
    """Decide 200, 206, 304 or 416. Several ranges, and HEAD, are answered as the whole file."""
    if _is_known(headers.get("If-None-Match", ""), etag):
        return Answer(304, None)
    whole = Answer(200, Span(0, size))
    asked = headers.get("Range", "")
    if method != "GET" or not asked or headers.get("If-Range", etag) != etag:
        return whole
    found = _ONE_RANGE.fullmatch(asked.replace(" ", ""))
    if not found:
        return whole
    first, last, suffix = found.groups()
    span = _last_bytes(int(suffix), size) if suffix else _from_to(int(first), last, size)
    if span is None:
        return whole
    return Answer(206, span) if span.length > 0 else Answer(416, None)


def _last_bytes(count: int, size: int) -> Span:
    length = min(count, size)
    return Span(size - length, length)


def _from_to(first: int, last: str, size: int) -> Span | None:
    """Return the span, empty if it begins behind the end, or None if it is no range at all."""
    if last and int(last) < first:
        return None
    end = min(int(last), size - 1) if last else size - 1
    return Span(first, end - first + 1 if first < size else 0)


def _is_known(if_none_match: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags
