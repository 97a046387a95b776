"""How much a microscope was used: hours booked, at work, out of order, against working hours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from django.conf import settings
from django.utils import timezone

from imaging_app.local_times import moment_of
from imaging_app.models import ImagingResolution, Microscope, Outage
from imaging_app.selectors.bookings import bookings_in, outages_in, slot_of
from imaging_app.slots import Slot, common, cut_all, hours
from imaging_app.weeks import frame_of

FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """Hours of one kind: all of them, and those within working hours."""

    hours: float
    in_work: float
    working: float

    @property
    def percent(self) -> float | None:
        """Return the share of the working hours that it takes; None where there are none."""
        return 100 * self.in_work / self.working if self.working else None


@dataclass(frozen=True, slots=True)
class Utilization:
    """One microscope from the first day to the last, both included. Hours, of the real length."""

    start: date
    end: date
    working_h: float
    booked: Figure
    acquired: Figure
    down: Figure
    limited: Figure


@dataclass(frozen=True, slots=True)
class Used:
    """What the figures are made of."""

    booked: list[Slot]
    acquired: list[Slot]
    down: list[Slot]
    limited: list[Slot]


def utilization(microscope: Microscope, *, start: date, end: date) -> Utilization:
    """Return how much the microscope was used from `start` to `end`, both included. 3 queries.

    Times in which it was acquiring come from the samples at its objectives; what two of them share
    counts once. An outage without end counts until now. Percentages are of the working hours.
    """
    return _figures(_read(microscope, start, end), start, end)


def by_period(microscope: Microscope, periods: Iterable[tuple[date, date]]) -> list[Utilization]:
    """Return the figures of each period, in as many queries as those of one."""
    wanted = list(periods)
    if not wanted:
        return []
    used = _read(microscope, min(first for first, _ in wanted), max(last for _, last in wanted))
    return [_figures(used, first, last) for first, last in wanted]


def weeks_between(start: date, end: date) -> list[tuple[date, date]]:
    """Return the weeks, Monday to Sunday; the first and the last are cut to what was asked for."""
    found, first = [], start
    while first <= end:
        last = min(end, first + timedelta(days=6 - first.weekday()))
        found.append((first, last))
        first = last + timedelta(days=1)
    return found


def months_between(start: date, end: date) -> list[tuple[date, date]]:
    """Return the months; the first and the last are cut to what was asked for."""
    found, first = [], start
    while first <= end:
        next_month = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        last = min(end, next_month - timedelta(days=1))
        found.append((first, last))
        first = next_month
    return found


def _zone() -> tzinfo:
    return timezone.get_current_timezone()


def _read(microscope: Microscope, start: date, end: date) -> Used:
    frame, now = frame_of(start, end, _zone()), timezone.now()
    rows = ImagingResolution.objects.filter(
        objective__microscope=microscope,
        acquisition_started_at__lt=frame.ends,
        acquisition_ended_at__gt=frame.begins,
    ).order_by()
    acquired = rows.values_list("acquisition_started_at", "acquisition_ended_at")
    outages = list(outages_in(frame, microscope))
    return Used(
        booked=[slot_of(row) for row in bookings_in(frame, microscope)],
        acquired=[Slot(begins, ends) for begins, ends in acquired if begins and ends],
        down=_lasted(outages, Outage.Severity.DOWN, now),
        limited=_lasted(outages, Outage.Severity.LIMITED, now),
    )


def _lasted(outages: Iterable[Outage], severity: str, now: datetime) -> list[Slot]:
    """Return how long they lasted; one without an end until now."""
    return [
        Slot(row.starts_at, row.ends_at or max(now, row.starts_at))
        for row in outages
        if row.severity == severity
    ]


def _figures(used: Used, start: date, end: date) -> Utilization:
    frame, work = frame_of(start, end, _zone()), working_slots(start, end)
    total = hours(work)

    def figure(slots: list[Slot]) -> Figure:
        parts = cut_all(slots, frame)
        return Figure(hours(parts), hours(common(parts, work)), total)

    return Utilization(
        start, end, total, figure(used.booked), figure(used.acquired), figure(used.down),
        figure(used.limited),
    )  # fmt: skip


def working_slots(start: date, end: date) -> list[Slot]:
    """Return the working hours of each weekday, in the facility's zone."""
    days = (start + timedelta(days=i) for i in range((end - start).days + 1))
    return [_working_hours(day) for day in days if day.weekday() <= FRIDAY]


def _working_hours(day: date) -> Slot:
    begins = datetime.combine(day, time(settings.WORKDAY_START))
    length = timedelta(hours=settings.WORKDAY_END - settings.WORKDAY_START)
    return Slot(moment_of(begins, _zone()), moment_of(begins + length, _zone()))
