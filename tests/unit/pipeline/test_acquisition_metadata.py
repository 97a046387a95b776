"""What the microscope noted is read with care and compared with what was typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline.phantom_metadata import Acquisition, ome_xml, session_text
from pipeline.raw.check import DeliveryReport, Expected, inspect_folder
from pipeline.raw.ome import lavision_notes
from pipeline.raw.session import read_session
from tests.support import stacks

if TYPE_CHECKING:
    from pathlib import Path

PROPERTIES = (
    '<OME><Image><Pixels SizeZ="920" PixelType="uint16" PhysicalSizeX="5.909" PhysicalSizeZ="10"/>'
    "</Image><CustomAttributes><Properties>{}</Properties></CustomAttributes></OME>"
)
SESSION = {
    "session_config": {
        "obj_name": "LCT 3.6x", "z_block": "6676", "z_step_um": "2.00", "m/pix": "1.800",
    },
    "wavelength_config": {"488": {}, "639": {}},
    "tile_config": {
        f"t_{number}": {"X": str(x), "Y": str(y), "Z": "1707", "Laser": laser, "Side": side}
        for number, (x, y, laser, side) in enumerate(
            (x, y, laser, side)
            for x, side in ((471320, "0"), (503720, "1"))
            for y in (701490, 727410, 753330)
            for laser in ("488", "639")
        )
    },
}  # fmt: skip


def _file(index: int, code: int) -> str:
    return stacks.plane_name(0, filter_index=index, sheet_code=code)


def _acquisition(**changes: object) -> Acquisition:
    values = {
        "shape": (4, 12, 16),
        "voxel_um": (10.0, 5.0, 5.0),
        "channels": ("488", "555"),
        "sheets": 2,
    }
    return Acquisition(**{**values, **changes})


def _delivered(root: Path, expected: Expected, xml: str) -> DeliveryReport:
    """A whole delivery of two channels and sheets, with this metadata in its first plane."""
    folder = stacks.lavision_delivery(root / "raw", filters=(0, 1), sheets=(0, 1))
    stacks.describe(folder / stacks.plane_name(0), xml)
    return inspect_folder(root, "raw", expected)


def _typed(**typed: float) -> Expected:
    return stacks.expected_delivery(filters=(0, 1), right=True, **typed)


def test_metadata_that_agrees_with_the_form_is_no_problem(tmp_path: Path) -> None:
    expected = _typed(z_step_um=10.0, overlap=0.0, pixel_um=5.0)

    report = _delivered(tmp_path, expected, ome_xml(_acquisition(), _file))

    assert report.ok
    assert report.acquired["folder"]["numerical_aperture"]["value"] == 0.0085
    assert report.acquired["folder"]["software"]["value"] == "Imspector 7.0"
    assert report.acquired["folder"]["started_at"]["value"] == "2024-01-15T10:30:00"
    assert report.acquired["channels"]["488"]["sheets"]["value"] == ["left", "right"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"voxel_um": (5.0, 5.0, 5.0)}, "metadata_z_step", "a z step of 5 µm, not 10 µm"),
        ({"voxel_um": (10.0, 5.9, 5.9)}, "metadata_pixel", "pixels of 5.9 µm, not 5 µm"),
        ({"shape": (9, 12, 16)}, "metadata_planes", "9 planes, not 4"),
        ({"columns": 2}, "metadata_tiles", "2 columns x 1 rows, not 1 x 1"),
    ],
)
def test_each_difference_is_a_problem_that_may_be_accepted(
    tmp_path: Path, changes: dict[str, object], code: str, words: str
) -> None:
    expected = _typed(z_step_um=10.0, pixel_um=5.0)

    report = _delivered(tmp_path, expected, ome_xml(_acquisition(**changes), _file))

    assert {problem.code for problem in report.problems} == {code}
    assert words in report.problems[0].what
    assert stacks.plane_name(0) in report.problems[0].what
    assert report.problems[0].waivable


def test_a_hundredth_of_a_step_is_no_difference(tmp_path: Path) -> None:
    xml = ome_xml(_acquisition(voxel_um=(10.05, 5.0, 5.0)), _file)

    assert _delivered(tmp_path, _typed(z_step_um=10.0), xml).ok


def test_swapped_channels_are_never_accepted(tmp_path: Path) -> None:
    report = _delivered(tmp_path, _typed(), ome_xml(_acquisition(channels=("555", "488")), _file))

    assert [problem.code for problem in report.problems] == ["wrong_channel", "wrong_channel"]
    assert not report.problems[0].waivable
    assert "says 555 nm for Filter0000, not 488 nm" in report.problems[0].what


def test_a_laser_that_nobody_requested_may_be_accepted(tmp_path: Path) -> None:
    report = _delivered(tmp_path, _typed(), ome_xml(_acquisition(channels=("488", "785")), _file))

    assert [problem.code for problem in report.problems] == ["metadata_channel"]


def test_swapped_light_sheets_are_named(tmp_path: Path) -> None:
    xml = ome_xml(_acquisition(), lambda index, code: _file(index, 1 - code))

    report = _delivered(tmp_path, _typed(), xml)

    assert {problem.code for problem in report.problems} == {"metadata_sheet"}
    assert "C00 is the right light sheet, not the left one" in report.problems[0].what


def test_the_overlap_counts_where_there_are_tiles(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", columns=2)
    acquired = _acquisition(channels=("488",), sheets=1, columns=2, overlap=0.6)
    stacks.describe(folder / stacks.plane_name(0), ome_xml(acquired, _file))

    report = inspect_folder(tmp_path, "raw", stacks.expected_delivery(columns=2, overlap=0.1))

    assert [problem.code for problem in report.problems] == ["metadata_overlap"]
    assert "an overlap of 60.0 %, not 10 %" in report.problems[0].what


def test_without_metadata_there_is_a_note_and_no_problem(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "raw")

    report = inspect_folder(tmp_path, "raw", stacks.expected_delivery(z_step_um=10.0))

    assert report.ok
    assert "No metadata of the microscope was found" in report.notes[0]


@pytest.mark.parametrize(
    "element",
    [
        '<prop label="UltraII NAValue" Value="0.0135"/>',
        '<UltraII_Na_Value Value="0.0135"/>',
        '<UltraII_NAValue UltraII_NAValue="0.0135"/>',
    ],
)
def test_a_property_is_found_however_it_is_written(element: str) -> None:
    assert lavision_notes(PROPERTIES.format(element), "x").numerical_aperture == 0.0135


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "ten", "", "1e999"])
def test_a_figure_that_is_none_is_no_fact(value: str) -> None:
    xml = f'<OME><Pixels SizeZ="{value}" PhysicalSizeX="{value}" PhysicalSizeZ="{value}"/></OME>'

    notes = lavision_notes(xml, "x")

    assert (notes.planes, notes.pixel_um, notes.z_step_um) == (None, None, None)


def test_notes_that_speak_of_their_own_plane_alone_say_nothing_of_the_depth() -> None:
    xml = '<OME><Image><Pixels SizeZ="1" PhysicalSizeZ="10" PixelType="uint16"/></Image></OME>'

    notes = lavision_notes(xml, "here")

    assert (notes.planes, notes.z_step_um) == (None, 10.0)


def test_entities_are_refused() -> None:
    xml = '<!DOCTYPE x [<!ENTITY a "9">]><OME><Pixels SizeZ="9"/></OME>'

    assert lavision_notes(xml, "x").planes is None


def test_sizes_in_another_unit_are_not_compared() -> None:
    xml = '<OME><Pixels SizeZ="9" PhysicalSizeX="5000" PhysicalSizeXUnit="nm"/></OME>'

    assert lavision_notes(xml, "x").pixel_um is None


def test_a_session_tells_tiles_and_sheets_of_its_channel() -> None:
    notes = read_session(json.dumps(SESSION).encode(), "642", "the session")

    assert (notes.columns, notes.rows, notes.planes) == (2, 3, 3338)
    assert (notes.pixel_um, notes.z_step_um, notes.objective) == (1.8, 2.0, "LCT 3.6x")
    assert (notes.lasers, notes.tiled_sheets) == ((488, 639), (0, 1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_text_of_a_session_is_read_in_any_usual_encoding(encoding: str) -> None:
    acquired = _acquisition(voxel_um=(2.0, 1.8, 1.8), columns=3, rows=5, channels=("488", "642"))

    notes = read_session(session_text(acquired, (8, 10)).encode(encoding), "488", "x")

    assert (notes.columns, notes.rows, notes.planes) == (3, 5, 4)
    assert (notes.pixel_um, notes.z_step_um) == (1.8, 2.0)


def test_lasers_may_be_numbered() -> None:
    text = (
        "Obj\tRes\tµm/pix\tX/Z Step (µm)\nTL 2x\t2048\t3.456\t2.444\n"
        "X\tY\tZ\tLaser\tSide\tExposure\n046560\t-136000\t-1444\t1\t0\t2\n046560\t-08600\t-1444\t0\t0\t2\n"
    )

    notes = read_session(text.encode(), "561", "x")

    assert (notes.columns, notes.rows) == (1, 1)
    assert notes.pixel_um == 3.456


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"null", b"\x00\xff" * 50, b'{"tile_config": 3}', b"a\tb\nc\td\n"]
)
def test_what_is_no_session_tells_nothing(data: bytes) -> None:
    notes = read_session(data, "488", "x")

    assert (notes.columns, notes.planes, notes.pixel_um) == (None, None, None)


@pytest.mark.parametrize("place", [".", "Ex_488_Em_0"])
def test_a_session_beside_or_in_the_channel_folder_is_compared(tmp_path: Path, place: str) -> None:
    stacks.smartspim_delivery(tmp_path / "Ex_488_Em_0", columns=2, rows=3)
    (tmp_path / place / "metadata.json").write_text(json.dumps(SESSION))

    report = inspect_folder(
        tmp_path, "Ex_488_Em_0", stacks.expected_smartspim(columns=2, rows=3, z_step_um=5.0)
    )

    codes = {problem.code for problem in report.problems}
    assert codes == {"metadata_planes", "metadata_z_step"}


def test_a_session_that_knows_another_laser_only_is_a_problem(tmp_path: Path) -> None:
    stacks.smartspim_delivery(tmp_path / "Ex_561_Em_1", columns=2, rows=3)
    (tmp_path / "metadata.json").write_text(json.dumps(SESSION))
    expected = stacks.expected_smartspim(columns=2, rows=3, name="561", filter_index=1)

    report = inspect_folder(tmp_path, "Ex_561_Em_1", expected)

    assert "metadata_channel" in {problem.code for problem in report.problems}


def test_notes_that_link_out_of_the_storage_are_not_read(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stacks.smartspim_delivery(tmp_path / "Ex_488_Em_0", columns=2, rows=3)
    outside = tmp_path_factory.mktemp("elsewhere") / "metadata.json"
    outside.write_text(json.dumps(SESSION))
    (tmp_path / "metadata.json").symlink_to(outside)

    report = inspect_folder(tmp_path, "Ex_488_Em_0", stacks.expected_smartspim(columns=2, rows=3))

    assert report.ok
    assert "No metadata" in report.notes[0]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["_C00_", "Filter0000", "Filter0000;" + 200_000 * " "])
def test_a_text_made_to_be_read_for_hours_is_read_at_once(text: str) -> None:
    made = (text * (1_000_000 // len(text)))[:1_000_000]
    given = f'<a label="RawDataInformation" Value="{made}"/>'
    tiles = f'<a label="TileConfiguration" Value="{made}"/>'

    notes = lavision_notes(PROPERTIES.format(given + tiles), "the metadata")

    assert (notes.planes, notes.wavelengths, notes.sheets) == (920, {}, {})


def test_a_number_of_planes_that_no_database_holds_is_no_fact() -> None:
    notes = lavision_notes(PROPERTIES.replace("920", 40 * "9").format(""), "the metadata")

    assert notes.planes is None


@pytest.mark.parametrize(
    "text",
    ["X\tY\tLaser\n10\t10\t-9\n", f"z_step (um)\tZ_Block\n0.{30 * '0'}1\t{300 * '9'}\n"],
    ids=["a laser before the first", "a depth without end"],
)
def test_senseless_figures_of_a_session_are_no_facts(text: str) -> None:
    notes = read_session(text.encode(), "488", "the session")

    assert (notes.source, notes.planes) == ("the session", None)
