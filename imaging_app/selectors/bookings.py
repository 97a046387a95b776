"""Reads of the calendars of microscopes: who sees what of a slot, when there is room."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone

from core_app import roles
from core_app.models import User
from core_app.roles import Role
from imaging_app import estimates, weeks
from imaging_app.local_times import span_words
from imaging_app.models import (
    Booking,
    ImagingBatch,
    ImagingChannel,
    ImagingResolution,
    Microscope,
    Outage,
)
from imaging_app.selectors import imaging_queue
from imaging_app.slots import FOREVER, Slot, first_free
from imaging_app.states import ImagingState
from requests_app.models import Request
from requests_app.states import RequestState

OPEN = (ImagingState.WAITING, ImagingState.IN_PROGRESS)
LOOKS_AHEAD = timedelta(days=800)


@dataclass(frozen=True, slots=True)
class Entry:
    """One block of a calendar as one person sees it. `booking_id` None: it leads nowhere."""

    slot: Slot
    look: str  # own, booked, down or limited
    title: str
    who: str = ""
    booking_id: int | None = None

    @property
    def span(self) -> str:
        return words_of(self.slot)

    @property
    def is_open_ended(self) -> bool:
        return self.slot.ends >= FOREVER

    @property
    def is_outage(self) -> bool:
        return self.look in set(Outage.Severity.values)


@dataclass(frozen=True, slots=True)
class MicroscopeDay:
    """What one microscope has on one day."""

    microscope: Microscope
    entries: list[Entry]


def words_of(slot: Slot) -> str:
    """Return from when to when, in the facility's zone."""
    zone = timezone.get_current_timezone()
    if slot.ends >= FOREVER:
        return f"from {timezone.localtime(slot.begins):%Y-%m-%d %H:%M %Z}, no end known"
    return span_words(slot.begins, slot.ends, zone)


def is_imaging_staff(user: User) -> bool:
    return roles.has_role(user, Role.IMAGER, Role.MANAGER)


def may_book(user: User) -> bool:
    """Return True for imaging staff, and for owners of an open request who image it themselves.

    Or one further round of it.
    """
    if is_imaging_staff(user):
        return True
    own = Request.objects.filter(owner=user, state=RequestState.SUBMITTED)
    rounds = ImagingBatch.objects.filter(imager=user, state__in=OPEN)
    self_imaged = Q(self_imaging=True) | Q(pk__in=rounds.values("clearing_batch__request"))
    return user.is_active and own.filter(self_imaged).exists()


def may_change(booking: Booking, user: User) -> bool:
    """Return True for the person of the slot and imaging staff: they also see whose it is."""
    return booking.person_id == user.pk or is_imaging_staff(user)


def standing() -> QuerySet[Booking]:
    """Return the bookings that nobody cancelled."""
    rows = Booking.objects.filter(cancelled_at=None)
    return rows.select_related("person", "microscope").order_by("starts_at", "pk")


def bookings_in(frame: Slot, *microscopes: Microscope) -> QuerySet[Booking]:
    """Return the standing bookings that share time with the frame."""
    rows = standing().filter(microscope__in=microscopes)
    return rows.filter(starts_at__lt=frame.ends, ends_at__gt=frame.begins)


def outages_in(frame: Slot, *microscopes: Microscope) -> QuerySet[Outage]:
    """Return the outages that share time with the frame, those without an end too."""
    rows = Outage.objects.filter(microscope__in=microscopes, starts_at__lt=frame.ends)
    rows = rows.filter(Q(ends_at=None) | Q(ends_at__gt=frame.begins))
    return rows.order_by("starts_at", "pk")


def slot_of(row: Booking | Outage) -> Slot:
    """Return the time of a booking or an outage; without an end it lasts forever."""
    return Slot(row.starts_at, row.ends_at or FOREVER)


def all_microscopes() -> list[Microscope]:
    return list(Microscope.objects.order_by("label", "pk"))


def get_microscope(name: str) -> Microscope:
    """Return the microscope of this name, or 404."""
    found = Microscope.objects.filter(name=name).first()
    if found is None:
        raise Http404("There is no microscope of this name.")
    return found


def get_booking(pk: int, *, to: User) -> Booking:
    """Return a booking with its person, for who may see whose it is; else 404."""
    rows = Booking.objects.select_related(
        "microscope", "person", "booked_by", "batch__clearing_batch__request__owner"
    )
    found = rows.filter(pk=pk).first()
    if found is None or not may_change(found, to):
        raise Http404("There is no such booking, or it is not yours to see.")
    return found


def entries_in(frame: Slot, *microscopes: Microscope, to: User) -> dict[int, list[Entry]]:
    """Return {microscope id: its outages, then its bookings}, as this person sees them."""
    found: dict[int, list[Entry]] = {microscope.pk: [] for microscope in microscopes}
    for outage in outages_in(frame, *microscopes):
        found[outage.microscope_id].append(Entry(slot_of(outage), outage.severity, outage.reason))
    for booking in bookings_in(frame, *microscopes):
        found[booking.microscope_id].append(entry_of(booking, to=to))
    return found


def entry_of(booking: Booking, *, to: User) -> Entry:
    """Return the booking as this person sees it: others read that the time is taken, no more."""
    look = "own" if booking.person_id == to.pk else "booked"
    if not may_change(booking, to):
        return Entry(slot_of(booking), look, "Booked")
    title = booking.purpose or "Booked"
    return Entry(slot_of(booking), look, title, str(booking.person), booking.pk)


def today(*, to: User, on: date | None = None) -> list[MicroscopeDay]:
    """Return what each microscope has today, as this person sees it. Three queries."""
    day, zone = on or timezone.localdate(), timezone.get_current_timezone()
    microscopes = all_microscopes()
    found = entries_in(weeks.frame_of(day, day, zone), *microscopes, to=to)
    return [MicroscopeDay(microscope, found[microscope.pk]) for microscope in microscopes]


def busy_of(microscope: Microscope, *, after: datetime, but: Booking | None = None) -> list[Slot]:
    """Return what cannot be booked from then on: other bookings, and when it is down."""
    frame = Slot(after, after + LOOKS_AHEAD)
    bookings = bookings_in(frame, microscope).exclude(pk=but.pk if but else 0)
    down = outages_in(frame, microscope).filter(severity=Outage.Severity.DOWN)
    return [slot_of(row) for row in bookings] + [slot_of(row) for row in down]


def next_free(
    microscope: Microscope, length: timedelta, *, after: datetime, but: Booking | None = None
) -> datetime | None:
    """Return when the next free time of this length begins; None while it is down without end."""
    return first_free(length, busy_of(microscope, after=after, but=but), after=after)


def warnings_of(microscope: Microscope, slot: Slot) -> list[str]:
    """Return what to know about this time: the microscope works only in part, or is down now."""
    rows = outages_in(slot, microscope).filter(severity=Outage.Severity.LIMITED)
    found = [f"{microscope} is limited {words_of(slot_of(row))}: {row.reason}" for row in rows]
    if microscope.status != Microscope.Status.OPERATIONAL:
        why = f": {microscope.status_note}" if microscope.status_note else ""
        found.append(f"{microscope} is {microscope.get_status_display().lower()} now{why}.")
    return found


def bookable_batches(microscope: Microscope, *, to: User) -> QuerySet[ImagingBatch]:
    """Return the open batches with objectives of this microscope that the person images."""
    rows = imaging_queue(to=to).filter(state__in=OPEN)
    if not is_imaging_staff(to):
        self_imaged = Q(clearing_batch__request__self_imaging=True) | Q(imager=to)
        rows = rows.filter(self_imaged, clearing_batch__request__owner=to)
    used = ImagingResolution.objects.filter(objective__microscope=microscope)
    return rows.filter(pk__in=used.values("imaging_request__batch")).order_by("-pk")


def microscopes_of(batch: ImagingBatch) -> list[Microscope]:
    """Return the microscopes that the batch needs, those that take bookings first."""
    rows = Microscope.objects.filter(
        objectives__in=batch.imaging_requests.values("resolutions__objective")
    )
    return list(rows.distinct().order_by("-is_bookable", "label", "pk"))


def suggestion_for(batch: ImagingBatch, microscope: Microscope) -> estimates.Suggestion:
    """Return how long to book for what is left to image of the batch at this microscope."""
    rows = ImagingChannel.objects.filter(
        resolution__imaging_request__batch=batch,
        resolution__imaging_request__state__in=OPEN,
        resolution__objective__microscope=microscope,
    )
    channels = list(rows.select_related("resolution"))
    stacks = [
        estimates.Stack(
            microscope.layout, c.z_planes, tiles=c.tile_columns * c.tile_rows, sheets=len(c.sides)
        )
        for c in channels
    ]
    samples = {channel.resolution.imaging_request_id for channel in channels}
    return estimates.suggest(stacks, samples=len(samples))
