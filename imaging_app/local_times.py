"""Times as people type them, in the facility's zone, on the nights when its clocks change too."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum


class Occurs(StrEnum):
    """How often a clock shows a time on a day."""

    ONCE = "once"
    TWICE = "twice"  # the clocks go back
    NEVER = "never"  # the clocks go forward


def occurs(clock: datetime, zone: tzinfo) -> Occurs:
    """Return how often the clocks of the zone show this time; `clock` has no zone of its own."""
    first, second = (clock.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return Occurs.ONCE
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)
    return Occurs.TWICE if back == clock else Occurs.NEVER


def moment_of(clock: datetime, zone: tzinfo, *, second: bool = False) -> datetime:
    """Return the moment in UTC; `second` asks for the later one of a time that comes twice."""
    return clock.replace(tzinfo=zone, fold=int(second)).astimezone(UTC)


def instead_of(clock: datetime, zone: tzinfo) -> datetime:
    """Return what the clocks show instead of a time that they leave out."""
    return moment_of(clock, zone).astimezone(zone).replace(tzinfo=None, fold=0)


def zone_names(clock: datetime, zone: tzinfo) -> tuple[str, str]:
    """Return what the zone is called at the first and at the second occurrence: CEST, CET."""
    first, second = (clock.replace(tzinfo=zone, fold=fold).tzname() or "" for fold in (0, 1))
    return first, second


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the moment at which the day begins."""
    return moment_of(datetime(day.year, day.month, day.day), zone)


def span_words(begins: datetime, ends: datetime, zone: tzinfo) -> str:
    """Return `2026-12-01 09:00–12:00 CET`; days and zones are repeated only where they differ."""
    first, last = begins.astimezone(zone), ends.astimezone(zone)
    same_zone = first.tzname() == last.tzname()
    opening = f"{first:%Y-%m-%d %H:%M}" + ("" if same_zone else f" {first:%Z}")
    if first.date() == last.date():
        return f"{opening}–{last:%H:%M %Z}"
    return f"{opening} – {last:%Y-%m-%d %H:%M %Z}"


def length_words(length: timedelta) -> str:
    """Return a length as people say it: `2 h`, `1 h 30 min`, `3 d 4 h`."""
    minutes = round(length.total_seconds() / 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = ((days, "d"), (hours, "h"), (rest, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 min"
