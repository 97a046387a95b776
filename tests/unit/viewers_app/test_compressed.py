"""Chunks that are stored compressed."""

import gzip
import io

import brotli
import pytest

from viewers_app import compressed


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True), ("br, gzip;q=0.5", True), ("GZIP", True), ("gzip; q=0", False),
        ("gzip;q=0.000", False), ("", False), ("deflate", False), ("x-gzip", False),
        ("gzip;q=0.001", True),
    ],
)  # fmt: skip
def test_what_a_client_takes_is_read_from_its_header(header, takes):
    assert compressed.accepts(header, "gzip") is takes


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("br", brotli.compress)])
def test_both_kinds_are_inflated(encoding, pack):
    content = bytes(range(256)) * 5000

    assert compressed.inflated(io.BytesIO(pack(content)), encoding) == content


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("br", brotli.compress)])
def test_a_damaged_file_is_an_error_and_never_half_a_chunk(encoding, pack):
    packed = pack(bytes(range(256)) * 50)

    for broken in (packed[:-4], b"no " + packed, b""):
        with pytest.raises(ValueError):  # the library's words differ
            compressed.inflated(io.BytesIO(broken), encoding)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("br", brotli.compress)])
def test_a_file_that_would_fill_the_memory_is_refused(encoding, pack, monkeypatch):
    monkeypatch.setattr(compressed, "MOST_BYTES", 1000)

    with pytest.raises(compressed.Oversized):
        compressed.inflated(io.BytesIO(pack(bytes(100_000))), encoding)
