"""The calendar of hand-offs: what each day takes, and what is expected on it."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from core_app import roles
from core_app.errors import DomainError
from core_app.http import person
from core_app.roles import Role
from requests_app.forms.clearing import add_refusal
from requests_app.forms.tubes import DayForm, day_in
from requests_app.models import HandoffWeekday
from requests_app.selectors import handoffs as reads
from requests_app.services import handoffs

MOST_DAYS = 120
MOST_OVERDUE = 20
USUAL_DAYS = 60
REFUSED = 422


@require_GET
@login_required
def month(request: HttpRequest) -> HttpResponse:
    """Show one month; `?month=2026-12` names it, `?day=2026-12-03` opens a day beside it."""
    day = day_in(request.GET.get("day", ""))
    return _show(request, request.GET.get("month", ""), day)


@require_POST
@login_required
def set_day(request: HttpRequest) -> HttpResponse:
    """Change what one day takes, or let it be like its weekday again."""
    form = DayForm(request.POST)
    if form.is_valid():
        try:
            return _set(request, form.cleaned_data)
        except DomainError as refusal:
            add_refusal(form, refusal)
    day = day_in(request.POST.get("day", ""))
    return _show(request, f"{day:%Y-%m}" if day else "", day, form=form, status=REFUSED)


def _set(request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
    day, seen, by = given["day"], given["seen"], person(request)
    if request.POST.get("action") == "clear":
        found = handoffs.clear_day(day, seen=seen, by=by)
        messages.success(request, f"{day} is like every {day:%A} again.")
    else:
        found = handoffs.set_day(
            day, capacity=given["capacity"], note=given["note"], seen=seen, by=by
        )
        messages.success(request, f"{day}: {_takes(found)}.")
    if found.too_many:
        messages.warning(
            request,
            f"{found.expected} samples are expected on {day}, {found.too_many} more than it takes. "
            "They stay as they are; move them on their pages, or ask their owners to.",
        )
    return redirect(f"{reverse('requests:handoffs')}?month={day:%Y-%m}&day={day}")


def _takes(day: reads.Day) -> str:
    if day.capacity is None:
        return "no limit"
    return f"takes {day.capacity}" if day.capacity else "closed"


def _show(
    request: HttpRequest,
    named: str,
    day: date | None,
    *,
    form: DayForm | None = None,
    status: int = 200,
) -> HttpResponse:
    user, today = person(request), timezone.localdate()
    is_staff = roles.has_role(user, Role.CLEARER, Role.MANAGER)
    first = reads.first_of(named or (f"{day:%Y-%m}" if day else ""), today=today)
    chosen = reads.day_of(day, today=today, to=user) if day else None
    overdue = list(reads.overdue_samples(today=today, to=user)[: MOST_OVERDUE + 1])
    context = {
        "month": reads.month_of(first, today=today, to=user),
        "this_month": today.replace(day=1) == first,
        "weekdays": HandoffWeekday.Weekday.labels,
        "chosen": chosen,
        "form": form or (_form(chosen) if chosen else None),
        "may_set": is_staff and chosen is not None and not chosen.is_past,
        "is_staff": is_staff,
        "overdue": overdue[:MOST_OVERDUE] if is_staff else [],
        "more_overdue": len(overdue) > MOST_OVERDUE,
    }
    return render(request, "requests_app/handoff_month.html", context, status=status)


def _form(chosen: reads.Cell) -> DayForm:
    day = chosen.day
    return DayForm(
        initial={
            "day": day.day.isoformat(),
            "seen": reads.seen_of(day),
            "capacity": day.capacity,
            "note": day.note,
        }
    )


@require_GET
@login_required
def days(request: HttpRequest) -> HttpResponse:
    """Return {day: {left, note}} for the date fields of the forms: at most 120 days."""
    first, last = request.GET.get("from", ""), request.GET.get("to", "")
    begin = day_in(first) if first else timezone.localdate()
    if begin is None or (last and day_in(last) is None):
        error = "Give from and to as dates, such as 2026-12-03."
        return JsonResponse({"error": error}, status=400)
    end = day_in(last)
    count = (end - begin).days + 1 if end else USUAL_DAYS
    wanted = reads.days_from(begin, max(0, min(count, MOST_DAYS)))
    found = reads.handoff_days(wanted).values()
    return JsonResponse({str(day.day): {"left": day.left, "note": day.note} for day in found})
