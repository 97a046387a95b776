"""Reads of the hand-off calendar: how many samples come on a day, and how many more it takes."""

import calendar
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from zlib import crc32

from django.db.models import Count, QuerySet

from core_app.models import User
from requests_app.models import HandoffDay, HandoffWeekday, Request, Sample
from requests_app.selectors import visible_samples
from requests_app.states import ClearingState, RequestState

FAR = 60
FIRST_YEAR, LAST_YEAR = 2000, 2100


@dataclass(frozen=True, slots=True)
class Day:
    """One day: what it takes, and what is expected. `capacity` None = no limit, 0 = closed."""

    day: date
    capacity: int | None
    expected: int
    note: str = ""
    is_special: bool = False

    @property
    def left(self) -> int | None:
        return None if self.capacity is None else max(0, self.capacity - self.expected)

    @property
    def is_open(self) -> bool:
        return self.left is None or self.left > 0

    @property
    def is_closed(self) -> bool:
        return self.capacity == 0

    @property
    def too_many(self) -> int:
        """Return how many more are expected than the day takes."""
        return 0 if self.capacity is None else max(0, self.expected - self.capacity)


def seen_of(day: Day) -> str:
    """Return a word that differs as soon as somebody changed what the day takes."""
    return f"{day.capacity}.{int(day.is_special)}.{crc32(day.note.encode()):08x}"


def handoff_days(days: Collection[date]) -> dict[date, Day]:
    """Return {day: what it takes and what is expected} in three queries."""
    wanted = sorted(set(days))
    weekdays = dict(HandoffWeekday.objects.values_list("weekday", "capacity"))
    special = {row.day: row for row in HandoffDay.objects.filter(day__in=wanted)}
    rows = Sample.objects.filter(
        expected_handoff_date__in=wanted,
        received_at=None,
        request__state=RequestState.SUBMITTED,
        request__self_clearing=False,
    ).order_by()
    expected = dict(rows.values_list("expected_handoff_date").annotate(Count("id")))
    return {
        day: Day(
            day,
            special[day].capacity if day in special else weekdays.get(day.weekday()),
            expected.get(day, 0),
            special[day].note if day in special else "",
            is_special=day in special,
        )
        for day in wanted
    }


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=i) for i in range(count)]


def open_days(first: date, *, count: int = 3) -> list[date]:
    """Return the next days that still take a sample, at most `count`, within two months."""
    days: Iterable[Day] = handoff_days(days_from(first, FAR)).values()
    return [day.day for day in days if day.is_open][:count]


def next_open_day(first: date) -> date:
    """Return the next day that takes a sample; `first` itself where no day does."""
    return next(iter(open_days(first, count=1)), first)


@dataclass(frozen=True, slots=True)
class Expected:
    """The samples of one request on one day."""

    request: Request
    samples: list[Sample]

    @property
    def missing(self) -> int:
        return sum(sample.received_at is None for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of the calendar as one person sees it."""

    day: Day
    is_in_month: bool
    is_today: bool
    is_past: bool
    orders: list[Expected] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Month:
    """One month in weeks, which begin on Monday."""

    first: date
    weeks: list[list[Cell]]

    @property
    def before(self) -> str:
        return _month_word(self.first - timedelta(days=1))

    @property
    def after(self) -> str:
        return _month_word(self.first + timedelta(days=31))

    @property
    def days(self) -> list[Cell]:
        return [cell for week in self.weeks for cell in week if cell.is_in_month]


def _month_word(day: date) -> str:
    return f"{day:%Y-%m}"


def first_of(text: str, *, today: date) -> date:
    """Return the first day of the month that is named like 2026-12; of this month for all else."""
    named = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text)
    year, month = (int(named[1]), int(named[2])) if named else (0, 0)
    if FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= 12:
        return date(year, month, 1)
    return today.replace(day=1)


def month_of(first: date, *, today: date, to: User) -> Month:
    """Return the weeks of a month: numbers for everybody, samples only for who may read them."""
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    days = [day for week in weeks for day in week]
    takes, orders = handoff_days(days), orders_expected(days, to=to)

    def cell(day: date) -> Cell:
        is_in_month = day.month == first.month
        return Cell(takes[day], is_in_month, day == today, day < today, orders.get(day, []))

    return Month(first, [[cell(day) for day in week] for week in weeks])


def day_of(day: date, *, today: date, to: User) -> Cell:
    """Return one day as the calendar shows it."""
    orders = orders_expected([day], to=to)
    found = handoff_days([day])[day]
    return Cell(found, is_in_month=True, is_today=day == today, is_past=day < today,
                orders=orders.get(day, []))  # fmt: skip


def orders_expected(days: Collection[date], *, to: User) -> dict[date, list[Expected]]:
    """Return {day: the samples that come on it, by request}, as far as this person may read."""
    rows = visible_samples(to=to).filter(
        expected_handoff_date__in=set(days),
        request__state=RequestState.SUBMITTED,
        request__self_clearing=False,
    )
    grouped: dict[date, dict[int, Expected]] = defaultdict(dict)
    for sample in rows.order_by("expected_handoff_date", "request_id", "position"):
        assert sample.expected_handoff_date is not None
        of_day = grouped[sample.expected_handoff_date]
        of_day.setdefault(sample.request_id, Expected(sample.request, [])).samples.append(sample)
    return {day: list(orders.values()) for day, orders in grouped.items()}


def overdue_samples(*, today: date, to: User) -> QuerySet[Sample]:
    """Return the visible samples whose day has passed and which nobody received."""
    rows = visible_samples(to=to).filter(
        expected_handoff_date__lt=today,
        received_at=None,
        request__state=RequestState.SUBMITTED,
        request__self_clearing=False,
        clearing_batch__state=ClearingState.WAITING,
    )
    return rows.order_by("expected_handoff_date", "request_id", "position")
