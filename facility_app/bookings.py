"""A few slots in the calendars of the demo, so that they are not empty."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from core_app.errors import DomainError
from core_app.models import User
from imaging_app.local_times import moment_of
from imaging_app.models import Booking, Microscope
from imaging_app.services import bookings
from imaging_app.slots import Slot


@dataclass(frozen=True, slots=True)
class DemoSlot:
    """One slot, so many workdays from today, in hours of the facility's clocks."""

    microscope: str
    person: str
    purpose: str
    workdays: int
    hour: int
    hours: int


DEMO_SLOTS = (
    DemoSlot("smartspim", "imager", "Test of the new chamber", 1, 9, 3),
    DemoSlot("smartspim", "researcher", "Whole brains at 3.6x", 1, 14, 20),
    DemoSlot("smartspim", "imager", "Calibration", 3, 10, 2),
    DemoSlot("lavision", "imager", "Whole brains at 1.3x", 1, 10, 6),
    DemoSlot("lavision", "researcher", "Dense stack at 4x", 2, 9, 5),
)


def seed_bookings(people: dict[str, User]) -> int:
    """Book what is not booked yet; returns how many slots are new. Safe to repeat."""
    return sum(_book(wanted, people) for wanted in DEMO_SLOTS)


def _book(wanted: DemoSlot, people: dict[str, User]) -> bool:
    microscope = Microscope.objects.filter(name=wanted.microscope).first()
    coming = Booking.objects.filter(
        microscope=microscope,
        purpose=wanted.purpose,
        cancelled_at=None,
        ends_at__gt=timezone.now(),
    )
    if microscope is None or coming.exists():
        return False
    zone = timezone.get_current_timezone()
    day = _workday(wanted.workdays)
    begins = moment_of(datetime.combine(day, time(wanted.hour)), zone)
    slot = Slot(begins, begins + timedelta(hours=wanted.hours))
    try:
        bookings.book(
            microscope, slot, person=people[wanted.person], purpose=wanted.purpose,
            by=people["manager"],
        )  # fmt: skip
    except DomainError:
        return False  # somebody who tries the site out has taken this time
    return True


def _workday(count: int) -> date:
    """Return the day that is so many workdays from today."""
    day = timezone.localdate()
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day
