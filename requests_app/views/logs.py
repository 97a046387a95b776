"""The log of a batch: what was done, when, by whom, and when it was planned. Read only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from core_app.exports import csv_answer
from core_app.http import person
from core_app.models import Event
from requests_app import selectors
from requests_app.models import ClearingBatch
from requests_app.selectors.bench import batch_events
from requests_app.selectors.planning import PlanLine, plan_lines
from requests_app.states import ClearingState

HEADER = (
    "step", "phase", "slug", "label", "planned", "done", "by", "note", "lot", "corrections",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turnaround:
    """From the reception of the last tube to the end of clearing."""

    received_at: datetime | None
    completed_at: datetime | None

    @property
    def took(self) -> timedelta | None:
        if self.received_at is None or self.completed_at is None:
            return None
        return self.completed_at - self.received_at


@require_GET
@login_required
def batch_log(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the log with the protocol version it was made with."""
    batch = selectors.get_batch(pk, to=person(request))
    lines = plan_lines(batch)
    samples = list(batch.samples.select_related("received_by"))
    received = [sample.received_at for sample in samples if sample.received_at]
    is_complete = batch.state == ClearingState.COMPLETE
    context = {
        "batch": batch,
        "order": batch.request,
        "lines": lines,
        "samples": samples,
        "done": sum(line.log is not None for line in lines),
        "turnaround": Turnaround(
            max(received) if received and len(received) == len(samples) else None,
            batch.state_since if is_complete else None,
        ),
        "events": _told(batch),
        "can_reopen": selectors.can_reopen(batch, person(request)),
    }
    return render(request, "requests_app/clearing_log.html", context)


def _told(batch: ClearingBatch) -> list[Event]:
    """Return the events that the table of steps does not tell: starts, ends, corrections."""
    rows = batch_events(batch).exclude(verb__in=["created", "step logged"])
    return list(rows.select_related("by").order_by("-id")[:100])


@require_GET
@login_required
def batch_log_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Return the log as CSV, times in the facility's zone."""
    batch = selectors.get_batch(pk, to=person(request))
    order = batch.request
    name = f"{order.owner.username}_{order.folder.name}_clearing_{batch.number}.csv"
    return csv_answer(name, HEADER, [_cells(line) for line in plan_lines(batch)])


def _cells(line: PlanLine) -> list[object]:
    step, log = line.step, line.log
    cells: list[object] = [step.position, step.phase_title or step.phase, step.slug, step.label]
    cells.append(_local(line.planned.starts_at) if line.planned else "")
    if log is None:
        return [*cells, "", "", "", "", ""]
    return [*cells, _local(log.performed_at), log.by, log.note, log.lot, log.revision - 1]


def _local(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(sep=" ", timespec="minutes")
