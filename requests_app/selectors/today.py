"""Reads of what is due at the bench: per batch one card in each column."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from core_app.models import User
from requests_app.models import ClearingBatch, ClearingStepLog, PlannedStep, ProtocolStep
from requests_app.selectors import clearing_queue
from requests_app.states import ClearingState, RequestState

GRACE = timedelta(minutes=30)
OPEN_STATES = (ClearingState.WAITING, ClearingState.IN_PROGRESS)
ME, ALL, NOBODY = "me", "all", "none"


class Column(StrEnum):
    """When something is due, seen from now."""

    OVERDUE = "Overdue"
    NOW = "Due now"
    TODAY = "Later today"
    TOMORROW = "Tomorrow"
    WEEK = "Rest of the week"


@dataclass(frozen=True, slots=True)
class Card:
    """The steps of one batch that fall into one column."""

    batch: ClearingBatch
    column: Column
    rows: list[PlannedStep]
    is_current: bool

    @property
    def first(self) -> PlannedStep:
        return self.rows[0]

    @property
    def more(self) -> list[PlannedStep]:
        return self.rows[1:]

    @property
    def until(self) -> datetime:
        """Return when the last of its steps is over."""
        last = self.rows[-1]
        return last.starts_at + timedelta(minutes=last.step.usual_minutes or 0)


def open_plan(batches: QuerySet[ClearingBatch]) -> QuerySet[PlannedStep]:
    """Return the planned steps of these batches that are not logged, in protocol order."""
    logged = ClearingStepLog.objects.filter(batch=OuterRef("batch"), step=OuterRef("step"))
    rows = PlannedStep.objects.filter(
        batch__in=batches.order_by().values("pk"),
        batch__state__in=OPEN_STATES,
        batch__request__state=RequestState.SUBMITTED,
    )
    ordered = rows.exclude(Exists(logged)).order_by("batch_id", "step__position")
    return ordered.select_related("step")


def scope(user: User, who: str) -> QuerySet[ClearingBatch]:
    """Return the open batches of the person's queue that are with `who`: me, all, none, or a
    username."""
    rows = clearing_queue(to=user).filter(state__in=OPEN_STATES)
    if who == ALL:
        return rows
    if who == NOBODY:
        return rows.filter(clearer=None)
    return rows.filter(clearer=user) if who == ME else rows.filter(clearer__username=who)


def cards(batches: QuerySet[ClearingBatch], *, now: datetime) -> dict[Column, list[Card]]:
    """Return the cards of each column, by time. Two queries, however many batches."""
    known = {batch.pk: batch for batch in batches}
    found: dict[tuple[Column, int], list[PlannedStep]] = {}
    current: dict[int, int] = {}
    for row in open_plan(batches):
        current.setdefault(row.batch_id, row.pk)
        column = column_of(row.starts_at, now)
        if column and row.batch_id in known:
            found.setdefault((column, row.batch_id), []).append(row)
    made = [
        Card(known[pk], column, rows, is_current=current[pk] == rows[0].pk)
        for (column, pk), rows in found.items()
    ]
    made.sort(key=lambda card: (card.first.starts_at, card.batch.pk))
    return {column: [card for card in made if card.column == column] for column in Column}


def column_of(moment: datetime, now: datetime) -> Column | None:
    """Return where a step that begins then belongs; None if it is more than a week away."""
    if moment < now - GRACE:
        return Column.OVERDUE
    if moment <= now + GRACE:
        return Column.NOW
    days = (timezone.localtime(moment).date() - timezone.localtime(now).date()).days
    if days == 0:
        return Column.TODAY
    if days == 1:
        return Column.TOMORROW
    return Column.WEEK if days <= 7 else None


def without_plan(batches: QuerySet[ClearingBatch]) -> list[ClearingBatch]:
    """Return the batches in progress whose steps are not planned, so nobody overlooks them."""
    running = batches.filter(state=ClearingState.IN_PROGRESS)
    planned = set(open_plan(running).values_list("batch_id", flat=True))
    steps = ProtocolStep.objects.filter(protocol=OuterRef("protocol"))
    done = ClearingStepLog.objects.filter(batch=OuterRef(OuterRef("pk")), step=OuterRef("pk"))
    return [b for b in running.filter(Exists(steps.exclude(Exists(done)))) if b.pk not in planned]


def people_of(batches: Iterable[ClearingBatch]) -> dict[str, str]:
    """Return {username: name} of who has any of these batches."""
    found = {b.clearer.username: str(b.clearer) for b in batches if b.clearer}
    return dict(sorted(found.items(), key=lambda item: item[1].casefold()))
