"""Reads of the hand-off calendar: how many samples come on a day, and how many more it takes."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count

from requests_app.models import HandoffDay, HandoffWeekday, Sample
from requests_app.states import RequestState

FAR = 60


@dataclass(frozen=True, slots=True)
class Day:
    """One day: what it takes, and what is expected. `capacity` None = no limit, 0 = closed."""

    day: date
    capacity: int | None
    expected: int
    note: str = ""

    @property
    def left(self) -> int | None:
        return None if self.capacity is None else max(0, self.capacity - self.expected)

    @property
    def is_open(self) -> bool:
        return self.left is None or self.left > 0


def handoff_days(days: Collection[date]) -> dict[date, Day]:
    """Return {day: what it takes and what is expected} in three queries."""
    wanted = sorted(set(days))
    weekdays = dict(HandoffWeekday.objects.values_list("weekday", "capacity"))
    special = {row.day: row for row in HandoffDay.objects.filter(day__in=wanted)}
    rows = Sample.objects.filter(
        expected_handoff_date__in=wanted,
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
