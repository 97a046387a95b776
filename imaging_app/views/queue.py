"""The queue of imaging, and the buttons that say who images a batch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core_app import roles
from core_app.http import person, refusals_as_messages
from core_app.models import User
from core_app.roles import Role
from imaging_app import selectors
from imaging_app.models import ImagingBatch
from imaging_app.selectors import queue as reads
from imaging_app.selectors.queue import Wanted
from imaging_app.services import imaging
from imaging_app.states import OVER, ImagingState
from requests_app.views.clearing import chosen_person

NEWEST = 10
PARTS = {
    "progress": "Being imaged",
    "ready": "Ready",
    "clearing": "Still in clearing",
    "imaged": "Imaged",
}
# Key of the order, heading, and whether the column holds numbers.
COLUMNS = (
    ("request", "Request", ""),
    ("owner", "Owner", ""),
    ("submitted", "Submitted", ""),
    ("microscope", "Microscope", ""),
    ("objectives", "Objectives", ""),
    ("clearing", "Clearing", "number"),
    ("round", "Round", "number"),
    ("number", "Batch", "number"),
    ("samples", "Samples", "number"),
    ("imager", "Imager", ""),
    ("species", "Species", ""),
    ("age", "Since", ""),
)
EMPTY = {
    "progress": ("Nothing is being imaged.", "A batch comes here when somebody starts it."),
    "ready": ("Nothing waits to be imaged.", "Batches come here when their clearing is complete."),
    "clearing": ("Nothing is in clearing.", "Batches come here when a request is submitted."),
    "imaged": ("Nothing is imaged yet.", f"The {NEWEST} batches finished last stand here."),
}


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One batch of the queue, and what this person can do with it."""

    batch: ImagingBatch
    done: int
    microscopes: str
    objectives: str
    can_start: bool = False
    can_claim: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the queue."""

    key: str
    lines: list[QueueLine]
    count: int
    page: Page[ImagingBatch] | None = None

    @property
    def title(self) -> str:
        return PARTS[self.key]

    @property
    def nothing(self) -> str:
        return EMPTY[self.key][0]

    @property
    def how(self) -> str:
        return EMPTY[self.key][1]


@require_GET
@login_required
def queue(request: HttpRequest) -> HttpResponse:
    """Show what is being imaged, ready, in clearing and imaged; the filters are in the address."""
    user, wanted = person(request), Wanted.from_query(request.GET.dict())
    rows = reads.queue(wanted, to=user)
    chosen = wanted.part if wanted.part in PARTS else ""
    built: dict[str, Callable[[], Section]] = {
        "progress": partial(_open_part, "progress", reads.being_imaged(rows), wanted, user),
        "ready": partial(_open_part, "ready", reads.ready(rows), wanted, user),
        "clearing": partial(_open_part, "clearing", reads.in_clearing(rows), wanted, user),
        "imaged": partial(_imaged, reads.imaged(rows), wanted, request.GET.get("page")),
    }
    context = {
        "sections": [build() for key, build in built.items() if chosen in {"", key}],
        "parts": PARTS.items(),
        "part": chosen,
        "wanted": wanted,
        "columns": COLUMNS,
        "sorted_by": _sorted_by(wanted),
        "rounds": reads.ROUNDS.items(),
        "microscopes": reads.microscopes_used(),
        "objectives": reads.objectives_used(),
        "species": reads.species_offered(),
        "imagers": reads.imagers_in(selectors.imaging_queue(to=user)),
    }
    return render(request, "imaging_app/imaging_queue.html", context)


def _sorted_by(wanted: Wanted) -> str:
    labels = {key: label for key, label, _ in COLUMNS} | {"clearer": "Clearer"}
    if not wanted.sort:
        return "What waits longest comes first; of what is imaged, what was finished last."
    direction = "descending" if wanted.descending else "ascending"
    return f"Each part is sorted by {labels[wanted.sort].lower()}, {direction}."


def _open_part(key: str, rows: QuerySet[ImagingBatch], wanted: Wanted, user: User) -> Section:
    is_staff = roles.has_role(user, Role.IMAGER, Role.MANAGER)
    lines = [_line(b, user, is_staff=is_staff) for b in reads.ordered(rows, wanted)]
    return Section(key, lines, len(lines))


def _imaged(rows: QuerySet[ImagingBatch], wanted: Wanted, number: str | None) -> Section:
    page = Paginator(reads.ordered(rows, wanted, newest_first=True), NEWEST).get_page(number)
    return Section("imaged", [_facts(batch) for batch in page], page.paginator.count, page)


def _line(batch: ImagingBatch, user: User, *, is_staff: bool) -> QueueLine:
    works = reads.works_on(batch, user, is_staff=is_staff)
    waits = batch.state == ImagingState.WAITING
    return _facts(
        batch,
        can_start=works and waits and selectors.is_cleared(batch)
        and batch.imager_id in {None, user.pk},
        can_claim=works and waits and batch.imager_id is None,
    )  # fmt: skip


def _facts(batch: ImagingBatch, *, can_start: bool = False, can_claim: bool = False) -> QueueLine:
    """Of the batch alone: another batch of the same round may be imaged elsewhere."""
    samples = list(batch.imaging_requests.all())
    used = [r.objective for sample in samples for r in sample.resolutions.all()]
    used.sort(key=lambda objective: (objective.position, objective.name))
    return QueueLine(
        batch,
        done=sum(sample.state in OVER for sample in samples),
        microscopes=_each_once(o.microscope.label for o in used),
        objectives=_each_once(o.name for o in used),
        can_start=can_start,
        can_claim=can_claim,
    )


def _each_once(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


@require_POST
@login_required
@refusals_as_messages
def claim_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a batch without starting it."""
    batch = selectors.get_batch(pk, to=person(request))
    imaging.claim(batch, by=person(request))
    messages.success(request, f"{batch} is yours. Start it when you begin to image it.")
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def release_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Let go of a batch that is not started."""
    batch = selectors.get_batch(pk, to=person(request))
    imaging.release(batch, by=person(request))
    messages.success(request, f"{batch} is nobody's now.")
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def assign_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the batch to somebody who may image it."""
    batch = selectors.get_batch(pk, to=person(request))
    imager = chosen_person(request.POST.get("imager", ""), field="imager")
    imaging.assign(batch, imager=imager, by=person(request))
    messages.success(request, f"{batch} is with {imager} now.")
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def take_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the person who presses the imager of the batch."""
    batch = selectors.get_batch(pk, to=person(request))
    imaging.assign(batch, imager=person(request), by=person(request))
    messages.success(request, "This batch is yours now.")
    return redirect(address_of(batch))


def address_of(batch: ImagingBatch) -> str:
    return reverse("imaging:batch", args=[batch.pk])
