"""Seven days as columns of quarter hours: where a slot stands in them, by the clock on the wall."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from imaging_app.local_times import Occurs, midnight, occurs
from imaging_app.slots import Slot

QUARTER = timedelta(minutes=15)
QUARTERS = 96
FIRST_YEAR, LAST_YEAR = 2000, 2100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a slot stands on one day: from quarter `first` (0 = midnight), `count` of them."""

    day: date
    first: int
    count: int
    is_first_day: bool = True
    is_last_day: bool = True

    @property
    def last(self) -> int:
        return self.first + self.count


@dataclass(frozen=True, slots=True)
class Change:
    """The quarters of a day that the clocks leave out, or show twice."""

    occurs: Occurs
    first: int
    count: int

    @property
    def words(self) -> str:
        span = f"{_clock(self.first)}–{_clock(self.first + self.count)}"
        how = "does not exist" if self.occurs is Occurs.NEVER else "comes twice"
        return f"{span} {how}"


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02d}:{quarter % 4 * 15:02d}"


def monday_of(text: str, *, today: date) -> date:
    """Return the Monday of the week of the day that is named; of this week for all else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = today
    day = day if FIRST_YEAR <= day.year <= LAST_YEAR else today
    return day - timedelta(days=day.weekday())


def days_of(monday: date) -> list[date]:
    return [monday + timedelta(days=i) for i in range(7)]


def frame_of(first: date, last: date, zone: tzinfo) -> Slot:
    """Return the time from the beginning of the first day to the end of the last."""
    return Slot(midnight(first, zone), midnight(last + timedelta(days=1), zone))


def places_of(slot: Slot, days: Sequence[date], zone: tzinfo) -> list[Place]:
    """Return where the slot stands on each of these days; at least one quarter of each."""
    return [place for day in days if (place := _place_on(day, slot, zone))]


def _place_on(day: date, slot: Slot, zone: tzinfo) -> Place | None:
    frame = frame_of(day, day, zone)
    part = slot.cut(frame)
    if part is None:
        return None
    first = quarter_of(part.begins, zone)
    last = QUARTERS if part.ends == frame.ends else -(-_minutes(part.ends, zone) // 15)
    if last <= first:
        # The clocks went back in between: as many quarters as it lasts.
        last = min(QUARTERS, first + -(-part.length // QUARTER))
    return Place(
        day, first, last - first,
        is_first_day=part.begins == slot.begins, is_last_day=part.ends == slot.ends,
    )  # fmt: skip


def quarter_of(moment: datetime, zone: tzinfo) -> int:
    """Return the quarter of the day that the clock shows at this moment."""
    return _minutes(moment, zone) // 15


def _minutes(moment: datetime, zone: tzinfo) -> int:
    local = moment.astimezone(zone)
    return local.hour * 60 + local.minute + bool(local.second)


def change_on(day: date, zone: tzinfo) -> Change | None:
    """Return what the clocks leave out or show twice on this day, if they change."""
    start = datetime(day.year, day.month, day.day)
    if frame_of(day, day, zone).length == timedelta(days=1):
        return None
    odd = [
        (i, how) for i in range(QUARTERS) if (how := occurs(start + i * QUARTER, zone)) != "once"
    ]
    return Change(odd[0][1], odd[0][0], len(odd)) if odd else None


def lanes_of(places: Sequence[Place]) -> list[int]:
    """Return 0 or 1 for each place of a day: those that would cover one another stand side by side.

    Slots of one microscope never overlap; what the clock shows of them can, where it goes back.
    """
    lanes: list[int] = []
    for i, place in enumerate(places):
        covers = i > 0 and place.first < places[i - 1].last
        lanes.append(1 - lanes[-1] if covers else 0)
    return lanes
