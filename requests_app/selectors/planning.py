"""Reads of what is planned: tasks of a batch, working hours, days on which nobody is there."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from requests_app import planning
from requests_app.models import (
    ClearingBatch,
    ClearingStepLog,
    HandoffDay,
    PlannedStep,
    ProtocolStep,
)
from requests_app.planning import Clash, Hours, Task


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One step of a batch: when it is planned, and what speaks against that time."""

    step: ProtocolStep
    log: ClearingStepLog | None
    planned: PlannedStep | None
    clash: Clash | None


def working_hours() -> Hours:
    """Return the facility's hours; the zone's name was checked when the process started."""
    return Hours(settings.WORKDAY_START, settings.WORKDAY_END, ZoneInfo(settings.TIME_ZONE))


def closed_days(days: Iterable[date]) -> set[date]:
    """Return the days of these that staff marked as closed."""
    rows = HandoffDay.objects.filter(day__in=set(days), capacity=0)
    return set(rows.values_list("day", flat=True))


def tasks_of(batch: ClearingBatch) -> list[Task]:
    """Return the steps of the batch's protocol version with what is logged and what is pinned."""
    done = dict(batch.log.values_list("step_id", "performed_at"))
    pinned = dict(batch.plan.filter(is_pinned=True).values_list("step_id", "starts_at"))
    steps = batch.protocol.steps.values_list("pk", "usual_minutes")
    return [Task(pk, minutes, done.get(pk), pinned.get(pk)) for pk, minutes in steps]


def clashes_of(due: dict[int, datetime]) -> list[Clash]:
    """Return the times that fall on a weekend or a closed day."""
    zone = working_hours().zone
    closed = closed_days(at.astimezone(zone).date() for at in due.values())
    return planning.clashes(due, zone=zone, closed=closed)


def plan_lines(batch: ClearingBatch) -> list[PlanLine]:
    """Return every step with its plan, in the order of the protocol. Five queries."""
    plans = {row.step_id: row for row in batch.plan.all()}
    logs = {row.step_id: row for row in batch.log.select_related("by")}
    open_plans = {pk: row.starts_at for pk, row in plans.items() if pk not in logs}
    found = {clash.key: clash for clash in clashes_of(open_plans)}
    return [
        PlanLine(step, logs.get(step.pk), plans.get(step.pk), found.get(step.pk))
        for step in batch.protocol.steps.all()
    ]


def best_start(batch: ClearingBatch, *, start: datetime) -> tuple[datetime, int]:
    """Return the start within two weeks with the fewest steps on days off, and how many."""
    hours, tasks = working_hours(), tasks_of(batch)
    closed = _closed_after(start, tasks)
    return planning.best_start(tasks, start=start, hours=hours, closed=closed)


def _closed_after(start: datetime, tasks: Collection[Task]) -> set[date]:
    longest = timedelta(minutes=sum(task.minutes or 0 for task in tasks))
    # Nights and the search for a start make it longer than the sum of the durations.
    last = start + 2 * longest + timedelta(days=planning.BEST_WITHIN_DAYS + len(tasks))
    rows = HandoffDay.objects.filter(capacity=0, day__range=(start.date(), last.date()))
    return set(rows.values_list("day", flat=True))


def planned_start(batch: ClearingBatch) -> datetime:
    """Return when the plan begins: the time of its first step, or now where there is none."""
    first = batch.plan.order_by("step__position").values_list("starts_at", flat=True).first()
    return first or timezone.now()
