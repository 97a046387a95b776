"""Write the plan of a batch: when each step is due. Who may clear the batch may plan it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from core_app.errors import Invalid, NotReady, StaleState
from core_app.models import User
from core_app.transitions import record
from requests_app import selectors
from requests_app.models import ClearingBatch, PlannedStep
from requests_app.planning import plan
from requests_app.selectors.planning import planned_start, tasks_of, working_hours
from requests_app.services.guards import hold_open, require, require_open

LONGEST_AHEAD = timedelta(days=730)
LONGEST_BACK = timedelta(days=60)
WHO = "Only clearing staff, or a self-clearing owner, plan this batch."


def make_plan(batch: ClearingBatch, *, start: datetime, by: User) -> None:
    """Plan every step that is not logged from `start` on; pinned times stay."""
    require(selectors.may_clear(batch, by), WHO)
    require_open(batch.request)
    _check_time(start, "start")
    with transaction.atomic():
        hold_open(batch)
        if batch.log.exists() and not has_unplanned_steps(batch):
            raise NotReady(
                "Steps are logged already, so the plan follows them. Pin the time of a later "
                "step instead."
            )
        plan_from(batch, start)
        local = timezone.localtime(start)
        record(batch, "planned", by=by, note=f"from {local:%Y-%m-%d %H:%M}")


def has_unplanned_steps(batch: ClearingBatch) -> bool:
    """Return True if a step that is not logged has no time yet."""
    steps = batch.protocol.steps.exclude(pk__in=batch.plan.values("step_id"))
    return steps.exclude(pk__in=batch.log.values("step_id")).exists()


def pin(batch: ClearingBatch, slug: str, *, at: datetime, by: User, seen: datetime | None) -> None:
    """Give one step a time that stays; later steps follow it.

    `seen` is the time that the person saw. If a colleague pinned another one meanwhile, StaleState.
    """
    require(selectors.may_clear(batch, by), WHO)
    _check_time(at, "starts_at")
    with transaction.atomic():
        hold_open(batch)
        row = _row(batch, slug)
        if row.is_pinned and row.starts_at not in {seen, at}:
            local = timezone.localtime(row.starts_at)
            raise StaleState(
                f"A colleague set this step to {local:%Y-%m-%d %H:%M} meanwhile; yours was not "
                "saved. Look at theirs first."
            )
        PlannedStep.objects.filter(pk=row.pk).update(starts_at=at, is_pinned=True)
        follow(batch)
        record(
            batch, "step planned", by=by,
            note=f"{row.step.label}: {timezone.localtime(at):%Y-%m-%d %H:%M}",
        )  # fmt: skip


def unpin(batch: ClearingBatch, slug: str, *, by: User) -> None:
    """Let the step follow the ones before it again."""
    require(selectors.may_clear(batch, by), WHO)
    with transaction.atomic():
        hold_open(batch)
        row = _row(batch, slug)
        if PlannedStep.objects.filter(pk=row.pk, is_pinned=True).update(is_pinned=False):
            follow(batch)
            record(batch, "step planned", by=by, note=f"{row.step.label}: follows the plan again")


def _row(batch: ClearingBatch, slug: str) -> PlannedStep:
    row = batch.plan.filter(step__slug=slug).select_related("step").first()
    if row is None:
        raise NotReady("There is no plan for this step; choose a start for the batch first.")
    if batch.log.filter(step=row.step).exists():
        raise NotReady(f"“{row.step.label}” is logged already, so its time is no longer planned.")
    return row


def _check_time(at: datetime, field: str) -> None:
    now = timezone.now()
    if not now - LONGEST_BACK <= at <= now + LONGEST_AHEAD:
        raise Invalid(
            "This date is too far away; check the year.",
            fields={field: ["Between two months ago and two years ahead."]},
        )


def plan_from(batch: ClearingBatch, start: datetime) -> None:
    """Plan all unlogged steps anew from `start` on. The caller holds the batch."""
    due = plan(tasks_of(batch), start=start, hours=working_hours())
    known = {row.step_id: row for row in batch.plan.all()}
    _move(list(known.values()), due)
    PlannedStep.objects.bulk_create(
        PlannedStep(batch=batch, step_id=step, starts_at=at)
        for step, at in due.items()
        if step not in known
    )


def follow(batch: ClearingBatch) -> None:
    """Let the unlogged steps of an existing plan follow what was logged. The caller holds the
    batch."""
    rows = list(batch.plan.all())
    if rows:
        _move(rows, plan(tasks_of(batch), start=planned_start(batch), hours=working_hours()))


def _move(rows: list[PlannedStep], due: dict[int, datetime]) -> None:
    moved = [row for row in rows if row.step_id in due and row.starts_at != due[row.step_id]]
    for row in moved:
        row.starts_at = due[row.step_id]
    PlannedStep.objects.bulk_update(moved, ["starts_at"])


def forget(batch: ClearingBatch, *, only_open: bool = False) -> None:
    """Throw the plan away, or `only_open` what was not done. The caller holds the batch."""
    rows = batch.plan.all()
    if only_open:
        rows = rows.exclude(step__in=batch.log.values("step"))
    PlannedStep.objects.filter(pk__in=list(rows.values_list("pk", flat=True))).delete()
