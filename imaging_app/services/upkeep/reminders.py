"""Maintenance that is due: one mail to imaging staff, once for each entry."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from core_app.notices import Letter, Recipient, staff, tell
from core_app.roles import Role
from imaging_app.models import MaintenanceEntry
from imaging_app.selectors.instruments import due_maintenance

AHEAD = timedelta(days=7)


def remind_of_maintenance(*, today: date, dry_run: bool = False) -> list[str]:
    """Tell imaging staff what is due within a week or overdue; return the lines of the mail.

    An entry is told of once. Nobody is marked as reminded while there is nobody to tell.
    """
    to = staff(Role.IMAGER, why="you belong to the imaging staff")
    due = _unannounced(today)
    if dry_run or not to:
        return [_line(entry, today) for entry in due]
    with transaction.atomic():
        claimed = [entry for entry in due if _claim(entry)]
        if claimed:
            _tell(claimed, to, today)
    return [_line(entry, today) for entry in claimed]


def _unannounced(today: date) -> list[MaintenanceEntry]:
    rows = due_maintenance(until=today + AHEAD).filter(reminded_at=None)
    return list(rows.select_related("microscope", "component").order_by("next_due_on", "pk"))


def _claim(entry: MaintenanceEntry) -> bool:
    mine = MaintenanceEntry.objects.filter(pk=entry.pk, reminded_at=None)
    return mine.update(reminded_at=timezone.now()) == 1


def _line(entry: MaintenanceEntry, today: date) -> str:
    what = f"{entry.kind} of {entry.component or entry.microscope}"
    word = "was due" if entry.next_due_on and entry.next_due_on < today else "is due"
    return f"{entry.microscope}: {what} {word} on {entry.next_due_on}"


def _tell(entries: Sequence[MaintenanceEntry], to: Sequence[Recipient], today: date) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        groups[str(entry.microscope)].append(_line(entry, today).partition(": ")[2])
    count = len(entries)
    letter = Letter(
        subject=f"Maintenance is due: {', '.join(sorted(groups))}",
        opening=f"{count} piece{'s' if count > 1 else ''} of maintenance of the instruments "
        f"{'are' if count > 1 else 'is'} due within a week, or overdue.",
        lists=tuple((label, tuple(lines)) for label, lines in sorted(groups.items())),
        closing=("Log it on the page of the instrument when it is done; then it is due no more.",),
        links=(("The instruments", reverse("imaging:instrument-list")),),
    )
    keys = ",".join(f"{entry.pk}:{entry.next_due_on}" for entry in entries)
    tell("maintenance-due", letter, to, root_id=None, once=keys)
