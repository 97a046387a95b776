"""Slots: times from … to …, what they share, and where there is room. Nothing but arithmetic."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A time from `begins` up to, not including, `ends`, in UTC: its hours have one length."""

    begins: datetime
    ends: datetime

    def __post_init__(self) -> None:
        # Python subtracts two times of one zone by their clocks, wrongly where those change.
        object.__setattr__(self, "begins", self.begins.astimezone(UTC))
        object.__setattr__(self, "ends", self.ends.astimezone(UTC))

    @property
    def length(self) -> timedelta:
        return self.ends - self.begins

    def overlaps(self, other: "Slot") -> bool:
        return self.begins < other.ends and other.begins < self.ends

    def is_within(self, other: "Slot") -> bool:
        return other.begins <= self.begins and self.ends <= other.ends

    def cut(self, frame: "Slot") -> "Slot | None":
        """Return the part that lies in the frame, or None."""
        begins, ends = max(self.begins, frame.begins), min(self.ends, frame.ends)
        return Slot(begins, ends) if begins < ends else None


def cut_all(slots: Iterable[Slot], frame: Slot) -> list[Slot]:
    """Return the parts that lie in the frame."""
    return [part for slot in slots if (part := slot.cut(frame))]


def union(slots: Iterable[Slot]) -> list[Slot]:
    """Return the times that any of them covers, in order, none twice."""
    merged: list[Slot] = []
    for slot in sorted(slots):
        if merged and slot.begins <= merged[-1].ends:
            merged[-1] = Slot(merged[-1].begins, max(merged[-1].ends, slot.ends))
        else:
            merged.append(slot)
    return merged


def common(slots: Iterable[Slot], frames: Iterable[Slot]) -> list[Slot]:
    """Return the parts of the slots that lie in any of the frames; no frame overlaps another."""
    wanted = list(slots)
    return [part for frame in frames for part in cut_all(wanted, frame)]


def hours(slots: Iterable[Slot]) -> float:
    """Return how many hours they cover together; what two cover counts once."""
    return sum((slot.length for slot in union(slots)), timedelta()).total_seconds() / 3600


def first_free(length: timedelta, busy: Iterable[Slot], *, after: datetime) -> datetime | None:
    """Return when the next free time of this length begins, or None where none ever does."""
    begins = after.astimezone(UTC)
    for slot in union(busy):
        if slot.begins - begins >= length:
            break
        begins = max(begins, slot.ends)
    return begins if begins < FOREVER else None


def next_quarter(moment: datetime) -> datetime:
    """Return the moment, or the next full quarter of an hour after it."""
    passed = timedelta(
        minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond
    )
    return moment + timedelta(minutes=15) - passed if passed else moment
