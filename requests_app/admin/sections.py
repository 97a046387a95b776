"""Read-only tables below a change page: what hangs on a request, and the steps of a batch."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from core_app.models import Mail
from imaging_app.models import ImagingRequest
from processing_app.models import ProcessingRequest
from requests_app import selectors
from requests_app.admin.outcomes import link_to
from requests_app.models import AntibodyTrial, ClearingBatch, PlannedStep, Request, Sample

Section = dict[str, Any]
MOST_MAILS = 100


def minute(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else "–"


def _section(title: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Section:
    shown = [[_cell(cell) for cell in row] for row in rows]
    return {
        "title": f"{title} ({len(shown)})", "table": {"headers": list(headers), "rows": shown}
    }  # fmt: skip


def _cell(cell: Any) -> Any:
    """Return a cell as it is read: dates as ISO, nothing as a dash."""
    if isinstance(cell, date):
        return f"{cell:%Y-%m-%d}"
    return "–" if cell is None or cell == "" else cell


def of_request(request: Request) -> list[Section]:
    """Return samples, batches, rounds and trials of a request, in a fixed number of queries."""
    return [
        _samples(request), _batches(request), _imaging(request), _processing(request),
        _trials(request),
    ]  # fmt: skip


def mails_of(request: Request) -> Section:
    """Return what was told of the request, newest first; for those who may read mails."""
    rows = Mail.objects.filter(root_id=request.pk).order_by("-id")[:MOST_MAILS]
    return _section(
        "Mails",
        ["When", "To", "Subject", "Outcome", "Error"],
        ([minute(m.created_at), m.to, link_to(m, m.subject), m.outcome, m.error] for m in rows),
    )


def _samples(request: Request) -> Section:
    rows = Sample.objects.filter(request=request).select_related("clearing_batch", "received_by")
    return _section(
        "Samples",
        ["Sample", "Clearing batch", "Hand-off", "Received", "By", "Condition", "Note", "Code"],
        (
            [
                link_to(s), s.clearing_batch and f"batch {s.clearing_batch.number}",
                s.expected_handoff_date, minute(s.received_at), s.received_by,
                s.get_condition_display(), s.condition_note, s.code,
            ]
            for s in rows.order_by("position")
        ),
    )  # fmt: skip


def _batches(request: Request) -> Section:
    rows = ClearingBatch.objects.filter(request=request).select_related("protocol", "clearer")
    return _section(
        "Clearing batches",
        ["Batch", "Protocol", "Antibodies", "Clearer", "State", "Since", "Due"],
        (
            [
                link_to(b, f"batch {b.number}"), str(b.protocol),
                " + ".join(filter(None, [b.antibody1, b.antibody2])), b.clearer,
                b.get_state_display(), minute(b.state_since), b.expected_handoff_date,
            ]
            for b in rows.order_by("number")
        ),
    )  # fmt: skip


def _imaging(request: Request) -> Section:
    rows = ImagingRequest.objects.filter(sample__request=request)
    rows = rows.select_related("sample", "batch__imager")
    return _section(
        "Imaging rounds",
        ["Sample", "Round", "Batch", "Imager", "State", "Since", "Notes"],
        (
            [
                r.sample.name, link_to(r, f"round {r.number}"),
                link_to(r.batch, f"batch {r.batch.number}"), r.batch.imager,
                r.get_state_display(), minute(r.state_since), r.notes_from_imaging,
            ]
            for r in rows.order_by("sample__position", "number")
        ),
    )  # fmt: skip


def _processing(request: Request) -> Section:
    rows = ProcessingRequest.objects.filter(imaging_request__sample__request=request)
    rows = rows.select_related("imaging_request__sample", "processor")
    return _section(
        "Processing rounds",
        ["Sample", "Imaging round", "Processing round", "Processor", "State", "Since"],
        (
            [
                r.imaging_request.sample.name, f"round {r.imaging_request.number}",
                link_to(r, f"round {r.number}"), r.processor, r.get_state_display(),
                minute(r.state_since),
            ]
            for r in rows.order_by("imaging_request__sample__position", "number")
        ),
    )  # fmt: skip


def _trials(request: Request) -> Section:
    rows = AntibodyTrial.objects.filter(request=request).select_related("batch")
    return _section(
        "Antibody trials",
        ["Tried on", "Primary", "Secondary", "Lots", "Outcome", "Notes"],
        (
            [
                link_to(t, t.tried_on), t.primary_antibody, t.secondary_antibody,
                " + ".join(filter(None, [t.primary_lot, t.secondary_lot])),
                t.get_outcome_display(), t.notes,
            ]
            for t in rows.order_by("pk")
        ),
    )  # fmt: skip


def of_batch(batch: ClearingBatch) -> list[Section]:
    """Return the samples of a batch and every step: when it was planned, when and by whom done."""
    samples = batch.samples.select_related("subject").order_by("position")
    tubes = _section(
        "Samples", ["Sample", "Hand-off", "Received", "Condition", "Notes"],
        (
            [
                link_to(s), s.expected_handoff_date, minute(s.received_at),
                s.get_condition_display(), s.notes_for_clearer,
            ]
            for s in samples
        ),
    )  # fmt: skip
    plan = {p.step_id: p for p in PlannedStep.objects.filter(batch=batch)}
    steps = _section(
        "Steps", ["Step", "Planned", "Done", "By", "Note", "Lot"],
        (
            [
                entry.step.label, _planned(plan.get(entry.step.pk)),
                *(
                    [minute(entry.log.performed_at), entry.log.by, entry.log.note, entry.log.lot]
                    if entry.log
                    else ["", "", "", ""]
                ),
            ]
            for entry in selectors.bench_steps(batch)
        ),
    )  # fmt: skip
    return [tubes, steps]


def _planned(planned: PlannedStep | None) -> str:
    if planned is None:
        return ""
    when = minute(planned.starts_at)
    return format_html("{}{}", when, " (chosen)" if planned.is_pinned else "")
