"""How chunk bytes are stored: as they are, or gzip by the fastest library at hand."""

from __future__ import annotations

import importlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

_GZIP_WBITS = 31
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Codec:
    """How to turn a chunk into stored bytes; `encode` None stores it raw.

    `name` is part of a draft's identity, because two libraries compress to different bytes.
    """

    name: str
    encode: Callable[[memoryview], bytes] | None


def choose_codec(compression: str) -> Codec:
    """The codec for the parameter `compression` ("none" or "gzip"); raise BadInput otherwise."""
    if compression == "none":
        return Codec("raw", None)
    if compression != "gzip":
        raise BadInput(f'The compression must be "none" or "gzip", not {compression!r}.')
    compress = _isal_compress()
    if compress is None:
        return Codec("gzip-zlib", lambda chunk: zlib.compress(chunk, _LEVEL, wbits=_GZIP_WBITS))
    return Codec("gzip-isal", lambda chunk: compress(chunk, _LEVEL, _GZIP_WBITS))


def _isal_compress() -> Callable[[memoryview, int, int], bytes] | None:
    """Five times as fast as zlib, where it is installed."""
    try:
        module = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return None
    return cast("Callable[[memoryview, int, int], bytes]", module.compress)
