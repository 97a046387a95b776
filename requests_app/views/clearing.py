"""Pages of clearing: the queue, and the buttons that move a batch."""

from dataclasses import dataclass
from datetime import datetime
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
from core_app.errors import Invalid
from core_app.http import person, refusals_as_messages
from core_app.models import User
from core_app.roles import Role
from requests_app import selectors
from requests_app.models import ClearingBatch, ClearingProtocol, Species
from requests_app.selectors import bench
from requests_app.selectors.bench import Wanted
from requests_app.services import clearing, requests
from requests_app.states import ClearingState
from requests_app.workflows import reopen_clearing

PER_PAGE = 20
COLUMNS = (
    ("batch", "Batch"),
    ("owner", "Owner"),
    ("protocol", "Protocol"),
    ("species", "Species"),
    ("samples", "Tubes"),
    ("handoff", "Hand-off"),
    ("due", "Due"),
    ("clearer", "Clearer"),
    ("since", "State"),
)


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One batch of the queue, and what happens next with it."""

    batch: ClearingBatch
    done: int = 0
    total: int = 0
    next_step: str = ""
    next_at: datetime | None = None
    can_start: bool = False
    can_claim: bool = False
    is_overdue: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the queue."""

    state: str
    title: str
    lines: list[QueueLine]
    nothing: str
    how: str
    count: int
    page: Page[ClearingBatch] | None = None


@require_GET
@login_required
def queue(request: HttpRequest) -> HttpResponse:
    """Show what is being cleared, ready and finished; the filters are in the address."""
    user, wanted = person(request), Wanted.from_query(request.GET.dict())
    rows = bench.queue(wanted, to=user)
    chosen = wanted.state if wanted.state in _TITLES else ""
    built = {
        ClearingState.IN_PROGRESS: partial(_in_progress, rows, wanted),
        ClearingState.WAITING: partial(_ready, rows, wanted, user),
        ClearingState.COMPLETE: partial(_complete, rows, wanted, request.GET.get("page")),
    }
    context = {
        "sections": [build() for state, build in built.items() if chosen in {"", state}],
        "states": [(state.value, title) for state, title in _TITLES.items()],
        "state": chosen,
        "wanted": wanted,
        "columns": COLUMNS,
        "dues": bench.DUE,
        "protocols": _protocol_names(),
        "species": Species.objects.all(),
        "clearers": bench.clearers_in(selectors.clearing_queue(to=user)),
        "is_filtered": any([wanted.protocol, wanted.due, wanted.clearer, wanted.species,
                            wanted.mine, wanted.words]),
    }  # fmt: skip
    return render(request, "requests_app/clearing_queue.html", context)


_TITLES = {
    ClearingState.IN_PROGRESS: "In progress",
    ClearingState.WAITING: "Ready",
    ClearingState.COMPLETE: "Complete",
}


def _protocol_names() -> list[str]:
    rows = ClearingProtocol.objects.order_by("position", "name").values_list("name", flat=True)
    return list(dict.fromkeys(rows))


def _in_progress(rows: QuerySet[ClearingBatch], wanted: Wanted) -> Section:
    batches = bench.ordered(rows.filter(state=ClearingState.IN_PROGRESS), wanted)
    found = batches.prefetch_related("log", "plan", "protocol__steps")
    lines = [_line_with_steps(batch) for batch in found]
    return Section(
        ClearingState.IN_PROGRESS, _TITLES[ClearingState.IN_PROGRESS], lines,
        "Nothing is being cleared.", "A batch comes here when somebody presses Start clearing.",
        len(lines),
    )  # fmt: skip


def _line_with_steps(batch: ClearingBatch) -> QueueLine:
    done = {log.step_id for log in batch.log.all()}
    steps = list(batch.protocol.steps.all())
    following = next((step for step in steps if step.pk not in done), None)
    planned = {row.step_id: row.starts_at for row in batch.plan.all()}
    return QueueLine(
        batch,
        done=len(done),
        total=len(steps),
        next_step=following.label if following else "",
        next_at=planned.get(following.pk) if following else None,
        is_overdue=bench.is_overdue(batch),
    )


def _ready(rows: QuerySet[ClearingBatch], wanted: Wanted, user: User) -> Section:
    is_staff = roles.has_role(user, Role.CLEARER, Role.MANAGER)
    lines = []
    for batch in bench.ordered(rows.filter(state=ClearingState.WAITING), wanted):
        may = is_staff or selectors.can_start(batch, user)
        is_free = batch.clearer_id in {None, user.pk}
        lines.append(
            QueueLine(
                batch,
                can_start=may and is_free,
                can_claim=may and batch.clearer_id is None,
                is_overdue=bench.is_overdue(batch),
            )
        )
    return Section(
        ClearingState.WAITING, _TITLES[ClearingState.WAITING], lines,
        "Nothing waits to be cleared.", "Batches come here when a researcher submits a request.",
        len(lines),
    )  # fmt: skip


def _complete(rows: QuerySet[ClearingBatch], wanted: Wanted, number: str | None) -> Section:
    finished = rows.filter(state=ClearingState.COMPLETE)
    page = Paginator(bench.ordered(finished, wanted, newest_first=True), PER_PAGE).get_page(number)
    return Section(
        ClearingState.COMPLETE, _TITLES[ClearingState.COMPLETE],
        [QueueLine(batch) for batch in page],
        "Nothing is cleared yet.", "Batches come here when their clearing is completed.",
        page.paginator.count, page,
    )  # fmt: skip


@require_POST
@login_required
@refusals_as_messages
def start_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Claim the batch and begin; with `receive=missing` the tubes are received first."""
    batch = selectors.get_batch(pk, to=person(request))
    if request.POST.get("receive") == "missing":
        clearing.receive_and_start(batch, by=person(request))
    else:
        clearing.start(batch, by=person(request))
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def claim_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a batch without starting it."""
    batch = selectors.get_batch(pk, to=person(request))
    clearing.claim(batch, by=person(request))
    messages.success(request, f"{batch} is yours. Start it when the tubes are here.")
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def release_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Let go of a batch that is not started."""
    batch = selectors.get_batch(pk, to=person(request))
    clearing.release(batch, by=person(request))
    messages.success(request, f"{batch} is nobody's now.")
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def assign_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the batch to somebody who may clear it."""
    batch = selectors.get_batch(pk, to=person(request))
    clearer = chosen_person(request.POST.get("clearer", ""))
    clearing.assign(batch, clearer=clearer, by=person(request))
    messages.success(request, f"{batch} is with {clearer} now.")
    return redirect(address_of(batch))


def chosen_person(username: str, *, field: str = "clearer") -> User:
    """Return the person chosen in a select; raises Invalid for nobody."""
    found = User.objects.filter(username=username, is_active=True).first() if username else None
    if found is None:
        raise Invalid("Choose a colleague from the list.", fields={field: ["Choose one."]})
    return found


@require_POST
@login_required
@refusals_as_messages
def put_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the batch back to the queue."""
    batch = selectors.get_batch(pk, to=person(request))
    clearing.put_back(batch, by=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, f"{batch} is back in the queue.")
    return redirect("clearing:queue")


@require_POST
@login_required
@refusals_as_messages
def take_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the person who presses the clearer of the batch."""
    batch = selectors.get_batch(pk, to=person(request))
    clearing.assign(batch, clearer=person(request), by=person(request))
    messages.success(request, "This batch is yours now.")
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def reopen_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a finished batch again."""
    batch = selectors.get_batch(pk, to=person(request))
    reopen_clearing(batch, by=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, "The batch is open again; its log can be corrected.")
    return redirect(address_of(batch))


@require_POST
@login_required
@refusals_as_messages
def receive_samples(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that one sample of the batch is here, or with `sample=all` every one."""
    batch = selectors.get_batch(pk, to=person(request))
    wanted = request.POST.get("sample", "")
    samples = batch.samples.select_related("request__owner")
    chosen = [s for s in samples if wanted == "all" or wanted == str(s.pk)]
    for sample in chosen:
        requests.receive(sample, by=person(request))
    if chosen:
        named = chosen[0].name if len(chosen) == 1 else f"{len(chosen)} samples"
        messages.success(request, f"Received: {named}.")
    return redirect(address_of(batch))


def address_of(batch: ClearingBatch) -> str:
    return reverse("clearing:batch", args=[batch.pk])
