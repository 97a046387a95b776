"""The calendar of each microscope, and booking it."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core_app.changes import kind_of
from core_app.errors import DomainError
from core_app.http import person, refusals_as_messages
from core_app.models import Event, User
from imaging_app import selectors, weeks
from imaging_app.estimates import USUAL, Suggestion
from imaging_app.forms.bookings import BookForm, MoveForm, clock_in
from imaging_app.local_times import moment_of
from imaging_app.models import Booking, ImagingBatch, Microscope
from imaging_app.selectors import bookings as reads
from imaging_app.services import bookings
from imaging_app.slots import Slot, next_quarter
from requests_app.forms.clearing import add_refusal

REFUSED = 422
QUARTERS_OF_WORDS = 8


@dataclass(frozen=True, slots=True)
class Block:
    """One entry on one day of the week."""

    entry: reads.Entry
    place: weeks.Place
    lane: int
    is_covered: bool = False

    @property
    def clock(self) -> str:
        """Return what the clock shows of it on this day."""
        begins, ends = (
            timezone.localtime(t) for t in (self.entry.slot.begins, self.entry.slot.ends)
        )
        if self.place.is_first_day and self.place.is_last_day:
            return f"{begins:%H:%M}–{ends:%H:%M}"
        if self.place.is_first_day:
            return f"from {begins:%H:%M}"
        return f"until {ends:%H:%M}" if self.place.is_last_day else "all day"


@dataclass(frozen=True, slots=True)
class Day:
    """One column of the week."""

    day: date
    is_today: bool
    is_past: bool
    blocks: list[Block]
    change: weeks.Change | None
    opens_at: str

    @property
    def has_outage(self) -> bool:
        return any(block.entry.is_outage for block in self.blocks)


@require_GET
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Go to a calendar; `?batch=12` to booking a microscope for that batch."""
    if "batch" in request.GET:
        batch = _batch_named(request)
        needed = reads.microscopes_of(batch) if batch else []
        if batch and needed:
            address = reverse("imaging:calendar-book", args=[needed[0].name])
            return redirect(f"{address}?batch={batch.pk}")
    found = sorted(reads.all_microscopes(), key=lambda m: not m.is_bookable)
    if not found:
        raise Http404("There is no microscope yet; staff add them in the console.")
    return redirect("imaging:calendar-week", found[0].name)


def _batch_named(request: HttpRequest) -> ImagingBatch | None:
    """Return the batch that the address names, if the person may image it."""
    named = request.GET.get("batch", "")
    if not (named.isascii() and named.isdigit() and len(named) < 18):
        return None
    batch = selectors.get_batch(int(named), to=person(request))
    return batch if selectors.may_image(batch, person(request)) else None


@require_GET
@login_required
def week(request: HttpRequest, name: str) -> HttpResponse:
    """Show one week; `?week=2026-12-01` names one of its days."""
    microscope, user = reads.get_microscope(name), person(request)
    today = timezone.localdate()
    monday = weeks.monday_of(request.GET.get("week", ""), today=today)
    entries = _entries(microscope, monday, user)
    context = {
        "microscope": microscope,
        "microscopes": reads.all_microscopes(),
        "days": _days(entries, monday),
        "outages": [entry for entry in entries if entry.is_outage],
        "monday": monday,
        "sunday": monday + timedelta(days=6),
        "before": monday - timedelta(days=7),
        "after": monday + timedelta(days=7),
        "is_this_week": monday == weeks.monday_of("", today=today),
        "hours": range(24),
        "now": timezone.now(),
        "now_quarter": weeks.quarter_of(timezone.now(), timezone.get_current_timezone()),
        "may_book": microscope.is_bookable and reads.may_book(user),
        "is_staff": reads.is_imaging_staff(user),
    }
    return render(request, "imaging_app/booking_week.html", context)


def _entries(microscope: Microscope, monday: date, user: User) -> list[reads.Entry]:
    days = weeks.days_of(monday)
    frame = weeks.frame_of(days[0], days[-1], timezone.get_current_timezone())
    return reads.entries_in(frame, microscope, to=user)[microscope.pk]


def _days(entries: list[reads.Entry], monday: date) -> list[Day]:
    days, zone = weeks.days_of(monday), timezone.get_current_timezone()
    placed = [(e, place) for e in entries for place in weeks.places_of(e.slot, days, zone)]
    return [_day(day, [pair for pair in placed if pair[1].day == day]) for day in days]


def _day(day: date, placed: list[tuple[reads.Entry, weeks.Place]]) -> Day:
    today = timezone.localdate()
    booked = [(entry, place) for entry, place in placed if not entry.is_outage]
    lanes = weeks.lanes_of([place for _, place in booked])
    bookings = [Block(*pair, lane) for pair, lane in zip(booked, lanes, strict=True)]
    outages = [
        Block(entry, place, 0, is_covered=_is_covered(place, booked))
        for entry, place in placed
        if entry.is_outage
    ]
    opens = datetime.combine(day, time(settings.WORKDAY_START))
    soon = next_quarter(timezone.localtime()).replace(tzinfo=None)
    return Day(
        day=day,
        is_today=day == today,
        is_past=day < today,
        blocks=sorted([*outages, *bookings], key=lambda block: block.place.first),
        change=weeks.change_on(day, timezone.get_current_timezone()),
        opens_at=f"{max(opens, soon):%Y-%m-%dT%H:%M}",
    )


def _is_covered(place: weeks.Place, booked: list[tuple[reads.Entry, weeks.Place]]) -> bool:
    """Return True where a booking would hide the words of an outage, which stand at its top."""
    words = place.first + QUARTERS_OF_WORDS
    return any(other.first < words and place.first < other.last for _, other in booked)


@require_http_methods(["GET", "POST"])
@login_required
def book(request: HttpRequest, name: str) -> HttpResponse:
    """Book a slot. `?at=2026-12-01T09:00` and `?batch=12` fill in what they say."""
    microscope, user = reads.get_microscope(name), person(request)
    if not reads.may_book(user):
        messages.error(
            request,
            "Only imaging staff book microscopes, and owners of requests that they image "
            "themselves. Ask imaging staff for a slot.",
        )
        return redirect("imaging:calendar-week", microscope.name)
    if request.method == "GET":
        return _book_page(request, microscope, _empty_form(request, microscope))
    form = _book_form(user, microscope, request.POST)
    if form.is_valid():
        try:
            return _booked(request, microscope, form.cleaned_data)
        except DomainError as refusal:
            add_refusal(form, refusal)
    return _book_page(request, microscope, form, status=REFUSED)


def _book_form(user: User, microscope: Microscope, data: Any = None, **other: Any) -> BookForm:
    batches = reads.bookable_batches(microscope, to=user)
    staff = reads.is_imaging_staff(user)
    return BookForm(data, by=user, batches=batches, for_others=staff, **other)


def _empty_form(request: HttpRequest, microscope: Microscope) -> BookForm:
    user, batch = person(request), _batch_named(request)
    suggestion = reads.suggestion_for(batch, microscope) if batch else None
    slot = _first_choice(request, microscope, suggestion)
    initial = {"batch": batch.pk, "purpose": _purpose_of(batch)} if batch else {}
    return _book_form(user, microscope, slot=slot, initial=initial)


def _purpose_of(batch: ImagingBatch) -> str:
    return f"{batch}"[: bookings.MOST_PURPOSE]


def _first_choice(
    request: HttpRequest, microscope: Microscope, suggestion: Suggestion | None
) -> Slot:
    """Return what to propose: the time of the address, else the next that is free."""
    length = suggestion.length if suggestion else USUAL
    soonest = next_quarter(timezone.now())
    clock = clock_in(request.GET.get("at", ""))
    if clock is not None:
        begins = moment_of(clock, timezone.get_current_timezone())
    else:
        begins = reads.next_free(microscope, length, after=soonest) or soonest
    return Slot(begins, begins + length)


def _book_page(
    request: HttpRequest, microscope: Microscope, form: BookForm, *, status: int = 200
) -> HttpResponse:
    batch = _batch_named(request)
    others = reads.microscopes_of(batch) if batch else reads.all_microscopes()
    context = {
        "microscope": microscope,
        "others": [other for other in others if other.pk != microscope.pk and other.is_bookable],
        "form": form,
        "batch": batch,
        "suggestion": reads.suggestion_for(batch, microscope) if batch else None,
    }
    return render(request, "imaging_app/booking_new.html", context, status=status)


def _booked(request: HttpRequest, microscope: Microscope, given: dict[str, Any]) -> HttpResponse:
    made = bookings.book(
        microscope,
        given["slot"],
        person=given.get("person") or person(request),
        purpose=given["purpose"],
        batch=given["batch"],
        by=person(request),
    )
    whose = "" if made.person_id == request.user.pk else f" for {made.person}"
    messages.success(
        request, f"{microscope} is booked{whose}: {reads.words_of(reads.slot_of(made))}."
    )
    return _to_week(request, made)


def _to_week(request: HttpRequest, booking: Booking) -> HttpResponse:
    """Show the week of a booking, and what limits the microscope then."""
    for warning in reads.warnings_of(booking.microscope, reads.slot_of(booking)):
        messages.warning(request, warning)
    address = reverse("imaging:calendar-week", args=[booking.microscope.name])
    return redirect(f"{address}?week={timezone.localtime(booking.starts_at):%Y-%m-%d}")


@require_GET
@login_required
def booking_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one booking to its person and to imaging staff."""
    return _booking_page(request, reads.get_booking(pk, to=person(request)))


def _booking_page(
    request: HttpRequest, booking: Booking, form: MoveForm | None = None, *, status: int = 200
) -> HttpResponse:
    slot = reads.slot_of(booking)
    is_open = booking.cancelled_at is None and booking.ends_at > timezone.now()
    events = Event.objects.filter(kind=kind_of(booking), object_id=booking.pk)
    shown = {"seen": booking.revision, "purpose": booking.purpose}
    context = {
        "booking": booking,
        "microscope": booking.microscope,
        "span": reads.words_of(slot),
        "length": slot.length,
        "is_open": is_open,
        "is_own": booking.person_id == request.user.pk,
        "form": form or MoveForm(slot=slot, initial=shown),
        "warnings": reads.warnings_of(booking.microscope, slot) if is_open else [],
        "events": events.select_related("by").order_by("-id"),
    }
    return render(request, "imaging_app/booking_page.html", context, status=status)


@require_POST
@login_required
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a booking another time or purpose. A refusal keeps what was typed."""
    booking, form = reads.get_booking(pk, to=person(request)), MoveForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            bookings.move(
                booking, given["slot"], purpose=given["purpose"], seen=given["seen"],
                by=person(request),
            )  # fmt: skip
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, f"Saved: {reads.words_of(given['slot'])}.")
            return _to_week(request, reads.get_booking(pk, to=person(request)))
    return _booking_page(request, booking, form, status=REFUSED)


@require_POST
@login_required
@refusals_as_messages
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the time back."""
    booking = reads.get_booking(pk, to=person(request))
    seen, reason = request.POST.get("seen", ""), request.POST.get("reason", "")
    is_revision = seen.isascii() and seen.isdigit() and len(seen) < 10
    bookings.cancel(
        booking, seen=int(seen) if is_revision else 0, by=person(request), reason=reason
    )
    messages.success(
        request, f"{booking.microscope} is free again: {reads.words_of(reads.slot_of(booking))}."
    )
    return redirect("imaging:booking", pk)
