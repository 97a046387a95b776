"""The queue of imaging: what is being imaged, what is ready, what still gets cleared."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from core_app import roles
from core_app.http import person
from core_app.models import User
from core_app.roles import Role
from imaging_app import selectors
from imaging_app.models import ImagingBatch
from imaging_app.states import OVER, ImagingState
from requests_app.states import ClearingState

NEWEST = 20


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One batch of the queue."""

    batch: ImagingBatch
    done: int
    microscopes: str
    can_start: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the queue."""

    key: str
    title: str
    lines: list[QueueLine]
    nothing: str
    how: str


@require_GET
@login_required
def queue(request: HttpRequest) -> HttpResponse:
    """Show what is being imaged, what is ready, what still gets cleared, what was imaged last."""
    rows = selectors.imaging_queue(to=person(request))
    rows = rows.prefetch_related("imaging_requests__resolutions__objective__microscope")
    sections = _sections(rows, person(request))
    return render(request, "imaging_app/imaging_queue.html", {"sections": sections})


def _sections(rows: QuerySet[ImagingBatch], user: User) -> list[Section]:
    waiting = rows.filter(state=ImagingState.WAITING)
    cleared = {"clearing_batch__state": ClearingState.COMPLETE}
    finished = rows.filter(state__in=[ImagingState.COMPLETE, ImagingState.SKIPPED])
    parts: tuple[tuple[str, str, Any, str, str], ...] = (
        ("progress", "In progress", rows.filter(state=ImagingState.IN_PROGRESS),
         "Nothing is being imaged.", "A batch comes here when somebody presses Start imaging."),
        ("ready", "Ready", waiting.filter(**cleared),
         "Nothing waits to be imaged.", "Batches come here when their clearing is complete."),
        ("clearing", "Still in clearing", waiting.exclude(**cleared),
         "Nothing is in clearing.", "Batches come here when a researcher submits a request."),
        ("imaged", "Imaged", finished.order_by("-state_since", "-id")[:NEWEST],
         "Nothing is imaged yet.", f"The {NEWEST} batches finished last are listed here."),
    )  # fmt: skip
    is_staff = roles.has_role(user, Role.IMAGER, Role.MANAGER)
    return [
        Section(key, title, [_line(b, user, is_staff=is_staff) for b in batches], nothing, how)
        for key, title, batches, nothing, how in parts
    ]


def _line(batch: ImagingBatch, user: User, *, is_staff: bool) -> QueueLine:
    samples = list(batch.imaging_requests.all())
    names = {r.objective.microscope.label for s in samples for r in s.resolutions.all()}
    can_start = batch.state == ImagingState.WAITING and selectors.is_cleared(batch)
    return QueueLine(
        batch,
        done=sum(sample.state in OVER for sample in samples),
        microscopes=", ".join(sorted(names)),
        can_start=can_start and (is_staff or selectors.may_image(batch, user)),
    )
