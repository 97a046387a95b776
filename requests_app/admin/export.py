"""Requests as a table for spreadsheets; what people typed cannot become a formula there."""

from collections.abc import Iterable

from django.http import StreamingHttpResponse
from django.utils import timezone

from core_app.exports import csv_answer
from requests_app.overview import Row

HEADERS = (
    "owner", "request", "lab", "lab as typed", "species", "state", "samples", "stages",
    "next action", "submitted", "testing", "archival", "self-clearing", "self-imaging",
    "retention", "auditor", "correspondence", "description",
)  # fmt: skip


def requests_csv(rows: Iterable[Row]) -> StreamingHttpResponse:
    """Return the table as a download."""
    name = f"requests-{timezone.localdate()}.csv"
    return csv_answer(name, HEADERS, (_cells(row) for row in rows))


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
