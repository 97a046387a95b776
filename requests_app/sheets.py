"""Tables of samples: a file or pasted text becomes rows with errors in words, and back again."""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from requests_app.drafts import SAMPLE_FIELDS
from requests_app.imaging_text import read_imaging, read_spread, write_imaging, write_spread
from requests_app.plans import MOST_SAMPLES

MOST_BYTES = 2_000_000
MOST_UNPACKED = 20_000_000
MOST_ROWS, MOST_COLUMNS = 60, 40
LONGEST_CELL = 2000

# Field → the header that is written, then others that are understood.
HEADERS: dict[str, tuple[str, ...]] = {
    "name": ("sample", "sample name", "name", "tube", "brain"),
    "subject": ("animal", "subject", "subject fullname", "mouse", "rat"),
    "perfusion_date": ("perfused", "perfusion", "perfusion date", "perfused on"),
    "expected_handoff_date": (
        "hand-off", "hand-off date", "handoff", "expected handoff", "expected handoff date",
        "handed in", "date of hand-off",
    ),
    "protocol": ("protocol", "clearing protocol", "clearing"),
    "antibody1": ("primary antibody", "antibody 1", "antibody1", "primary"),
    "antibody2": ("secondary antibody", "antibody 2", "antibody2", "secondary"),
    "notes_for_clearer": ("notes", "notes for clearer", "notes for the clearer", "clearing notes"),
    "imaging": ("imaging", "channels", "resolutions"),
    "notes_for_imager": ("notes for imager", "notes for the imager", "imaging notes"),
    "notes_for_processor": ("notes for processor", "notes for the processor", "processing notes"),
    "atlas": ("atlas", "atlas name"),
    "final_orientation": ("orientation", "final orientation", "output orientation"),
}  # fmt: skip
SPREAD = ("notes_for_imager", "notes_for_processor", "atlas", "final_orientation")
DANGEROUS = re.compile(r"^'*[=+\-@\t\r]")
GUARDED = re.compile(r"^'+[=+\-@\t\r]")


class Unreadable(ValueError):
    """The file as a whole is of no use; says why and what to do."""


@dataclass(slots=True)
class Sheet:
    """What a table holds: samples as a draft keeps them, and what was not understood."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.casefold())


KNOWN = {_plain(word): name for name, words in HEADERS.items() for word in words}


def read_file(content: bytes) -> Sheet:
    """Read an uploaded file, CSV or XLSX by what is in it. Raises Unreadable."""
    if len(content) > MOST_BYTES:
        raise Unreadable(
            f"The file has {len(content) / 1e6:.1f} MB; at most {MOST_BYTES // 1_000_000} MB are "
            "read. Save only the table of samples."
        )
    if content.startswith(b"PK\x03\x04"):
        return read_rows(_rows_of_workbook(content))
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable("This is an old Excel file (.xls). Save it as .xlsx or CSV.")
    return read_text(_decoded(content))


def read_text(text: str) -> Sheet:
    """Read a table as text: columns by comma, semicolon or tab."""
    text = text.replace("\x00", "").lstrip("﻿")
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    try:
        return read_rows(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as problem:
        raise Unreadable(f"The table could not be read ({problem}). Save it as CSV anew.") from None


def _decoded(content: bytes) -> str:
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_rows(rows: Iterable[Sequence[object]]) -> Sheet:
    """Read rows of cells, the first of which names the columns. Raises Unreadable."""
    numbered = enumerate(rows, start=1)
    sheet = Sheet()
    columns = _columns(_first_filled(numbered), sheet)
    for number, row in numbered:
        cells = [cell_text(cell) for cell in row[:MOST_COLUMNS]]
        if not any(cells):
            continue
        if len(sheet.samples) == MOST_SAMPLES or number > MOST_ROWS:
            sheet.errors.append(
                f"From row {number} on nothing was read: a request holds at most {MOST_SAMPLES} "
                "samples."
            )
            break
        sheet.samples.append(_sample(cells, columns, number, sheet))
    if not sheet.samples:
        raise Unreadable("The table has a header but no samples below it.")
    return sheet


def _first_filled(rows: Iterator[tuple[int, Sequence[object]]]) -> list[str]:
    for number, row in rows:
        cells = [cell_text(cell) for cell in row[:MOST_COLUMNS]]
        if any(cells):
            return cells
        if number > MOST_ROWS:
            break
    raise Unreadable("The table is empty.")


def _columns(headers: Sequence[str], sheet: Sheet) -> dict[int, str]:
    found: dict[int, str] = {}
    for place, header in enumerate(headers):
        name = KNOWN.get(_plain(header))
        if name is None and header:
            sheet.errors.append(f"Column “{header[:40]}” is not known; it was left out.")
        elif name in found.values():
            sheet.errors.append(f"Column “{header[:40]}” comes twice; the first one counts.")
        elif name:
            found[place] = name
    if "name" not in found.values():
        raise Unreadable(
            "No column is named “sample”. The first row has to name the columns: "
            f"{', '.join(words[0] for words in HEADERS.values())}. Download the table to see one."
        )
    return found


def cell_text(value: object) -> str:
    """Return a cell as it would be typed: dates as 2030-01-31, whole numbers without .0."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()[:LONGEST_CELL]
    return text[1:] if GUARDED.match(text) else text


def _sample(
    cells: Sequence[str], columns: Mapping[int, str], number: int, sheet: Sheet
) -> dict[str, Any]:
    given = {name: cells[place] for place, name in columns.items() if place < len(cells)}
    sample: dict[str, Any] = {name: given.get(name, "") for name in SAMPLE_FIELDS}
    imaging, problem = read_imaging(given.get("imaging", ""))
    if problem:
        sample["imaging_text"] = given["imaging"]
        sheet.errors.append(f"Row {number}, imaging: {problem}")
    for name in SPREAD:
        for row, text in zip(
            imaging,
            read_spread(given.get(name, ""), [r["objective"] for r in imaging]),
            strict=True,
        ):
            row[name] = text
    if not imaging and any(given.get(name) for name in SPREAD):
        sheet.errors.append(
            f"Row {number}: notes, atlas and orientation belong to an objective; "
            "fill in the column “imaging” as well."
        )
    sample["imaging"] = imaging
    return sample


# --- workbooks ---


def _rows_of_workbook(content: bytes) -> Iterator[Sequence[object]]:
    """Return the cells of the first sheet. No formula is evaluated, nothing big is unpacked."""
    from openpyxl import load_workbook

    _require_harmless(content)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        rows = list(sheet.iter_rows(max_row=MOST_ROWS, max_col=MOST_COLUMNS, values_only=True))
        book.close()
    except Exception as problem:  # openpyxl lets whatever its parsers raise pass through
        raise Unreadable(
            "The workbook could not be read. Open it, save it as .xlsx or CSV anew."
        ) from problem
    return iter(rows)


def _require_harmless(content: bytes) -> None:
    """Refuse archives that unpack to much more than a table of samples has."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > 500 or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise Unreadable("The workbook is too large; save only the table of samples.")
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    _require_no_entities(archive.read(part))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as problem:
        raise Unreadable("This is no workbook. Save the table as .xlsx or CSV.") from problem


def _require_no_entities(xml: bytes) -> None:
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise Unreadable("The workbook holds definitions that no table needs; save it anew.")


# --- writing ---


def write_csv(samples: Iterable[Mapping[str, Any]]) -> str:
    """Return the samples as CSV that reads back as the same samples."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([words[0] for words in HEADERS.values()])
    for sample in samples:
        writer.writerow([guarded(_cell(sample, name)) for name in HEADERS])
    return out.getvalue()


def _cell(sample: Mapping[str, Any], name: str) -> str:
    rows = sample.get("imaging", [])
    if name == "imaging":
        return str(sample.get("imaging_text") or write_imaging(rows))
    if name in SPREAD:
        return write_spread([(row["objective"], row.get(name, "")) for row in rows])
    return str(sample.get(name, ""))


def guarded(text: str) -> str:
    """Return text that a spreadsheet takes for text and never for a formula."""
    return f"'{text}" if DANGEROUS.match(text) else text
