"""How chunk bytes are stored: as they are, or gzip by the fastest library at hand."""

from __future__ import annotations

import importlib
import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

_GZIP_WBITS = 31
_LEVEL = 1

# Camera noise repeats nothing on purpose: looking back 512 bytes instead of 32 KiB packs it a third
# faster and 0.6 % larger. What shrinks to under a quarter has little noise and is packed once more
# with the whole window; that is fast, because such chunks are.
_NEAR, _FAR = 9, 15
_LITTLE_NOISE = 4


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
    compress = _igzip()
    if compress is None:
        return Codec("gzip-zlib", lambda chunk: zlib.compress(chunk, _LEVEL, wbits=_GZIP_WBITS))
    return Codec("gzip-igzip", partial(_packed, compress))


def _packed(compress: Callable[[memoryview, int], bytes], chunk: memoryview) -> bytes:
    packed = compress(chunk, _NEAR)
    if len(packed) * _LITTLE_NOISE < chunk.nbytes:
        packed = min(packed, compress(chunk, _FAR), key=len)
    return packed


def _igzip() -> Callable[[memoryview, int], bytes] | None:
    """Compress a chunk looking back 2**bits bytes; seven times as fast as zlib, where installed."""
    try:
        igzip = importlib.import_module("isal.igzip_lib")
    except ImportError:
        return None

    def compress(chunk: memoryview, bits: int) -> bytes:
        packed = igzip.compress(chunk, _LEVEL, igzip.COMP_GZIP, igzip.MEM_LEVEL_LARGE, bits)
        return cast("bytes", packed)

    return compress
