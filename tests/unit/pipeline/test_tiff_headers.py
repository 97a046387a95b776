"""Reading the header of a plane, and naming what is wrong with it."""

from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.raw.ome import pixel_facts
from pipeline.raw.tiff_header import HeaderProblem, PlaneHeader, read_description, read_header
from tests.support import stacks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    path = tmp_path / "plane.tif"
    stacks.write_plane(path, np.arange(12 * 16, dtype=np.uint16).reshape(12, 16))
    return path


def _fault(path: Path) -> str:
    problem = read_header(path)
    assert isinstance(problem, HeaderProblem)
    return problem.fault


def test_a_plain_plane_says_where_its_pixels_are(plane: Path) -> None:
    header = read_header(plane)

    assert isinstance(header, PlaneHeader)
    assert (header.width, header.height, header.dtype, header.pages) == (16, 12, "uint16", 1)
    pixels = np.fromfile(plane, "<u2", count=192, offset=header.data_offset or 0)
    assert np.array_equal(pixels, np.arange(192))


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"byteorder": ">"},
        {"tile": (16, 16)},
        {"rowsperstrip": 5, "compression": "lzw"},
    ],
)
def test_pixels_that_cannot_be_read_as_they_lie_have_no_offset(
    tmp_path: Path, options: dict[str, object]
) -> None:
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.ones((32, 16), dtype=np.uint16), **options)

    header = read_header(path)

    assert isinstance(header, PlaneHeader)
    assert header.data_offset is None
    assert (header.width, header.height) == (16, 32)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"rowsperstrip": 5}])
def test_big_and_striped_files_are_read_as_they_lie(
    tmp_path: Path, options: dict[str, object]
) -> None:
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.full((32, 16), 9, dtype=np.uint16), **options)

    header = read_header(path)

    assert isinstance(header, PlaneHeader)
    pixels = np.fromfile(path, "<u2", count=512, offset=header.data_offset or 0)
    assert (pixels == 9).all()


def test_several_foci_are_counted_as_pages(tmp_path: Path) -> None:
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.zeros((3, 8, 8), dtype=np.uint16), photometric="minisblack")

    header = read_header(path)

    assert isinstance(header, PlaneHeader)
    assert (header.pages, header.data_offset) == (3, None)


def test_an_8_bit_plane_says_so(plane: Path) -> None:
    stacks.make_8_bit(plane)

    header = read_header(plane)

    assert isinstance(header, PlaneHeader)
    assert header.dtype == "uint8"


def test_color_is_told_from_grey(tmp_path: Path) -> None:
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.zeros((8, 8, 3), dtype=np.uint16), photometric="rgb")

    header = read_header(path)

    assert isinstance(header, PlaneHeader)
    assert header.samples == 3


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.03])
def test_a_short_file_is_truncated(plane: Path, keep: float) -> None:
    stacks.truncate(plane, keep=keep)

    assert _fault(plane) == "truncated"


def test_a_text_is_not_a_tiff(plane: Path) -> None:
    stacks.replace_by_text(plane)

    assert _fault(plane) == "not_tiff"


def test_an_empty_file_is_one_that_has_not_arrived_yet(plane: Path) -> None:
    plane.write_bytes(b"")

    assert _fault(plane) == "truncated"


def test_a_dangling_link_is_unreadable(plane: Path) -> None:
    stacks.make_unreadable(plane)

    assert _fault(plane) == "unreadable"


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    assert _fault(tmp_path) == "unreadable"


def test_directories_in_a_loop_end(plane: Path) -> None:
    raw = bytearray(plane.read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    entries = int.from_bytes(raw[first : first + 2], "little")
    link = first + 2 + entries * 12
    raw[link : link + 4] = first.to_bytes(4, "little")
    plane.write_bytes(raw)

    assert _fault(plane) == "truncated"


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much every read of a header has asked for."""
    counts: list[int] = []
    original = os.pread

    def counting(descriptor: int, count: int, offset: int) -> bytes:
        counts.append(count)
        return original(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counting)
    return counts


@pytest.mark.parametrize(
    ("directories", "entries", "words"),
    [
        (4096, 200_000, "more than 64 images"),
        (64, 200_000, "200,000 values"),
        (64, 65_536, "longer than"),
    ],
)
def test_a_crafted_file_is_refused_after_little_reading(
    tmp_path: Path, bytes_read: list[int], directories: int, entries: int, words: str
) -> None:
    stacks.crafted_directories(tmp_path / "x.tif", directories=directories, entries=entries)

    problem = read_header(tmp_path / "x.tif")

    assert isinstance(problem, HeaderProblem)
    assert problem.fault == "unsupported"
    assert words in problem.detail
    assert sum(bytes_read) < 5_000_000


def test_a_sparse_file_takes_little_memory(tmp_path: Path) -> None:
    stacks.crafted_directories(tmp_path / "x.tif", directories=1, entries=4_000_000, size=20 << 20)

    tracemalloc.start()
    problem = read_header(tmp_path / "x.tif")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert isinstance(problem, HeaderProblem)
    assert peak < 1_000_000


def test_a_plane_of_one_strip_per_row_is_read_as_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.full((2160, 2560), 7, dtype=np.uint16), rowsperstrip=1)

    header = read_header(path)

    assert isinstance(header, PlaneHeader)
    assert header.data_offset is not None


def test_a_description_of_two_megabytes_is_read(tmp_path: Path) -> None:
    xml = '<OME><Pixels SizeX="4"/>' + "<TiffData/>" * 190_000 + "</OME>"
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.zeros((4, 4), np.uint16), description=xml, metadata=None)

    assert isinstance(read_header(path), PlaneHeader)
    assert pixel_facts(read_description(path)) == {"SizeX": 4}


@pytest.mark.parametrize(
    ("tag", "field", "value"),
    [
        (257, 8, 0),  # no rows
        (273, 4, 0),  # no strips
        (258, 4, 2**31),  # more values than the file has bytes
    ],
)
def test_senseless_tags_are_unsupported(plane: Path, tag: int, field: int, value: int) -> None:
    raw = bytearray(plane.read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    entries = range(first + 2, first + 2 + 12 * raw[first], 12)
    (entry,) = [at for at in entries if int.from_bytes(raw[at : at + 2], "little") == tag]
    raw[entry + field : entry + field + 4] = value.to_bytes(4, "little")
    plane.write_bytes(raw)

    assert _fault(plane) == "unsupported"


def test_random_damage_never_raises(plane: Path) -> None:
    original = plane.read_bytes()
    rng = np.random.default_rng(3)
    kinds = set()
    for _ in range(400):
        damaged = bytearray(original)
        for place in rng.integers(0, 250, 4):
            damaged[place] = rng.integers(256)
        plane.write_bytes(damaged)
        kinds.add(type(read_header(plane)))

    assert kinds == {PlaneHeader, HeaderProblem}


def test_ome_facts_come_from_the_first_plane(tmp_path: Path) -> None:
    xml = '<OME><Image><Pixels Type="uint16" SizeX="16" PhysicalSizeX="5.9"/></Image></OME>'
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.zeros((4, 4), np.uint16), description=xml, metadata=None)

    facts = pixel_facts(read_description(path))

    assert facts == {"Type": "uint16", "SizeX": 16, "PhysicalSizeX": 5.9}


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<OME><Image/></OME>",
        "<OME><Pixels",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><OME><Pixels SizeX="1"/></OME>',
    ],
)
def test_xml_without_facts_or_with_entities_gives_none(xml: str) -> None:
    assert pixel_facts(xml) == {}
