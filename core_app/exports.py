"""Tables as CSV and workbooks for spreadsheets, which take some texts for formulas."""

import csv
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Any

from django.http import FileResponse, StreamingHttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBERS = (int, float, date)
LONGEST_CELL = 32_767  # of a workbook
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
BOM = "\ufeff"  # without it spreadsheets take UTF-8 for another encoding


class Echo:
    """What csv.writer writes to, handed on line by line."""

    def write(self, line: str) -> str:
        return line


def inert(value: object) -> str:
    """Return the text of a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_answer(
    name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """Return the table as a file to download; rows are read while it is sent."""
    answer = StreamingHttpResponse(_lines(header, rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield BOM + writer.writerow(header)
    for row in rows:
        yield writer.writerow([inert(cell) for cell in row])


def xlsx_answer(
    name: str, header: Sequence[str], rows: Iterable[Sequence[object]], *, sheet: str
) -> FileResponse:
    """Return the table as a workbook to download. Numbers stay numbers, every text stays text.

    Times come as text, since workbooks know no time zones.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    page.freeze_panes = "A2"
    for row in chain([header], rows):
        page.append([_cell(page, value) for value in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the answer closes it
    book.save(file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name)


def _cell(page: Any, value: object) -> object:
    from openpyxl.cell import WriteOnlyCell

    if value is None or (isinstance(value, NUMBERS) and not isinstance(value, bool)):
        return value
    written = WriteOnlyCell(page, value=UNPRINTABLE.sub(" ", str(value))[:LONGEST_CELL])
    written.data_type = "s"  # also of what begins with an equals sign
    return written
