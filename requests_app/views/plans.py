"""The plan of a batch: when each step is due, and which day to begin on."""

from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from core_app.errors import DomainError
from core_app.http import person, refusals_as_messages
from core_app.models import User
from requests_app import selectors
from requests_app.days_of_plans import FARTHEST
from requests_app.forms.clearing import PinForm, StartForm, add_refusal
from requests_app.models import ClearingBatch
from requests_app.selectors import planning as reads
from requests_app.services import planning
from requests_app.services.guards import OPEN

REFUSED = 422


@require_GET
@login_required
def batch_plan(request: HttpRequest, pk: int) -> HttpResponse:
    """Show when each step is due; who may clear the batch changes it here."""
    batch = selectors.get_batch(pk, to=person(request))
    return render(request, "requests_app/clearing_plan.html", _page(batch, person(request)))


def _page(batch: ClearingBatch, user: User, **more: Any) -> dict[str, Any]:
    lines = reads.plan_lines(batch)
    may_plan = selectors.may_clear(batch, user) and batch.state in OPEN
    is_untouched = not any(line.log for line in lines)
    planned = [line.planned.starts_at for line in lines if line.planned]
    start = planned[0] if planned else _usual_start(batch)
    clashing = [line for line in lines if line.clash]
    context = {
        "batch": batch,
        "order": batch.request,
        "lines": lines,
        "may_plan": may_plan,
        "may_shift": may_plan and (is_untouched or not planned) and bool(lines),
        "has_plan": bool(planned),
        "ends_at": max(planned, default=None),
        "clashing": clashing,
        "start_form": StartForm(initial={"start": _typed(start)}),
    }
    if context["may_shift"] and (clashing or not planned):
        context["best"], context["best_left"] = reads.best_start(
            batch, start=max(start, timezone.now())
        )
    return context | more


def _usual_start(batch: ClearingBatch) -> datetime:
    """Offer the morning of the hand-off, or of tomorrow if that is over."""
    tomorrow = timezone.localdate() + timedelta(days=1)
    day = min(max(batch.expected_handoff_date or tomorrow, tomorrow), tomorrow + FARTHEST)
    return timezone.make_aware(datetime.combine(day, time(reads.working_hours().begin + 1)))


def _typed(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M")


@require_POST
@login_required
def plan_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Plan all steps from the chosen start on."""
    batch = selectors.get_batch(pk, to=person(request))
    form = StartForm(request.POST)
    if form.is_valid():
        try:
            planning.make_plan(batch, start=form.cleaned_data["start"], by=person(request))
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The steps are planned.")
            return redirect(address_of(batch))
    context = _page(batch, person(request), start_form=form)
    return render(request, "requests_app/clearing_plan.html", context, status=REFUSED)


@require_POST
@login_required
def pin_step(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Give one step a time of its own."""
    batch = selectors.get_batch(pk, to=person(request))
    form = PinForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            planning.pin(batch, slug, at=given["starts_at"], by=person(request), seen=given["seen"])
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The time is set; later steps follow it.")
            return redirect(f"{address_of(batch)}#step-{slug}")
    context = _page(batch, person(request), pin_form=form, pin_slug=slug)
    return render(request, "requests_app/clearing_plan.html", context, status=REFUSED)


@require_POST
@login_required
@refusals_as_messages
def unpin_step(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Let the step follow the ones before it again."""
    batch = selectors.get_batch(pk, to=person(request))
    planning.unpin(batch, slug, by=person(request))
    messages.success(request, "The step follows the plan again.")
    return redirect(f"{address_of(batch)}#step-{slug}")


def address_of(batch: ClearingBatch) -> str:
    return reverse("clearing:batch-plan", args=[batch.pk])
