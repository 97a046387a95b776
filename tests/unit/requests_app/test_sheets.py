"""Tables of samples: what spreadsheets make of them is read, and what is written reads back."""

import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from requests_app import drafts, sheets
from requests_app.imaging_text import read_imaging, write_imaging

TABLE = (
    "Sample,Animal,Protocol,Hand-off,Imaging\n"
    'brain-001,m1,uDISCO,2030-01-07,"1.3x: 488 registration, 647 cells; 3.6x: 642 generic"\n'
)
IMAGING = [
    {"objective": "1.3x", "channels": {"488": ["registration"], "647": ["cell_detection"]}},
    {"objective": "3.6x", "channels": {"642": ["generic_imaging"]}},
]


def a_workbook(*rows: list[object]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def channels_of(sample: dict[str, object]) -> list[dict[str, object]]:
    return [{k: row[k] for k in ("objective", "channels")} for row in sample["imaging"]]  # type: ignore[attr-defined, union-attr]


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.replace("\n", "\r\n").encode(),
        b"\n\n" + TABLE.encode(),
    ],
    ids=["utf-8", "byte order mark", "utf-16", "windows", "empty lines first"],
)
def test_a_table_is_read_however_it_was_saved(content: bytes) -> None:
    sheet = sheets.read_file(content)

    sample = sheet.samples[0]
    assert sheet.errors == []
    assert (sample["name"], sample["subject"], sample["protocol"]) == ("brain-001", "m1", "uDISCO")
    assert sample["expected_handoff_date"] == "2030-01-07"
    assert channels_of(sample) == IMAGING


@pytest.mark.parametrize("sign", [";", "\t", ","])
def test_columns_are_parted_by_comma_semicolon_or_tab(sign: str) -> None:
    text = sign.join(["sample", "protocol", "notes"]) + "\n" + sign.join(["a", "uDISCO", "x"])

    assert sheets.read_text(text).samples[0]["notes_for_clearer"] == "x"


def test_what_is_not_utf_8_is_read_as_latin_1() -> None:
    sheet = sheets.read_file("sample,notes\na,für Käthe\n".encode("latin-1"))

    assert sheet.samples[0]["notes_for_clearer"] == "für Käthe"


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("SAMPLE NAME", "name"),
        ("Primary_Antibody", "antibody1"),
        ("antibody 2", "antibody2"),
        ("Date of hand-off", "expected_handoff_date"),
        ("perfusion date", "perfusion_date"),
        ("Notes for the clearer", "notes_for_clearer"),
    ],
)
def test_headers_are_understood_in_many_words(header: str, field: str) -> None:
    first = "tube" if field != "name" else "notes"

    sheet = sheets.read_text(f"{first},{header}\na,b\n")

    assert sheet.samples[0][field] == "b"


def test_a_workbook_is_read_with_its_dates_and_numbers() -> None:
    content = a_workbook(
        ["Sample", "Hand-off", "Perfused", "Animal", "Notes"],
        ["b1", datetime(2030, 1, 7), date(2029, 12, 1), 17.0, 2.5],  # as cells hold it
    )

    sample = sheets.read_file(content).samples[0]

    assert sample["expected_handoff_date"] == "2030-01-07"
    assert sample["perfusion_date"] == "2029-12-01"
    assert (sample["subject"], sample["notes_for_clearer"]) == ("17", "2.5")


def test_formulas_are_not_evaluated() -> None:
    content = a_workbook(["sample", "notes"], ["b1", '=HYPERLINK("http://example.org")'])

    assert sheets.read_file(content).samples[0]["notes_for_clearer"] == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"sample,notes\n", "no samples below"),
        (b"color,size\nred,1\n", "No column is named"),
        (b"PK\x03\x04 and nothing more", "no workbook"),
        (b"\xd0\xcf\x11\xe0 old", "old Excel"),
        (b"x" * (sheets.MOST_BYTES + 1), "at most 2 MB"),
        (b'sample,notes\n"' + b"x" * 200_000 + b'",y\n', "could not be read"),
    ],
)
def test_a_useless_file_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(sheets.Unreadable, match=words):
        sheets.read_file(content)


def _archive(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(f"{name}.xml", content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_archive(bomb=b"\0" * (sheets.MOST_UNPACKED + 1)), "too large"),
        (_archive(a=b'<!DOCTYPE x [<!ENTITY a "b">]><x/>'), "definitions"),
        (_archive(a=b"<x/>"), "could not be read"),
    ],
    ids=["unpacks to much", "entities", "no workbook at all"],
)
def test_an_archive_that_is_no_table_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(sheets.Unreadable, match=words):
        sheets.read_file(content)


def test_more_than_fifty_samples_are_cut_and_said() -> None:
    sheet = sheets.read_text("sample\n" + "\n".join(f"b{n}" for n in range(58)))

    assert len(sheet.samples) == 50
    assert "at most 50" in sheet.errors[0]


def test_a_sheet_of_a_million_rows_is_not_read_through() -> None:
    rows = (["sample"] if n == 0 else [f"b{n}"] for n in range(10**6))

    assert len(sheets.read_rows(rows).samples) == 50
    assert next(rows) == ["b52"]


def test_unknown_columns_and_doubles_are_said() -> None:
    sheet = sheets.read_text("sample,shoe size,notes,Notes\na,43,first,second\n")

    assert sheet.samples[0]["notes_for_clearer"] == "first"
    assert [e.split("”")[0] for e in sheet.errors] == ["Column “shoe size", "Column “Notes"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("488 registration", "does not begin with an objective"),
        ("1.3x: 488", "does not say what the channel is for"),
        ("1.3x: 488 admiration", "does not say what the channel is for"),
    ],
)
def test_imaging_that_cannot_be_read_is_kept_as_text_and_said(text: str, words: str) -> None:
    sheet = sheets.read_text(f"sample;imaging\na;{text}\n")

    assert sheet.samples[0]["imaging_text"] == text
    assert sheet.samples[0]["imaging"] == []
    assert sheet.errors[0].startswith("Row 2, imaging: ")
    assert words in sheet.errors[0]


@pytest.mark.parametrize(
    "text", ["1.3x: 488 reg, 647 Cell detection; 3.6x: 642 generic imaging", write_imaging(IMAGING)]
)
def test_imaging_is_read_in_the_words_of_people_and_in_ours(text: str) -> None:
    assert read_imaging(text) == (IMAGING, "")


def test_several_purposes_of_a_channel_are_written_and_read() -> None:
    rows = [{"objective": "4x", "channels": {"488": ["registration", "generic_imaging"]}}]

    assert write_imaging(rows) == "4x: 488 registration+generic"
    assert read_imaging("4x: 488 registration+generic")[0] == rows


HARD = [
    "=1+1", "+49", "-5 °C", "@home", "'=quoted", "''=twice", "'plain", 'q"uote, comma; semicolon',
    "two\nlines", "ünï 🧠", "1.3x: not an objective's", "back\\slash", "a | b", "",
]  # fmt: skip


@pytest.mark.parametrize("text", HARD)
def test_a_downloaded_table_reads_back_as_the_same_samples(text: str) -> None:
    imaging = [
        {
            "objective": name,
            "channels": {"488": ["registration"]},
            "notes_for_imager": text,
            "notes_for_processor": text if name == "4x" else "other | words",
            "atlas": "allen_2017",
            "final_orientation": "sagittal",
        }
        for name in ("1.3x", "4x")
    ]
    given = [{"name": "b1", "antibody1": text, "notes_for_clearer": text, "imaging": imaging}]
    samples = drafts.clean_samples(given, [])

    again = sheets.read_file(sheets.write_csv(samples).encode("utf-8-sig"))

    assert again.errors == []
    assert drafts.clean_samples(again.samples, []) == samples


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_that_is_written_is_a_formula(text: str) -> None:
    written = sheets.write_csv([{"name": "b1", "notes_for_clearer": text}])

    assert f"'{text}" in written
