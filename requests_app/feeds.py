"""Calendars as text: events in, iCalendar out. The only importer of icalendar."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from icalendar import Calendar, Event, vText

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029]")
BUSY_UNTIL = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `ends` None: an all-day event on the date `begins`."""

    uid: str
    begins: datetime | date
    ends: datetime | None
    title: str
    text: str
    address: str


def calendar_of(entries: Iterable[Entry], *, name: str, stamp: datetime) -> bytes:
    """Return the calendar with times in UTC; `stamp` is when it was made."""
    calendar = Calendar()
    calendar.add("prodid", "-//lightserv//calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", vText(_plain(name)))  # a name of its own is not escaped else
    for entry in entries:
        calendar.add_component(_event(entry, stamp))
    return bytes(calendar.to_ical())


def _event(entry: Entry, stamp: datetime) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", stamp)
    event.add("dtstart", entry.begins)
    event.add("dtend", entry.ends if entry.ends else entry.begins + timedelta(days=1))
    event.add("summary", _plain(entry.title))
    event.add("description", _plain(entry.text))
    event.add("url", entry.address)
    # A tube that lies in its bath overnight does not keep a person busy.
    event.add("transp", "OPAQUE" if _is_busy(entry) else "TRANSPARENT")
    return event


def _is_busy(entry: Entry) -> bool:
    begins = entry.begins
    if entry.ends is None or not isinstance(begins, datetime):
        return False
    return entry.ends - begins <= BUSY_UNTIL


def _plain(text: str) -> str:
    """Return text without what could end a line of the file."""
    return CONTROL.sub(" ", text.replace("\r\n", "\n"))
