"""Pages of clearing: the queue and the bench page of one batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core_app import roles
from core_app.errors import DomainError
from core_app.http import person, refusals_as_messages
from core_app.models import User
from core_app.roles import Role
from requests_app import selectors
from requests_app.forms.clearing import CompleteForm, StepForm, add_refusal
from requests_app.models import ClearingBatch, ClearingProtocol, ClearingStepLog
from requests_app.selectors import BenchStep
from requests_app.services import clearing, requests
from requests_app.states import ClearingState, RequestState
from requests_app.workflows import complete_clearing, reopen_clearing

NEWEST = 20
UPCOMING = 3
REFUSED = 422


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One batch of the queue, and what happens next with it."""

    batch: ClearingBatch
    done: int = 0
    total: int = 0
    next_step: str = ""
    can_start: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the queue."""

    state: str
    title: str
    lines: list[QueueLine]
    nothing: str
    how: str


@require_GET
@login_required
def queue(request: HttpRequest) -> HttpResponse:
    """Show what is being cleared, what is ready and what was finished last."""
    user = person(request)
    rows = _filtered(selectors.clearing_queue(to=user), request.GET, user)
    wanted = request.GET.get("state", "")
    builders = (_in_progress, _ready, _complete)
    sections = [build(rows, user) for build in builders]
    context = {
        "sections": [s for s in sections if wanted in {"", s.state}],
        "states": [(s.state, s.title) for s in sections],
        "state": wanted if wanted in {s.state for s in sections} else "",
        "protocols": _protocol_names(),
        "protocol": request.GET.get("protocol", ""),
        "mine": request.GET.get("mine") == "1",
    }
    return render(request, "requests_app/clearing_queue.html", context)


def _filtered(
    rows: QuerySet[ClearingBatch], query: QueryDict, user: User
) -> QuerySet[ClearingBatch]:
    if protocol := query.get("protocol", ""):
        rows = rows.filter(protocol__name=protocol)
    if query.get("mine") == "1":
        rows = rows.filter(clearer=user)
    return rows


def _protocol_names() -> list[str]:
    rows = ClearingProtocol.objects.filter(batches__isnull=False)
    return list(dict.fromkeys(rows.values_list("name", flat=True)))


def _in_progress(rows: QuerySet[ClearingBatch], user: User) -> Section:
    batches = rows.filter(state=ClearingState.IN_PROGRESS)
    lines = [_line_with_steps(b) for b in batches.prefetch_related("log", "protocol__steps")]
    return Section(
        ClearingState.IN_PROGRESS, "In progress", lines,
        "Nothing is being cleared.", "A batch comes here when somebody presses Start clearing.",
    )  # fmt: skip


def _line_with_steps(batch: ClearingBatch) -> QueueLine:
    done = {log.step_id for log in batch.log.all()}
    steps = list(batch.protocol.steps.all())
    following = next((step.label for step in steps if step.pk not in done), "")
    return QueueLine(batch, done=len(done), total=len(steps), next_step=following)


def _ready(rows: QuerySet[ClearingBatch], user: User) -> Section:
    is_staff = roles.has_role(user, Role.CLEARER, Role.MANAGER)
    lines = [
        QueueLine(batch, can_start=is_staff or selectors.can_start(batch, user))
        for batch in rows.filter(state=ClearingState.WAITING)
    ]
    return Section(
        ClearingState.WAITING, "Ready", lines,
        "Nothing waits to be cleared.", "Batches come here when a researcher submits a request.",
    )  # fmt: skip


def _complete(rows: QuerySet[ClearingBatch], user: User) -> Section:
    newest = rows.filter(state=ClearingState.COMPLETE).order_by("-state_since", "-id")[:NEWEST]
    return Section(
        ClearingState.COMPLETE, "Complete", [QueueLine(batch) for batch in newest],
        "Nothing is cleared yet.", f"The {NEWEST} batches finished last are listed here.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps that follow each other in one phase of a protocol."""

    title: str
    entries: list[BenchStep]

    @property
    def done(self) -> int:
        return sum(entry.is_done for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that was not saved: what was typed, and what stands there instead."""

    entry: BenchStep
    form: StepForm


@require_GET
@login_required
def batch_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the bench page of one batch."""
    batch = selectors.get_batch(pk, to=person(request))
    return render(request, "requests_app/clearing_batch.html", _bench(batch, person(request)))


@require_GET
@login_required
def batch_steps(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the steps if they changed since the page saw them.

    A change of state reloads the page: more than the steps is different then.
    """
    batch = selectors.get_batch(pk, to=person(request))
    context = _bench(batch, person(request))
    seen = request.GET.get("seen", "")
    if seen == context["seen"]:
        return HttpResponse(status=204)
    response = render(request, "requests_app/clearing_steps.html", context)
    if seen and not seen.startswith(f"{_state_seen(batch)}."):
        response["HX-Refresh"] = "true"
    return response


def _bench(batch: ClearingBatch, user: User, **more: Any) -> dict[str, Any]:
    """Return everything the bench page shows. Few queries: the steps are read once."""
    entries = selectors.bench_steps(batch)
    samples = list(batch.samples.select_related("request", "received_by"))
    may_clear, can_log = selectors.may_clear(batch, user), selectors.can_log(batch, user)
    return {
        "batch": batch,
        "order": batch.request,
        "samples": samples,
        "unreceived": [s for s in samples if s.received_at is None],
        "can_start": selectors.can_start(batch, user),
        "can_log": can_log,
        "can_put_back": can_log and not any(entry.is_done for entry in entries),
        "can_take_over": can_log and batch.clearer_id != user.pk,
        "can_receive": may_clear and batch.request.state == RequestState.SUBMITTED,
        "can_reopen": selectors.can_reopen(batch, user),
        "complete_form": CompleteForm(initial={"link": batch.link}),
        **_steps_of(batch, entries),
        **more,
    }


def _steps_of(batch: ClearingBatch, entries: list[BenchStep]) -> dict[str, Any]:
    missing = [entry for entry in entries if not entry.is_done]
    logs = [entry.log for entry in entries if entry.log is not None]
    latest = max(logs, key=lambda log: log.recorded_at, default=None)
    return {
        "current": missing[0] if missing else None,
        "upcoming": missing[1 : 1 + UPCOMING],
        "missing": missing,
        "latest": next((entry for entry in entries if latest and entry.log == latest), None),
        "phases": _phases(entries),
        "done": len(logs),
        "total": len(entries),
        "is_live": batch.state == ClearingState.IN_PROGRESS,
        "seen": _seen(batch, logs),
    }


def _phases(entries: Iterable[BenchStep]) -> list[Phase]:
    groups = groupby(entries, key=lambda entry: (entry.step.phase, entry.step.phase_title))
    return [Phase(title or phase, list(group)) for (phase, title), group in groups]


def _state_seen(batch: ClearingBatch) -> str:
    return f"{batch.state}.{batch.clearer_id or 0}"


def _seen(batch: ClearingBatch, logs: list[ClearingStepLog]) -> str:
    """Return a word that differs as soon as anything on the page would."""
    latest = max((log.recorded_at.timestamp() for log in logs), default=0)
    return f"{_state_seen(batch)}.{len(logs)}.{round(latest * 1000)}"


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
    return redirect(_address_of(batch))


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
    return redirect(_address_of(batch))


@require_POST
@login_required
def complete_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Finish the batch, or say on the page what is missing."""
    batch = selectors.get_batch(pk, to=person(request))
    if batch.state == ClearingState.COMPLETE:
        return redirect(_address_of(batch))  # pressed twice
    form = CompleteForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            complete_clearing(
                batch, by=person(request), link=given["link"], skip_missing=given["left_out"]
            )
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "Clearing is complete. The samples are ready to be imaged.")
            return redirect(_address_of(batch))
    context = _bench(batch, person(request), complete_form=form)
    return render(request, "requests_app/clearing_batch.html", context, status=REFUSED)


@require_POST
@login_required
@refusals_as_messages
def reopen_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a finished batch again."""
    batch = selectors.get_batch(pk, to=person(request))
    reopen_clearing(batch, by=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, "The batch is open again; its log can be corrected.")
    return redirect(_address_of(batch))


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
    return redirect(_address_of(batch))


@require_POST
@login_required
def record_step(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Log or correct one step."""
    user = person(request)
    batch = selectors.get_batch(pk, to=user)
    entry = _entry_of(batch, slug)
    form = StepForm(request.POST, step=entry.step)
    if form.is_valid():
        try:
            clearing.record_step(batch, slug, by=user, **form.entry(entry.log))
        except DomainError as refusal:
            add_refusal(form, refusal)
    return _answer(request, batch, slug, form)


@require_POST
@login_required
def take_back_step(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Remove an entry made by mistake."""
    user = person(request)
    batch = selectors.get_batch(pk, to=user)
    form = StepForm(request.POST, step=_entry_of(batch, slug).step)
    if form.is_valid():
        try:
            seen = form.cleaned_data["replaces"] or 0
            clearing.take_back_step(batch, slug, by=user, replaces=seen)
        except DomainError as refusal:
            add_refusal(form, refusal)
    return _answer(request, batch, slug, form)


def _entry_of(batch: ClearingBatch, slug: str) -> BenchStep:
    for entry in selectors.bench_steps(batch):
        if entry.step.slug == slug:
            return entry
    raise Http404("There is no such step in this protocol.")


def _answer(request: HttpRequest, batch: ClearingBatch, slug: str, form: StepForm) -> HttpResponse:
    """Return the steps as they are; a refused entry keeps what was typed and shows what stands."""
    batch = selectors.get_batch(batch.pk, to=person(request))
    context = _bench(batch, person(request))
    if form.errors:
        context["refusal"] = Refusal(_entry_of(batch, slug), form)
    status = REFUSED if form.errors else 200
    if request.htmx:  # type: ignore[attr-defined]  # django-htmx's hook
        return render(request, "requests_app/clearing_answer.html", context, status=status)
    if form.errors:
        return render(request, "requests_app/clearing_batch.html", context, status=status)
    return redirect(f"{_address_of(batch)}#bench-steps")


def _address_of(batch: ClearingBatch) -> str:
    return reverse("clearing:batch", args=[batch.pk])
