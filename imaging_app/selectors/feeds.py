"""Reads for calendar feeds: slots, outages and due maintenance of microscopes, as events."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from core_app.models import CalendarFeed, User
from imaging_app.models import Booking, MaintenanceEntry, Microscope, Outage
from imaging_app.selectors.bookings import (
    bookings_in,
    entry_of,
    is_imaging_staff,
    outages_in,
    slot_of,
    standing,
    words_of,
)
from imaging_app.selectors.instruments import due_maintenance
from imaging_app.slots import Slot
from requests_app.feeds import Entry

LOOKS_BACK = timedelta(days=30)
AHEAD = timedelta(days=400)
ONE_DAY = timedelta(days=1)


def names() -> dict[int, str]:
    """Return {id: label} of all microscopes."""
    return dict(Microscope.objects.order_by("label", "pk").values_list("pk", "label"))


def entries_of(feed: CalendarFeed) -> list[Entry]:
    """Return the person's own slots, or what one microscope has, as this person may see it now."""
    if feed.scope == CalendarFeed.Scope.MINE:
        return _own(feed.user)
    if feed.scope != CalendarFeed.Scope.MICROSCOPE:
        return []
    microscope = Microscope.objects.filter(pk=feed.about_id or 0).first()
    return _of(microscope, feed.user) if microscope else []


def _frame() -> Slot:
    now = timezone.now()
    return Slot(now - LOOKS_BACK, now + AHEAD)


def _own(user: User) -> list[Entry]:
    frame = _frame()
    rows = standing().filter(person=user, starts_at__lt=frame.ends, ends_at__gt=frame.begins)
    return [_booked(row, user, names_microscope=True) for row in rows]


def _of(microscope: Microscope, user: User) -> list[Entry]:
    frame = _frame()
    events = [_booked(row, user) for row in bookings_in(frame, microscope)]
    events += [_outage(row, microscope) for row in outages_in(frame, microscope)]
    if is_imaging_staff(user):
        events += [_due(row, microscope) for row in _due_in(frame, microscope)]
    return events


def _booked(booking: Booking, user: User, *, names_microscope: bool = False) -> Entry:
    """Return the slot: others than its person and staff read only that it is taken."""
    seen = entry_of(booking, to=user)
    where = f"{booking.microscope}: " if names_microscope else ""
    whose = f" ({seen.who})" if seen.who and not names_microscope else ""
    path = reverse("imaging:calendar-week", args=[booking.microscope.name])
    if seen.booking_id:
        path = reverse("imaging:booking", args=[seen.booking_id])
    return Entry(
        uid=f"booking-{booking.pk}@{settings.SITE_HOST}",
        begins=seen.slot.begins,
        ends=seen.slot.ends,
        title=f"{where}{seen.title}{whose}",
        text=f"{booking.microscope}, {seen.span}",
        address=settings.SITE_URL + path,
    )


def _outage(outage: Outage, microscope: Microscope) -> Entry:
    """Return the outage. One without end is shown until tomorrow, and so grows from day to day."""
    slot = slot_of(outage)
    so_far = max(timezone.now(), slot.begins) + ONE_DAY
    return Entry(
        uid=f"outage-{outage.pk}@{settings.SITE_HOST}",
        begins=slot.begins,
        ends=outage.ends_at or so_far.replace(minute=0, second=0, microsecond=0),
        title=f"{microscope} {outage.get_severity_display().lower()}: {outage.reason}",
        text=words_of(slot),
        address=settings.SITE_URL + reverse("imaging:calendar-week", args=[microscope.name]),
    )


def _due_in(frame: Slot, microscope: Microscope) -> QuerySet[MaintenanceEntry]:
    zone = timezone.get_current_timezone()
    first, last = (moment.astimezone(zone).date() for moment in (frame.begins, frame.ends))
    rows = due_maintenance(until=last).filter(microscope=microscope, next_due_on__gte=first)
    return rows.select_related("component").order_by("next_due_on", "pk")


def _due(entry: MaintenanceEntry, microscope: Microscope) -> Entry:
    assert entry.next_due_on is not None
    what = f"{entry.kind} of {entry.component}" if entry.component else entry.kind
    return Entry(
        uid=f"maintenance-{entry.pk}@{settings.SITE_HOST}",
        begins=entry.next_due_on,
        ends=None,
        title=f"{microscope}, maintenance due: {what}",
        text=f"Last done on {entry.performed_on}.",
        address=settings.SITE_URL + reverse("imaging:calendar-week", args=[microscope.name]),
    )
