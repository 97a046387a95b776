"""Lists as CSV: what the page of the same address shows, all of it, read while it is sent."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from core_app.exports import csv_answer
from core_app.models import User
from requests_app import overview
from requests_app.models import Request, Sample

AT_ONCE = 200

M = TypeVar("M", bound=Model)
Cell = str | int | date | datetime | None

REQUEST_COLUMNS = (
    "request", "owner", "handed_in_by", "lab", "state", "description", "species", "samples",
    "samples_cleared", "imaging_rounds", "imaging_rounds_done", "processing_rounds",
    "processing_rounds_done", "where_the_samples_are", "next", "submitted", "testing", "archival",
    "self_clearing", "self_imaging", "address",
)  # fmt: skip
SAMPLE_COLUMNS = (
    "sample", "tube", "request", "owner", "lab", "species", "animal", "where_it_is", "expected",
    "received", "received_by", "condition", "clearing_batch", "protocol", "antibody1", "antibody2",
    "clearer", "clearing", "imaging_rounds", "imaging", "imager", "run", "processing", "submitted",
    "archival", "address",
)  # fmt: skip


def requests_csv(rows: QuerySet[Request], *, to: User) -> StreamingHttpResponse:
    """Send a line per request of overview.listed_requests()."""
    found = overview.with_samples(rows).select_related("requested_by")
    lines = (_request_line(row) for some in _pieces(found) for row in overview.rows_of(some, to=to))
    return csv_answer(_name("requests"), REQUEST_COLUMNS, _timed(lines))


def samples_csv(rows: QuerySet[Sample]) -> StreamingHttpResponse:
    """Send a line per sample of overview.listed_samples().

    Where a sample has several rounds, theirs stand behind each other: `complete; waiting`.
    """
    lines = (_sample_line(row) for some in _pieces(rows) for row in overview.sample_rows_of(some))
    return csv_answer(_name("samples"), SAMPLE_COLUMNS, _timed(lines))


def _name(what: str) -> str:
    return f"{what}-{timezone.localdate()}.csv"


def _timed(lines: Iterable[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    """Times of the facility's zone, as programs read them."""
    for line in lines:
        yield [_local(cell) for cell in line]


def _local(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        return timezone.localtime(cell).isoformat(timespec="minutes")
    return cell


def _request_line(row: overview.Row) -> Sequence[Cell]:
    request, counts = row.request, row.counts
    return (
        request.name, request.owner.username, request.requested_by.username, _lab_of(request),
        request.state, request.description, request.species.name if request.species else "",
        counts.samples, counts.cleared, counts.rounds, counts.imaged, counts.to_process,
        counts.processed, row.summary, row.next_action, request.submitted_at,
        _yes(request.testing), _yes(request.is_archival), _yes(request.self_clearing),
        _yes(request.self_imaging), _address(request),
    )  # fmt: skip


def _sample_line(row: overview.SampleRow) -> Sequence[Cell]:
    sample, request = row.sample, row.sample.request
    return (
        sample.name, sample.code, request.name, request.owner.username, _lab_of(request),
        request.species.name if request.species else "",
        sample.subject.name if sample.subject else "",
        row.sight.place.label, sample.expected_handoff_date, sample.received_at,
        sample.received_by.username if sample.received_by else "",
        sample.get_condition_display(), *_clearing_cells(sample), *_round_cells(row.rounds),
        request.submitted_at, _yes(request.is_archival), _address(request, sample),
    )  # fmt: skip


def _clearing_cells(sample: Sample) -> Sequence[Cell]:
    batch = sample.clearing_batch
    if batch is None:
        return ("",) * 6
    who = batch.clearer.username if batch.clearer else ""
    return (batch.number, str(batch.protocol), batch.antibody1, batch.antibody2, who, batch.state)


def _round_cells(rounds: Sequence[overview.Round]) -> Sequence[Cell]:
    runs = [each.run for each in rounds]
    return (
        len(rounds),
        "; ".join(each.state for each in rounds),
        "; ".join(each.imager for each in rounds),
        "; ".join(str(run.pk) if run else "" for run in runs),
        "; ".join(run.state if run else "" for run in runs),
    )


def _pieces(rows: QuerySet[M]) -> Iterator[list[M]]:
    """Read rows in pieces, so that neither memory nor the number of queries grows with a row."""
    found = rows.iterator(chunk_size=AT_ONCE)
    while some := list(islice(found, AT_ONCE)):
        yield some


def _lab_of(request: Request) -> str:
    return request.lab.name if request.lab else request.lab_text


def _yes(value: bool) -> str:  # noqa: FBT001  # a column of the row
    return "yes" if value else "no"


def _address(request: Request, sample: Sample | None = None) -> str:
    if request.is_draft:
        return f"{settings.SITE_URL}{reverse('requests:draft-edit', args=[request.pk])}"
    keys = [request.owner.username, request.folder.name]
    page = f"{settings.SITE_URL}{reverse('requests:request-page', args=keys)}"
    return f"{page}#sample-{sample.pk}" if sample else page
