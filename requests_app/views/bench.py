"""The bench page of one batch: its steps, remarks, and its end."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from core_app import roles
from core_app.errors import DomainError, StaleState
from core_app.http import person
from core_app.models import User
from core_app.roles import Role
from requests_app import selectors
from requests_app.forms.clearing import CompleteForm, StepForm, add_refusal
from requests_app.models import ClearingBatch
from requests_app.selectors import BenchStep
from requests_app.selectors import bench as reads
from requests_app.services import clearing, remarks
from requests_app.services.guards import OPEN
from requests_app.services.remarks import FIELDS
from requests_app.states import ClearingState, RequestState
from requests_app.views.clearing import address_of
from requests_app.workflows import complete_clearing

UPCOMING = 3
REFUSED = 422


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


@dataclass(frozen=True, slots=True)
class Remark:
    """One free remark of a batch; after a refusal `why`, and what `stands` instead."""

    field: str
    word: str
    text: str
    saved_at: datetime | None = None
    why: str = ""
    stands: str = ""
    seen: str = ""


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

    After a change of state more than the steps is different: the script reloads the page, unless
    somebody is typing there.
    """
    batch = selectors.get_batch(pk, to=person(request))
    context = _bench(batch, person(request))
    seen = request.GET.get("seen", "")
    if seen == context["seen"]:
        return HttpResponse(status=204)
    response = render(request, "requests_app/clearing_steps.html", context)
    if seen and not seen.startswith(f"{_state_seen(batch)}."):
        response["HX-Trigger-After-Swap"] = "bench-moved"
    return response


def _bench(batch: ClearingBatch, user: User, **more: Any) -> dict[str, Any]:
    """Return everything the bench page shows. Few queries: the steps are read once."""
    entries = selectors.bench_steps(batch)
    samples = list(batch.samples.select_related("request", "received_by"))
    may_clear, can_log = selectors.may_clear(batch, user), selectors.can_log(batch, user)
    is_staff = roles.has_role(user, Role.CLEARER, Role.MANAGER)
    return {
        "batch": batch,
        "order": batch.request,
        "samples": samples,
        "unreceived": [s for s in samples if s.received_at is None],
        "can_start": selectors.can_start(batch, user) and batch.clearer_id in {None, user.pk},
        "can_plan": may_clear and batch.state in OPEN and bool(entries),
        "assignees": _assignees(batch, user),
        "can_claim": selectors.can_start(batch, user) and batch.clearer_id is None,
        "can_release": _can_release(batch, user),
        "can_log": can_log,
        "can_put_back": can_log and not any(entry.is_done for entry in entries),
        "can_take_over": is_staff
        and batch.state in OPEN
        and batch.clearer_id not in {None, user.pk},
        "can_receive": may_clear and batch.request.state == RequestState.SUBMITTED,
        "can_reopen": selectors.can_reopen(batch, user),
        "complete_form": CompleteForm(initial={"link": batch.link}),
        "remarks": [Remark(name, word, getattr(batch, name)) for name, word in FIELDS.items()],
        **_steps_of(batch, entries),
        **more,
    }


def _assignees(batch: ClearingBatch, user: User) -> list[User]:
    """Return who can be given the batch by this person; nobody where they may not."""
    if batch.state not in OPEN or not roles.has_role(user, Role.CLEARER, Role.MANAGER):
        return []
    return reads.may_be_given(batch, reads.clearing_staff())


def _can_release(batch: ClearingBatch, user: User) -> bool:
    if batch.state != ClearingState.WAITING or batch.clearer_id is None:
        return False
    return batch.clearer_id == user.pk or roles.has_role(user, Role.CLEARER, Role.MANAGER)


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
        "seen": _seen(batch, entries),
    }


def _phases(entries: Iterable[BenchStep]) -> list[Phase]:
    groups = groupby(entries, key=lambda entry: (entry.step.phase, entry.step.phase_title))
    return [Phase(title or phase, list(group)) for (phase, title), group in groups]


def _state_seen(batch: ClearingBatch) -> str:
    return f"{batch.state}.{batch.clearer_id or 0}"


def _seen(batch: ClearingBatch, entries: list[BenchStep]) -> str:
    """Return a word that differs as soon as anything on the page would."""
    logs = [entry.log for entry in entries if entry.log is not None]
    latest = max((log.recorded_at.timestamp() for log in logs), default=0)
    planned = sum(int(e.planned.timestamp()) for e in entries if e.planned and not e.is_done)
    return f"{_state_seen(batch)}.{len(logs)}.{round(latest * 1000)}.{planned}"


@require_POST
@login_required
def complete_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Finish the batch, or say on the page what is missing."""
    batch = selectors.get_batch(pk, to=person(request))
    if batch.state == ClearingState.COMPLETE:
        return redirect(address_of(batch))  # pressed twice
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
            return redirect(address_of(batch))
    context = _bench(batch, person(request), complete_form=form)
    return render(request, "requests_app/clearing_batch.html", context, status=REFUSED)


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
            _require_same_person(form, user)
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


def _require_same_person(form: StepForm, user: User) -> None:
    """Refuse what another person typed on this computer before `user` signed in."""
    typed_by = form.cleaned_data["person"]
    if typed_by and typed_by != user.username:
        raise StaleState(
            f"{typed_by} typed this, and you are {user.username}; it was not saved. "
            "Reload the page and enter what you did yourself."
        )


@require_POST
@login_required
def save_remark(request: HttpRequest, pk: int, field: str) -> HttpResponse:
    """Save one of the two remarks; the answer says so, or shows what a colleague wrote."""
    batch = selectors.get_batch(pk, to=person(request))
    typed = request.POST.get("text", "")
    seen = request.POST.get("replaces_text", request.POST.get("seen", ""))
    if field not in FIELDS:
        raise Http404("There is no such remark.")
    try:
        remarks.save_remark(batch, field, typed, seen=seen, by=person(request))
    except DomainError as refusal:
        refused = Remark(field, FIELDS[field], typed, why=refusal.message, seen=seen)
        return _remark_refused(request, batch, refused)
    if not request.htmx:  # type: ignore[attr-defined]  # django-htmx's hook
        messages.success(request, "The remark is saved.")
        return redirect(f"{address_of(batch)}#remarks")
    remark = Remark(field, FIELDS[field], typed, saved_at=timezone.now())
    context = {"batch": batch, "remark": remark, "can_log": True}
    return render(request, "requests_app/clearing_remark_status.html", context)


def _remark_refused(request: HttpRequest, batch: ClearingBatch, remark: Remark) -> HttpResponse:
    """Show what was typed and what stands there; neither is lost."""
    batch = selectors.get_batch(batch.pk, to=person(request))
    remark = replace(remark, stands=getattr(batch, remark.field))
    if request.htmx:  # type: ignore[attr-defined]  # django-htmx's hook
        can_log = selectors.can_log(batch, person(request))
        context = {"batch": batch, "remark": remark, "can_log": can_log}
        return render(request, "requests_app/clearing_remark_status.html", context, status=REFUSED)
    page = _bench(batch, person(request))
    page["remarks"] = [remark if r.field == remark.field else r for r in page["remarks"]]
    return render(request, "requests_app/clearing_batch.html", page, status=REFUSED)


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
    if who := request.POST.get("today", ""):
        return redirect(f"{reverse('clearing:today')}?{urlencode({'who': who})}")
    return redirect(f"{address_of(batch)}#bench-steps")
