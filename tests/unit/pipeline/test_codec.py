"""Chunks are packed as gzip that everybody reads, fast where there is noise, small where not."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pytest

from pipeline.io.codec import choose_codec

SIDE = 64
RNG = np.random.default_rng(4)
RAMP = np.arange(SIDE, dtype=np.float64)
CHUNKS = {
    "noise": RNG.poisson(900, (SIDE, SIDE, SIDE)),
    "dark noise": RNG.poisson(2, (SIDE, SIDE, SIDE)),
    "nothing": np.zeros((SIDE, SIDE, SIDE)),
    "smooth": 500 + 300 * np.sin(RAMP / 9)[:, None, None] * np.cos(RAMP / 7)[:, None] + RAMP,
    "one voxel": np.ones((1, 1, 1)),
}


def _bytes(name: str) -> bytes:
    return CHUNKS[name].astype("<u2").tobytes()


def _packed(data: bytes) -> bytes:
    encode = choose_codec("gzip").encode
    assert encode is not None
    return encode(memoryview(data))


@pytest.mark.parametrize("name", CHUNKS)
def test_what_is_packed_is_gzip(name: str) -> None:
    assert gzip.decompress(_packed(_bytes(name))) == _bytes(name)


@pytest.mark.parametrize(("name", "most"), [("noise", 1.1), ("dark noise", 1.3), ("nothing", 1.5)])
def test_chunks_are_about_as_small_as_zlib_makes_them(name: str, most: float) -> None:
    data = _bytes(name)

    assert len(_packed(data)) < most * len(gzip.compress(data, compresslevel=1))


def test_repeats_far_back_are_found_where_there_is_no_noise() -> None:
    data = _bytes("smooth")

    assert len(_packed(data)) < len(data) / 10


def test_without_isal_the_standard_library_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal.igzip_lib", None)

    codec = choose_codec("gzip")

    assert codec.name == "gzip-zlib"
    assert gzip.decompress(codec.encode(memoryview(b"abc"))) == b"abc"
