"""Move every due attempt one stage. Safe to run twice at once, never, or killed at any moment."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone

from core_app.errors import OutsideError, StaleState
from processing_app import planning
from processing_app.cluster.ports import Cluster, JobId, JobReport, JobState
from processing_app.models import Attempt, Run
from processing_app.planning import Finish, Start, Try
from processing_app.services import attempts, claims, collecting, runs
from processing_app.states import AttemptState

logger = logging.getLogger(__name__)

# Logs and problems stay in the database; planning needs little.
_ATTEMPTS = Prefetch(
    "steps__attempts",
    queryset=Attempt.objects.only(
        "step_id", "number", "state", "reason", "created_at", "cancel_requested_at"
    ),
)

A = AttemptState
TO_SUBMIT = frozenset({A.NEW, A.STAGED, A.SUBMITTING})


@dataclass(slots=True)
class TickSummary:
    """What one tick did, in numbers, and whether anything is still going on."""

    planned: int = 0
    submitted: int = 0
    polled: int = 0
    collected: int = 0
    finished: int = 0
    published: int = 0
    troubles: list[str] = field(default_factory=list)
    active: bool = False

    def __str__(self) -> str:
        done = (
            f"{self.planned} attempts planned, {self.submitted} submitted, "
            f"{self.polled} looked at, {self.collected} collected, "
            f"{self.finished} runs finished, {self.published} volumes published"
        )
        return "; ".join([done, *self.troubles])


def tick(cluster: Cluster, *, budget: timedelta) -> TickSummary:
    """Do what is due now, as far as the time allows; what is left is due the next time."""
    summary = TickSummary()
    clock = _Clock(budget)
    _plan(summary)
    for pk in claims.due(TO_SUBMIT):
        if clock.has_time():
            summary.submitted += _carry(
                pk, lambda attempt: attempts.hand_in(attempt, cluster), summary
            )
    _look(cluster, clock, summary)
    for pk in claims.due(frozenset({A.COLLECTING})):
        if clock.has_time():
            summary.collected += _carry(
                pk, lambda attempt: collecting.collect(attempt, cluster), summary
            )
    _plan(summary)
    summary.active = Run.objects.filter(state__in=runs.ACTIVE).exists()
    return summary


class _Clock:
    def __init__(self, budget: timedelta) -> None:
        self._end = time.monotonic() + budget.total_seconds()

    def has_time(self) -> bool:
        return time.monotonic() < self._end


def _carry(pk: int, work: Callable[[Attempt], bool], summary: TickSummary) -> bool:
    """Claim one attempt and work on it. Return True if it moved on."""
    with claims.claimed(pk) as attempt:
        if attempt is None:
            return False
        try:
            return work(attempt)
        except OutsideError as trouble:
            _note(trouble, attempt, summary)
        except StaleState:
            pass  # another driver was faster; its work counts
    return False


def _look(cluster: Cluster, clock: _Clock, summary: TickSummary) -> None:
    """Ask the scheduler once about every job that is due, then judge each by the answer."""
    held = [attempt for pk in claims.due(planning.WATCHED) if (attempt := claims.claim(pk))]
    if not held:
        return
    reports = _poll(cluster, held)
    for attempt in held:
        report = reports.get(JobId(attempt.job_id), _unasked(attempt))
        if clock.has_time():
            summary.polled += _carry_held(attempt, report, cluster, summary)
        claims.release(attempt)


def _carry_held(
    attempt: Attempt, report: JobReport, cluster: Cluster, summary: TickSummary
) -> bool:
    try:
        attempts.look(attempt, report, cluster)
    except OutsideError as trouble:
        _note(trouble, attempt, summary)
        return False
    except StaleState:
        return False
    return True


def _note(trouble: OutsideError, attempt: Attempt, summary: TickSummary) -> None:
    """For the person who watches, for the operator, and so that it is tried again later."""
    attempts.pause(attempt, str(trouble))
    summary.troubles.append(f"{attempt.job_name}: {trouble}")
    logger.warning("attempt %s of run %s waits: %s", attempt.pk, attempt.step.run_id, trouble)


def _poll(cluster: Cluster, held: list[Attempt]) -> Mapping[JobId, JobReport]:
    ids = sorted({JobId(attempt.job_id) for attempt in held if attempt.job_id})
    try:
        return cluster.scheduler.poll(ids)
    except OutsideError as trouble:
        logger.warning("the scheduler gave no answer about %d jobs: %s", len(ids), trouble)
        silent = JobReport(JobState.UNKNOWN, "no answer", detail=str(trouble))
        return dict.fromkeys(ids, silent)


def _unasked(attempt: Attempt) -> JobReport:
    """A cancelled attempt whose id was never saved: there is nothing to ask about."""
    return JobReport(JobState.GONE, "no job id")


def _plan(summary: TickSummary) -> None:
    """Begin, continue and end runs. Each in its own transaction, with its row locked."""
    # Most runs only wait for their jobs: they are read together, and without a lock.
    waiting = Run.objects.filter(state__in=runs.ACTIVE).order_by("id")
    for run in waiting.prefetch_related("steps", _ATTEMPTS):
        if _acts(run):
            with transaction.atomic():
                _follow_plan(runs.locked(run.pk), summary)


def _acts(run: Run) -> list[Start | Try | Finish]:
    if run.state not in runs.ACTIVE:
        return []
    steps = run.steps.all()
    facts = [attempts.step_facts(step, since=run.state_since) for step in steps]
    return planning.plan_run(run.state, facts)


def _follow_plan(run: Run, summary: TickSummary) -> None:
    steps = {step.key: step for step in run.steps.all()}
    for act in _acts(run):
        match act:
            case Start():
                runs.begin(run)
            case Try(key, number, after):
                runs.add_attempt(steps[key], number=number, not_before=timezone.now() + after)
                summary.planned += 1
            case Finish(state, note):
                runs.finish(run, state, by=None, note=note)
                summary.finished += 1
