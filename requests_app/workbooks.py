"""Workbooks (.xlsx) as rows of cells. Hostile ones are refused before they cost anything."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import iterparse

MOST_UNPACKED = 3_000_000
MOST_STYLES = 500_000
MOST_PARTS = 500
MOST_TAGS, MOST_TAGS_OF_STYLES = 200_000, 20_000
MOST_RATIO, SMALL_PART = 100, 100_000
MOST_COLUMNS = 40
# No number format has more than 255 characters, nor many brackets, and openpyxl's patterns are slow
# on those; a bracket may also be written as an entity.
SLOW_FORMAT = re.compile(rb"formatCode(?:[^<]{600}|(?:[^<\[&]*[\[&]){60})")
ENCODING = re.compile(rb"encoding\s*=\s*[\"']([^\"']*)")
BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)
TOO_LARGE = (
    "The workbook is too large when unpacked; copy the table of samples into a new workbook, "
    "without formats and pictures, and save only that."
)


class Unreadable(ValueError):
    """The file as a whole is of no use; says why and what to do."""


class Row(NamedTuple):
    """A row with its number in the sheet; what lies right of the last column counts as one cell."""

    number: int
    cells: Sequence[object]


class Uncomputed:
    """What a cell holds if its formula was never computed."""


UNCOMPUTED = Uncomputed()


def read_workbook(content: bytes) -> tuple[Iterator[Row], list[str]]:
    """Return the rows of the first visible sheet that is filled, and in words which other sheets
    were left out. No formula is evaluated, nothing big is unpacked. Raises Unreadable."""
    _require_harmless(content)
    try:
        sheets = _filled_sheets(content)
    except Exception as problem:  # openpyxl lets whatever its parsers raise pass through
        raise _broken() from problem
    if not sheets:
        raise Unreadable("The table is empty: no visible sheet of the workbook has a filled cell.")
    (taken, rows), others = sheets[0], sheets[1:]
    left_out = [
        f"Sheet “{name[:40]}” was left out; only the sheet “{taken[:40]}” was read."
        for name, _ in others[:20]
    ]
    return _guarded(rows), left_out


def _broken() -> Unreadable:
    return Unreadable("The workbook could not be read. Open it, save it as .xlsx or CSV anew.")


def _guarded(rows: Iterator[Row]) -> Iterator[Row]:
    try:
        yield from rows
    except Exception as problem:  # as above: rows are parsed one by one
        raise _broken() from problem


def _filled_sheets(content: bytes) -> list[tuple[str, Iterator[Row]]]:
    """Return the visible sheets that hold anything, in their order, with their rows.

    Of openpyxl only those steps are taken that cells need: its `load_workbook` also reads charts,
    pictures and properties.
    """
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.styles.stylesheet import apply_stylesheet

    reader = ExcelReader(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    apply_stylesheet(reader.archive, reader.wb)
    found: dict[str, tuple[str, Iterator[Row]]] = {}
    seen: set[str] = set()
    for sheet, part in reader.parser.find_sheets():
        is_table = part.target in reader.valid_files and "chartsheet" not in part.Type
        if not is_table or sheet.state != "visible" or part.target in seen:
            continue
        seen.add(part.target)
        if any(any(_is_filled(c) for c in row.cells) for row in _rows(reader, part.target)):
            found[part.target] = (str(sheet.name), _rows(reader, part.target))
    return list(found.values())


def _is_filled(cell: object) -> bool:
    return cell is not None and str(cell).strip() != ""


def _rows(reader: Any, part: str) -> Iterator[Row]:
    from openpyxl.worksheet._reader import DATA_TAG, ROW_TAG, WorkSheetParser

    parser = WorkSheetParser(
        None,
        reader.shared_strings,
        data_only=True,
        epoch=reader.wb.epoch,
        date_formats=reader.wb._date_formats,
        timedelta_formats=reader.wb._timedelta_formats,
    )
    with reader.archive.open(part) as source:
        for _, element in iterparse(source):
            if element.tag == DATA_TAG:
                return
            if element.tag == ROW_TAG:
                number, cells = parser.parse_row(element)
                yield Row(number, _placed(cells, element))
                element.clear()


def _placed(cells: Sequence[dict[str, Any]], elements: Any) -> list[object]:
    row: list[object] = []
    for cell, element in zip(cells, elements, strict=True):
        value = UNCOMPUTED if _is_uncomputed(element) else cell["value"]
        if value is None:
            continue
        place = min(cell["column"] - 1, MOST_COLUMNS)
        row.extend([None] * (place + 1 - len(row)))
        row[place] = value
    return row


def _is_uncomputed(element: Any) -> bool:
    """A formula whose result is the empty text is marked as text; one without result is not."""
    from openpyxl.worksheet._reader import FORMULA_TAG, VALUE_TAG

    return (
        element.find(FORMULA_TAG) is not None
        and not element.findtext(VALUE_TAG)
        and element.get("t") != "str"
    )


# --- what is refused ---


def _require_harmless(content: bytes) -> None:
    """Refuse archives that hold much more than a table of samples does, or say so themselves.

    The sizes in an archive's list may lie, so what is read is counted as well.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise Unreadable(TOO_LARGE)
            left, tags = MOST_UNPACKED, MOST_TAGS
            for part in parts:
                unpacked = _unpacked(archive, part, left)
                left, tags = left - len(unpacked), tags - unpacked.count(b"<")
                if tags < 0:
                    raise Unreadable(TOO_LARGE)
                _require_plain_xml(unpacked)
    except BROKEN as problem:
        raise Unreadable("This is no workbook. Save the table as .xlsx or CSV.") from problem


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int) -> bytes:
    if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # Workbooks know no other; and of others Python unpacks more than is asked for.
        raise Unreadable("The workbook is packed in an unusual way; save it anew.")
    with archive.open(part) as source:
        content = source.read(left + 1)
    size = max(len(content), part.file_size)
    if len(content) > left:
        raise Unreadable(TOO_LARGE)
    if size > SMALL_PART and size > MOST_RATIO * max(part.compress_size, 1):
        raise Unreadable(TOO_LARGE)
    if b"cellXfs" in content and (size > MOST_STYLES or content.count(b"<") > MOST_TAGS_OF_STYLES):
        raise Unreadable(
            "The workbook holds too many formats of cells; copy the table of samples into a new "
            "workbook as plain values, or save it as CSV."
        )
    return content


def _require_plain_xml(content: bytes) -> None:
    """Refuse definitions, and encodings in which they could hide. Pictures and the like pass."""
    is_wide = content[:2] in {b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<"}
    head = content.removeprefix(b"\xef\xbb\xbf")
    declared = ENCODING.search(head.partition(b"?>")[0]) if head.startswith(b"<?xml") else None
    if is_wide or (declared and declared[1].lower() not in {b"utf-8", b"utf8", b"us-ascii"}):
        raise Unreadable("The workbook is not written in UTF-8, as all are; save it anew.")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or SLOW_FORMAT.search(content):
        raise Unreadable("The workbook holds definitions that no table needs; save it anew.")
