"""Pages of the instruments: how each stands, what was done to it, and the forms to enter it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from core_app import roles
from core_app.errors import DomainError, Invalid
from core_app.http import person, refusals_as_messages
from core_app.models import User
from imaging_app.forms import upkeep as forms
from imaging_app.models import Booking, ComponentInstallation, Microscope, Outage
from imaging_app.selectors import instruments as reads
from imaging_app.selectors.bookings import is_imaging_staff
from imaging_app.services import upkeep
from imaging_app.standing import StatusView, Stop
from requests_app.forms.clearing import add_refusal

REFUSED = 422


@dataclass(frozen=True, slots=True)
class Entry:
    """One form of the page: where it stands, its verb, and the service that takes it."""

    key: str
    verb: str
    form: Callable[..., Any]
    save: Callable[[Any, User], object]
    said: str


def _set_status(form: Any, by: User) -> None:
    given = form.cleaned_data
    upkeep.set_status(form.microscope, given["status"], note=given["reason"], by=by)


ENTRIES = {
    entry.key: entry
    for entry in (
        Entry("outage", "Report an outage", forms.OutageForm,
              lambda form, by: upkeep.report_outage(form.instance, by=by),
              "The outage is on the pages of everybody who is signed in."),
        Entry("status", "Set the status", forms.StatusForm, _set_status, "The status is set."),
        Entry("maintenance", "Log maintenance", forms.MaintenanceForm,
              lambda form, by: upkeep.log_maintenance(form.instance, by=by),
              "The maintenance is logged."),
        Entry("part", "Build a part in", forms.InstallForm,
              lambda form, by: upkeep.install(form.instance, by=by), "The part is built in."),
        Entry("swap", "Note a change of objective", forms.SwapForm,
              lambda form, by: upkeep.note_swap(form.instance, by=by), "The change is noted."),
        Entry("calibration", "Enter a measurement", forms.CalibrationForm,
              lambda form, by: upkeep.note_calibration(form.instance, by=by),
              "The measurement is entered."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sight:
    """One instrument of the list."""

    microscope: Microscope
    now: StatusView
    coming: tuple[Stop, ...]
    booking: Booking | None
    overdue: int


@require_GET
@login_required
def instrument_list(request: HttpRequest) -> HttpResponse:
    """Show every instrument: how it stands, its objectives and lines, what is to come."""
    user, at = person(request), timezone.now()
    context = {
        "sights": _sights(at),
        "is_staff": bool(roles.roles_of(user)),
        "sees_whose": is_imaging_staff(user),
    }
    return render(request, "imaging_app/instrument_list.html", context)


def _sights(at: datetime) -> list[Sight]:
    standings = {standing.microscope_id: standing for standing in reads.standings(at)}
    bookings = reads.next_bookings(at)
    overdue = reads.overdue_counts(timezone.localdate(at))
    return [
        Sight(
            microscope,
            standings[microscope.pk].now,
            standings[microscope.pk].coming,
            bookings.get(microscope.pk),
            overdue.get(microscope.pk, 0),
        )
        for microscope in reads.microscopes()
        if microscope.pk in standings
    ]


@require_GET
@login_required
def instrument_page(request: HttpRequest, name: str) -> HttpResponse:
    """Show one instrument: what is built in, what was done, measured and swapped, its outages."""
    return _page(request, reads.get_microscope(name))


@require_POST
@login_required
@refusals_as_messages
def enter(request: HttpRequest, name: str, entry: str) -> HttpResponse:
    """Take one form of the page; what was typed is shown again with what is wrong."""
    microscope, wanted = reads.get_microscope(name), ENTRIES.get(entry)
    if wanted is None:
        raise Http404("There is nothing of this kind to enter.")
    upkeep.require_keeper(person(request))
    form = wanted.form(request.POST, microscope=microscope)
    if form.is_valid() and _is_saved(wanted, form, person(request)):
        messages.success(request, wanted.said)
        return redirect(f"{_address_of(microscope)}#enter-{wanted.key}")
    return _page(request, microscope, refused={wanted.key: form})


def _is_saved(wanted: Entry, form: Any, by: User) -> bool:
    try:
        wanted.save(form, by)
    except DomainError as refusal:
        add_refusal(form, refusal)
        return False
    return True


def _page(
    request: HttpRequest, microscope: Microscope, *, refused: dict[str, Any] | None = None
) -> HttpResponse:
    user, at = person(request), timezone.now()
    is_staff = bool(roles.roles_of(user))
    outages = list(reads.outages_of(microscope))
    context = {
        "microscope": microscope,
        "now": reads.status_of(microscope, at),
        "mounted": reads.mounted_objective(microscope),
        "booking": reads.next_bookings(at).get(microscope.pk),
        "outages": [o for o in outages if o.ends_at is None or o.ends_at > at],
        "past_outages": [o for o in outages if o.ends_at and o.ends_at <= at],
        "at": at,
        "installations": list(reads.installations_of(microscope)),
        "swaps": list(reads.swaps_of(microscope)),
        "maintenance": list(reads.maintenance_of(microscope)) if is_staff else [],
        "trends": list(reads.trends_of(microscope)),
        "today": timezone.localdate(at),
        "is_staff": is_staff,
        "sees_whose": is_imaging_staff(user),
        "most": reads.MOST_ROWS,
        "entries": _entries(user, microscope, refused or {}),
    }
    status = REFUSED if refused else 200
    return render(request, "imaging_app/instrument_page.html", context, status=status)


def _entries(user: User, microscope: Microscope, refused: dict[str, Any]) -> dict[str, Any]:
    if not upkeep.is_keeper(user):
        return {}
    return {
        key: {
            "key": key,
            "verb": entry.verb,
            "form": refused.get(key) or entry.form(microscope=microscope),
            "address": reverse("imaging:instrument-enter", args=[microscope.name, key]),
        }
        for key, entry in ENTRIES.items()
    }


@require_POST
@login_required
@refusals_as_messages
def end_outage(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that an instrument can be used again, or call off a planned outage."""
    outage = get_object_or_404(Outage.objects.select_related("microscope"), pk=pk)
    upkeep.end_outage(outage, by=person(request))
    messages.success(request, f"{outage.microscope}: the outage is over.")
    return redirect(f"{_address_of(outage.microscope)}#outages")


@require_POST
@login_required
@refusals_as_messages
def remove_part(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a part out, today or on the day that is given."""
    rows = ComponentInstallation.objects.select_related("microscope", "component")
    installation = get_object_or_404(rows, pk=pk)
    upkeep.require_keeper(person(request))
    form = forms.DayForm(request.POST)
    if not form.is_valid():
        raise Invalid("Give a day, such as 2026-03-24, or none for today.")
    upkeep.remove(installation, by=person(request), on=form.cleaned_data["removed_on"])
    messages.success(request, f"{installation.component} is removed.")
    return redirect(f"{_address_of(installation.microscope)}#parts")


def _address_of(microscope: Microscope) -> str:
    return reverse("imaging:instrument-page", args=[microscope.name])
