"""How chunk bytes are stored: as they are, or gzip by the fastest library at hand."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

_GZIP_WBITS = 31
_LEVEL = 1

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None


@dataclass(frozen=True, slots=True)
class Codec:
    """`encode` turns a chunk into stored bytes; None stores it raw. `name` is part of a draft's
    identity, because two libraries compress to different bytes."""

    name: str
    encode: Callable[[memoryview], bytes] | None


def choose_codec(compression: str) -> Codec:
    """The codec for the parameter `compression` ("none" or "gzip"); raise BadInput otherwise."""
    if compression == "none":
        return Codec("raw", None)
    if compression != "gzip":
        raise BadInput(f'The compression must be "none" or "gzip", not {compression!r}.')
    if isal_zlib is None:
        return Codec("gzip-zlib", _by_zlib)
    return Codec("gzip-isal", _by_isal)


def _by_zlib(chunk: memoryview) -> bytes:
    return zlib.compress(chunk, _LEVEL, wbits=_GZIP_WBITS)


def _by_isal(chunk: memoryview) -> bytes:
    packed: bytes = isal_zlib.compress(chunk, _LEVEL, wbits=_GZIP_WBITS)
    return packed
