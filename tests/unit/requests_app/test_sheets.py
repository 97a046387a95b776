"""Tables of samples: what spreadsheets make of them is read, and what is written reads back."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from requests_app import drafts, sheets, workbooks
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


def test_what_is_not_utf_8_is_read_as_windows_writes_it() -> None:
    sheet = sheets.read_file("sample,notes\na,für Käthe – “5 µl” €\n".encode("cp1252"))

    assert sheet.samples[0]["notes_for_clearer"] == "für Käthe – “5 µl” €"


def test_bytes_that_windows_does_not_know_are_read_as_latin_1() -> None:
    sheet = sheets.read_file(b"sample,notes\na,f\xfcr \x81 b\n")

    assert sheet.samples[0]["notes_for_clearer"] == "für \x81 b"


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
        (_archive(bomb=b"\0" * (workbooks.MOST_UNPACKED + 1)), "too large"),
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


# --- nothing is lost without a word ---


def test_samples_with_empty_rows_between_them_are_all_read() -> None:
    rows: list[list[object]] = [["sample"]]
    for number in range(30):
        rows += [[f"b{number}"], [], []]

    sheet = sheets.read_file(a_workbook(*rows))

    assert [sample["name"] for sample in sheet.samples] == [f"b{n}" for n in range(30)]
    assert sheet.errors == []


def test_rows_of_a_workbook_that_are_too_many_are_said() -> None:
    sheet = sheets.read_file(a_workbook(["sample"], *[[f"b{n}"] for n in range(60)]))

    assert len(sheet.samples) == 50
    assert sheet.errors[0].startswith("From row 52 on nothing was read")


def test_a_row_far_below_the_others_is_not_read_and_said() -> None:
    rows = [["sample"], ["b1"], *[[]] * sheets.MOST_ROWS, ["b2"]]

    sheet = sheets.read_rows(rows)

    assert [sample["name"] for sample in sheet.samples] == ["b1"]
    assert "a table is read to row 2000" in sheet.errors[0]


def test_long_notes_of_five_objectives_read_back_whole() -> None:
    imaging = [
        {
            "objective": name,
            "channels": {"488": ["registration"]},
            "notes_for_imager": name + "\\" * 1020,
            "notes_for_processor": name + "x" * 1020,
        }
        for name in ("1.1x", "1.3x", "2x", "3.6x", "15x")
    ]
    samples = drafts.clean_samples([{"name": "b1", "imaging": imaging}], [])

    again = sheets.read_file(sheets.write_csv(samples).encode())

    assert (again.samples[0]["imaging"], again.errors) == (samples[0]["imaging"], [])


def test_a_cell_that_is_cut_is_said() -> None:
    sheet = sheets.read_text("sample,notes\na," + "x" * (sheets.LONGEST_CELL + 7))

    assert len(sheet.samples[0]["notes_for_clearer"]) == sheets.LONGEST_CELL
    assert sheet.errors == [
        f"Row 2, notes: the cell had {sheets.LONGEST_CELL + 7} characters and was cut to "
        f"{sheets.LONGEST_CELL}."
    ]


def test_a_formula_without_a_value_is_said() -> None:
    sheet = sheets.read_file(a_workbook(["sample", "notes"], ["b1", "=A2"], ["b2", "x"]))

    assert [sample["name"] for sample in sheet.samples] == ["b1", "b2"]
    assert len(sheet.errors) == 1
    assert sheet.errors[0].startswith("Row 2, notes: this cell is a formula without a value; save")


def with_part(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return a workbook one part of which is another."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for part in old.infolist():
            found = old.read(part)
            new.writestr(part.filename, change(found) if part.filename.endswith(name) else found)
    return out.getvalue()


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (b'<c r="B2" t="str"><f>A2</f><v>b1</v></c>', "b1"),
        (b'<c r="B2" t="str"><f>A3</f><v></v></c>', ""),
    ],
    ids=["a value", "empty text"],
)
def test_a_formula_with_a_value_is_read_as_that(cell: bytes, text: str) -> None:
    content = with_part(
        a_workbook(["sample", "notes"], ["b1"]),
        "sheet1.xml",
        lambda xml: xml.replace(b"</row></sheetData>", cell + b"</row></sheetData>"),
    )

    sheet = sheets.read_file(content)

    assert (sheet.samples[0]["notes_for_clearer"], sheet.errors) == (text, [])


def test_the_first_visible_sheet_counts_and_others_that_are_filled_are_said() -> None:
    book = Workbook()
    book.active.append(["sample"])
    book.active.append(["old"])
    book.active.sheet_state = "hidden"
    book.create_sheet("empty")
    for title in ("today", "tomorrow"):
        sheet = book.create_sheet(title)
        sheet.append(["sample"])
        sheet.append([title])
    out = io.BytesIO()
    book.save(out)

    read = sheets.read_file(out.getvalue())

    assert [sample["name"] for sample in read.samples] == ["today"]
    assert read.errors == ["Sheet “tomorrow” was left out; only the sheet “today” was read."]


@pytest.mark.parametrize(
    "text",
    [
        'sample,notes,protocol\nb1,"5 ul only,p\nb2,,p\nb3,,p\n',
        'sample,notes,protocol\nb1,"5 ul only,p\nb2,"x",p\nb3,,p\n',
        'sample\n"b1\nb2\nb3',
    ],
    ids=["never closed", "closed by the next one", "one column"],
)
def test_a_quotation_mark_that_swallows_rows_is_refused(text: str) -> None:
    with pytest.raises(sheets.Unreadable, match="quotation mark"):
        sheets.read_text(text)


def test_a_well_quoted_cell_that_looks_like_rows_is_said() -> None:
    sheet = sheets.read_text('sample,notes,protocol\nb1,"5 ul,p\nb2,,p\nb3,7 ul",p\nb4,,p\n')

    assert [sample["name"] for sample in sheet.samples] == ["b1", "b4"]
    assert sheet.errors[0].startswith("Row 2: one cell holds several lines")


def test_quotation_marks_within_text_do_no_harm() -> None:
    sheet = sheets.read_text('sample\tnotes\nb1\t"quoted" word\nb2\t5" long\n')

    assert [sample["name"] for sample in sheet.samples] == ["b1", "b2"]
    assert sheet.samples[1]["notes_for_clearer"] == '5" long'


def test_cells_without_a_header_are_said() -> None:
    sheet = sheets.read_text("sample,,notes\nb1,lost,x,lost\nb2,,y\nb3,lost,z\n")

    assert [sample["notes_for_clearer"] for sample in sheet.samples] == ["x", "y", "z"]
    assert sheet.errors == [
        "Column 2 has no header; what it holds in rows 2, 4 was left out.",
        "Column 4 has no header; what it holds in row 2 was left out.",
    ]


@pytest.mark.parametrize("is_workbook", [True, False])
def test_columns_too_far_right_are_said(*, is_workbook: bool) -> None:
    rows: list[list[object]] = [["sample", *[None] * 45, "notes"], ["b1", *[None] * 45, "lost"]]

    sheet = sheets.read_file(a_workbook(*rows)) if is_workbook else sheets.read_rows(rows)

    assert sheet.errors == [
        "Only 40 columns are read; what rows 1, 2 hold further right was left out."
    ]


def test_what_is_written_for_an_objective_the_sample_lacks_is_said() -> None:
    sheet = sheets.read_text(
        "sample,imaging,notes for imager\nb1,1.3x: 488 reg,1.3x: a | 15x: b | 1.3x: c\n"
    )

    assert sheet.samples[0]["imaging"][0]["notes_for_imager"] == "a"
    assert [e[:44] for e in sheet.errors] == [
        "Row 2, notes for imager: “15x: b” was left o",
        "Row 2, notes for imager: “1.3x: c” was left ",
    ]


def test_only_an_orientation_is_put_in_small_letters() -> None:
    sheet = sheets.read_text(
        "sample,imaging,notes for imager,orientation\nb1,1.3x: 488 reg,Coronal,Coronal\n"
    )

    row = sheet.samples[0]["imaging"][0]
    assert (row["notes_for_imager"], row["final_orientation"]) == ("Coronal", "coronal")


# --- workbooks made to do harm ---


def with_formats(tag: bytes) -> bytes:
    return with_part(
        a_workbook(["sample"], ["b1"]),
        "styles.xml",
        lambda xml: xml.replace(b"<cellXfs", b"<cellXfs>" + tag + b"</cellXfs><x", 1),
    )


def with_cells(cells: bytes) -> bytes:
    return with_part(
        a_workbook(["sample"], ["b1"]),
        "sheet1.xml",
        lambda xml: xml.replace(b"</row>", cells + b"</row>", 1),
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (with_formats(b"<xf/>" * 500_000), "too large"),
        (with_formats(b"".join(b'<xf a="%d"/>' % n for n in range(21_000))), "too many formats"),
        (with_cells(b"<c/>" * 1_000_000), "too large"),
        (with_cells(b"".join(b'<c a="%d"/>' % n for n in range(201_000))), "too large"),
        (with_formats(b'<numFmt formatCode="' + b"[" * 60 + b'"/>'), "definitions"),
        (with_formats(b'<numFmt formatCode="' + b"0" * 600 + b'"/>'), "definitions"),
    ],
    ids=["formats", "formats that pack badly", "cells", "many cells", "brackets", "a long format"],
)
def test_a_small_workbook_that_would_keep_the_site_busy_is_refused(
    content: bytes, words: str
) -> None:
    assert len(content) < sheets.MOST_BYTES
    with pytest.raises(sheets.Unreadable, match=words):
        sheets.read_file(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_workbook_packed_so_that_it_cannot_be_unpacked_in_part_is_refused(method: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.xml", b"<x/>")

    with pytest.raises(sheets.Unreadable, match="unusual"):
        sheets.read_file(out.getvalue())


def test_a_workbook_that_understates_its_size_is_refused() -> None:
    content = with_cells(b"<c/>" * 30_000)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    lying = content.replace(size.to_bytes(4, "little"), (900).to_bytes(4, "little"))

    assert lying != content
    with pytest.raises(sheets.Unreadable, match="no workbook"):
        sheets.read_file(lying)


@pytest.mark.parametrize(
    "declared",
    ['<?xml version="1.0" encoding="UTF-16"?>', ""],
    ids=["declared", "byte order mark only"],
)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_definitions_do_not_hide_in_another_encoding(declared: str, encoding: str) -> None:
    evil = f'{declared}<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode(encoding)

    with pytest.raises(sheets.Unreadable, match="UTF-8"):
        sheets.read_file(_archive(a=evil))


def test_definitions_do_not_hide_in_an_encoding_that_is_declared_alone() -> None:
    evil = b'<?xml version="1.0"' + b" " * 500 + b'encoding="cp037"?>' + "<x/>".encode("cp037")

    with pytest.raises(sheets.Unreadable, match="UTF-8"):
        sheets.read_file(_archive(a=evil))


def test_a_large_tidy_workbook_is_read() -> None:
    book = Workbook()
    book.active.append(["Sample", "Hand-off", "Notes"])
    for number in range(50):
        book.active.append([f"b{number}", datetime(2030, 1, 7), "the same note " * 60])
    for row in range(52, 1000):  # formats without text, as a filled-down column leaves them
        for column in range(1, 14):
            book.active.cell(row, column).number_format = "0.00"
    out = io.BytesIO()
    book.save(out)

    sheet = sheets.read_file(out.getvalue())

    assert (len(sheet.samples), sheet.errors) == (50, [])
    assert sheet.samples[49]["expected_handoff_date"] == "2030-01-07"


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def with_shared_texts(texts: str) -> bytes:
    """Return a workbook whose texts are kept in one list, as spreadsheet programs do."""
    content = with_part(
        a_workbook([0, 2], [1, 47490]),
        "sheet1.xml",
        lambda xml: (
            xml.replace(b't="n"><v>0<', b't="s"><v>0<')
            .replace(b't="n"><v>1<', b't="s"><v>1<')
            .replace(b't="n"><v>2<', b't="s"><v>2<')
        ),
    )
    listed = (
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{OFFICE}.sharedStrings+xml"/>'
    )
    content = with_part(
        content,
        "[Content_Types].xml",
        lambda xml: xml.replace(b"</Types>", listed.encode() + b"</Types>"),
    )
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'
        archive.writestr("xl/sharedStrings.xml", f'{head}<sst xmlns="{MAIN}">{texts}</sst>')
    return out.getvalue()


def test_texts_that_a_workbook_keeps_in_one_list_are_read() -> None:
    texts = (
        "<si><t>sample</t></si><si><r><t>bräin</t></r><r><t>-1</t></r></si><si><t>notes</t></si>"
    )

    sheet = sheets.read_file(with_shared_texts(texts))

    assert sheet.errors == []
    assert sheet.samples[0]["name"] == "bräin-1"
    assert sheet.samples[0]["notes_for_clearer"] == "47490"
