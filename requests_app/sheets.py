"""Tables of samples: a file or pasted text becomes rows with errors in words, and back again."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from requests_app.drafts import LONGEST_TEXT, MOST_OBJECTIVES, SAMPLE_FIELDS
from requests_app.imaging_text import (
    left_over,
    orientation_of,
    read_imaging,
    read_spread,
    write_imaging,
    write_spread,
)
from requests_app.plans import MOST_SAMPLES
from requests_app.workbooks import MOST_COLUMNS, UNCOMPUTED, Row, read_workbook
from requests_app.workbooks import Unreadable as Unreadable

MOST_BYTES = 2_000_000
MOST_ROWS = 2000
# A cell may hold the notes of every objective, each sign of them escaped.
LONGEST_CELL = MOST_OBJECTIVES * (2 * LONGEST_TEXT + LONGEST_TEXT // 10)

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
        rows, left_out = read_workbook(content)
        sheet = _read(rows)
        return Sheet(sheet.samples, left_out + sheet.errors)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable("This is an old Excel file (.xls). Save it as .xlsx or CSV.")
    return read_text(_decoded(content))


def read_text(text: str) -> Sheet:
    """Read a table as text: columns by comma, semicolon or tab."""
    text = text.replace("\x00", "").lstrip("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        fault = _fault_of_quotes(text, delimiter)
    except csv.Error as problem:
        raise Unreadable(f"The table could not be read ({problem}). Save it as CSV anew.") from None
    if fault:
        _require_whole_rows(rows, delimiter, is_open="end of data" in fault)
    sheet = read_rows(rows)
    if not fault:
        sheet.errors += _rows_in_a_cell(rows, delimiter, first.count(delimiter))
    return sheet


def _fault_of_quotes(text: str, delimiter: str) -> str:
    try:
        for _ in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True):
            pass
    except csv.Error as problem:
        return str(problem)
    return ""


def _require_whole_rows(rows: Sequence[Sequence[str]], delimiter: str, *, is_open: bool) -> None:
    """Refuse a table in which a quotation mark made one cell of several rows."""
    for number, row in enumerate(rows, start=1):
        is_last = is_open and number == len(rows)
        if is_last or any("\n" in cell and delimiter in cell for cell in row):
            raise Unreadable(
                f'Row {number}: a quotation mark (") begins a cell there and is not closed, so '
                "the rows below it cannot be told apart. Remove it, or write it twice within "
                "quotation marks."
            )


def _rows_in_a_cell(rows: Sequence[Sequence[str]], delimiter: str, signs: int) -> list[str]:
    """Say which cells look as if a quotation mark had made them of several rows."""
    return [
        f"Row {number}: one cell holds several lines that look like rows of the table. If they "
        "are, remove the quotation marks around them and upload the table again."
        for number, row in enumerate(rows[:MOST_ROWS], start=1)
        if signs and any(signs in {w.count(delimiter) for w in _inner(cell)} for cell in row)
    ]


def _inner(cell: str) -> list[str]:
    return cell.splitlines()[1:-1]


def _decoded(content: bytes) -> str:
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return content.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def read_rows(rows: Iterable[Sequence[object]]) -> Sheet:
    """Read rows of cells, the first of which names the columns. Raises Unreadable."""
    return _read(Row(number, row) for number, row in enumerate(rows, start=1))


def _read(rows: Iterator[Row]) -> Sheet:
    sheet = Sheet()
    at, first = _first_filled(rows)
    headers = [cell_text(cell) for cell in first[:MOST_COLUMNS]]
    columns = _columns(headers, sheet)
    astray = {MOST_COLUMNS: [at]} if _astray(first, headers) else {}
    for number, row in rows:
        if not any(cell_text(cell) or cell is UNCOMPUTED for cell in row):
            continue
        if len(sheet.samples) == MOST_SAMPLES or number > MOST_ROWS:
            sheet.errors.append(
                f"From row {number} on nothing was read: a request holds at most {MOST_SAMPLES} "
                f"samples, and a table is read to row {MOST_ROWS}."
            )
            break
        for place in _astray(row, headers):
            astray.setdefault(place, []).append(number)
        given = {
            name: _given(row[place], f"Row {number}, {HEADERS[name][0]}", sheet)
            for place, name in columns.items()
            if place < len(row)
        }
        if any(given.values()):
            sheet.samples.append(_sample(given, number, sheet))
    sheet.errors += [_astray_words(place, numbers) for place, numbers in sorted(astray.items())]
    if not sheet.samples:
        raise Unreadable("The table has a header but no samples below it.")
    return sheet


def _given(cell: object, at: str, sheet: Sheet) -> str:
    if cell is UNCOMPUTED:
        sheet.errors.append(
            f"{at}: this cell is a formula without a value; save the file in the spreadsheet "
            "program and upload it again."
        )
        return ""
    if isinstance(cell, str) and len(cell.strip()) > LONGEST_CELL:
        sheet.errors.append(
            f"{at}: the cell had {len(cell.strip())} characters and was cut to {LONGEST_CELL}."
        )
    return cell_text(cell)


def _astray(row: Sequence[object], headers: Sequence[str]) -> set[int]:
    """Return the places of filled cells that no header names; those too far right are one."""
    return {
        min(place, MOST_COLUMNS)
        for place, cell in enumerate(row)
        if not (place < len(headers) and headers[place]) and cell_text(cell)
    }


def _astray_words(place: int, numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    rows = f"row{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:5]))}{more}"
    if place == MOST_COLUMNS:
        return f"Only {MOST_COLUMNS} columns are read; what {rows} hold further right was left out."
    return f"Column {place + 1} has no header; what it holds in {rows} was left out."


def _first_filled(rows: Iterator[Row]) -> Row:
    for number, row in rows:
        if any(cell_text(cell) for cell in row):
            return Row(number, row)
        if number > MOST_ROWS:
            break
    raise Unreadable(f"The table is empty: no cell of its first {MOST_ROWS} rows is filled.")


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
    if value is None or value is UNCOMPUTED:
        return ""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()[:LONGEST_CELL]
    return text[1:] if GUARDED.match(text) else text


def _sample(given: Mapping[str, str], number: int, sheet: Sheet) -> dict[str, Any]:
    sample: dict[str, Any] = {name: given.get(name, "") for name in SAMPLE_FIELDS}
    imaging, problem = read_imaging(given.get("imaging", ""))
    if problem:
        sample["imaging_text"] = given["imaging"]
        sheet.errors.append(f"Row {number}, imaging: {problem}")
    for name in SPREAD:
        _spread(given.get(name, ""), name, imaging, f"Row {number}, {HEADERS[name][0]}", sheet)
    if not imaging and any(given.get(name) for name in SPREAD):
        sheet.errors.append(
            f"Row {number}: notes, atlas and orientation belong to an objective; "
            "fill in the column “imaging” as well."
        )
    sample["imaging"] = imaging
    return sample


def _spread(text: str, name: str, imaging: Sequence[dict[str, Any]], at: str, sheet: Sheet) -> None:
    objectives = [row["objective"] for row in imaging]
    for row, value in zip(imaging, read_spread(text, objectives), strict=True):
        row[name] = orientation_of(value) if name == "final_orientation" else value
    sheet.errors += [
        f"{at}: “{part[:60]}” was left out; it does not begin with another objective of this "
        f"sample ({', '.join(dict.fromkeys(objectives))[:60]}) and a colon."
        for part in left_over(text, objectives)
    ]


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
