"""When the steps of a protocol are due: pure arithmetic over durations, clocks and calendars.

A step is logged when it begins (the tube goes into the bath), so the next is due when its usual
duration is over. A step without a fixed duration takes none of the plan's time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SATURDAY = 5
BEST_WITHIN_DAYS = 14


@dataclass(frozen=True, slots=True)
class Hours:
    """When people stand at the bench: from `begin` o'clock until before `end` o'clock."""

    begin: int
    end: int
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Task:
    """One step as planning sees it; `done_at` is when it was begun, `pinned_at` a chosen time."""

    key: int
    minutes: int | None = None
    done_at: datetime | None = None
    pinned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Clash:
    """A step that is planned for a day on which nobody is expected to stand at the bench."""

    key: int
    starts_at: datetime
    why: str


def plan(tasks: Iterable[Task], *, start: datetime, hours: Hours) -> dict[int, datetime]:
    """Return when each step that is not done is due, in UTC; `start` is for the first of them.

    A step that would begin outside the working hours moves to the next morning. A pinned time
    stays as it is, and what follows counts from there.
    """
    due: dict[int, datetime] = {}
    free_at = start
    for task in tasks:
        begins = task.done_at or task.pinned_at or next_working_time(free_at, hours)
        if task.done_at is None:
            due[task.key] = begins.astimezone(UTC)
        free_at = begins.astimezone(UTC) + timedelta(minutes=task.minutes or 0)
    return due


def next_working_time(moment: datetime, hours: Hours) -> datetime:
    """Return the moment itself within working hours, else the next morning, in UTC."""
    local = moment.astimezone(hours.zone)
    if hours.begin <= local.hour < hours.end:
        return moment.astimezone(UTC)
    day = local.date() if local.hour < hours.begin else local.date() + timedelta(days=1)
    return morning_of(day, hours)


def morning_of(day: date, hours: Hours) -> datetime:
    """Return when the working day begins, in UTC: also where that night was an hour shorter."""
    return datetime.combine(day, time(hours.begin), hours.zone).astimezone(UTC)


def clashes(
    due: Mapping[int, datetime], *, zone: ZoneInfo, closed: Collection[date]
) -> list[Clash]:
    """Return the steps on Saturdays, Sundays and closed days, in the order of the plan."""
    found = ((key, at, _why_not(at.astimezone(zone).date(), closed)) for key, at in due.items())
    return [Clash(key, at, why) for key, at, why in found if why]


def _why_not(day: date, closed: Collection[date]) -> str:
    if day in closed:
        return "closed"
    return f"{day:%A}" if day.weekday() >= SATURDAY else ""


def best_start(
    tasks: Sequence[Task], *, start: datetime, hours: Hours, closed: Collection[date]
) -> tuple[datetime, int]:
    """Return the start within two weeks with the fewest clashes, the earliest of them, and how
    many are left. Every day is tried at the clock time of `start`; pinned times stay."""
    counted = [
        (len(clashes(plan(tasks, start=at, hours=hours), zone=hours.zone, closed=closed)), at)
        for at in _starts(start, hours)
    ]
    left, at = min(counted)
    return at, left


def _starts(start: datetime, hours: Hours) -> list[datetime]:
    """Return the same clock time on the days from `start` on."""
    local = next_working_time(start, hours).astimezone(hours.zone).replace(tzinfo=None)
    days = (local + timedelta(days=i) for i in range(BEST_WITHIN_DAYS))
    return [day.replace(tzinfo=hours.zone).astimezone(UTC) for day in days]
