"""Requests as a table for spreadsheets; what people typed cannot become a formula there."""

import csv
from collections.abc import Iterable

from django.http import HttpResponse
from django.utils import timezone

from requests_app.overview import Row

FORMULA = ("=", "+", "-", "@", "\t", "\r")
HEADERS = (
    "owner", "request", "lab", "lab as typed", "species", "state", "samples", "stages",
    "next action", "submitted", "testing", "archival", "self-clearing", "self-imaging",
    "retention", "auditor", "correspondence", "description",
)  # fmt: skip


def safe(cell: object) -> str:
    """Return the text of a cell; what a spreadsheet would compute gets an apostrophe."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def requests_csv(rows: Iterable[Row]) -> HttpResponse:
    """Return the table as a download. The mark at its beginning makes spreadsheets read UTF-8."""
    answer = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    name = f"requests-{timezone.localdate()}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    table = csv.writer(answer)
    table.writerow(HEADERS)
    table.writerows([safe(cell) for cell in _cells(row)] for row in rows)
    return answer


def _cells(row: Row) -> list[object]:
    r = row.request
    submitted = timezone.localtime(r.submitted_at) if r.submitted_at else None
    return [
        r.owner.username, r.name, r.lab, r.lab_text, r.species, r.state,
        len(r.samples.all()), row.summary, row.next_action,
        f"{submitted:%Y-%m-%d %H:%M}" if submitted else "", _yes(r.testing), _yes(r.is_archival),
        _yes(r.self_clearing), _yes(r.self_imaging), r.retention,
        r.auditor.username if r.auditor else "", r.correspondence_email, r.description,
    ]  # fmt: skip


def _yes(value: bool) -> str:  # noqa: FBT001  # the value itself
    return "yes" if value else "no"
