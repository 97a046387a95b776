"""Every reminder that the site sends by itself, once a day. Another one is one more line here."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from django.utils import timezone

from imaging_app.services.upkeep import remind_of_maintenance
from processing_app.services.reminders import remind_of_processing

Reminder = Callable[[bool], list[str]]
DAILY = int(timedelta(days=1).total_seconds() // 60)

# Each is told whether to send nothing, and returns a line for each thing it reminds of.
REMINDERS: tuple[Reminder, ...] = (
    lambda dry: remind_of_processing(now=timezone.now(), dry_run=dry),
    lambda dry: remind_of_maintenance(today=timezone.localdate(), dry_run=dry),
)


def remind(*, dry_run: bool = False) -> Iterator[str]:
    """Send what is due and yield a line for each. Safe to repeat."""
    for reminder in REMINDERS:
        yield from reminder(dry_run)
