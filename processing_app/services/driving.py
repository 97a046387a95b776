"""Move every due attempt one stage. Safe to run twice at once, never, or killed at any moment."""

import logging
import time
from collections import Counter
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
from processing_app.services import attempts, claims, collecting, mistakes, runs
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
            summary.submitted += _carry(pk, attempts.hand_in, cluster, summary)
    _look(cluster, clock, summary)
    for pk in claims.due(frozenset({A.COLLECTING})):
        if clock.has_time():
            summary.collected += _carry(pk, collecting.collect, cluster, summary)
    _plan(summary)
    summary.active = Run.objects.filter(state__in=runs.ACTIVE).exists()
    return summary


class _Clock:
    def __init__(self, budget: timedelta) -> None:
        self._end = time.monotonic() + budget.total_seconds()

    def has_time(self) -> bool:
        return time.monotonic() < self._end


def _carry(
    pk: int, work: Callable[[Attempt, Cluster], bool], cluster: Cluster, summary: TickSummary
) -> bool:
    """Claim one attempt and work on it. Return True if it moved on."""
    attempt = claims.claim(pk)
    if attempt is None:
        return False
    try:
        return _guarded(attempt, lambda: work(attempt, cluster), cluster, summary)
    finally:
        claims.release([attempt])


def _guarded(
    attempt: Attempt, work: Callable[[], bool], cluster: Cluster, summary: TickSummary
) -> bool:
    """Work on one attempt, so that whatever happens stays its own affair."""
    try:
        moved = work()
    except OutsideError as trouble:
        _note(trouble, attempt, summary)
    except StaleState:
        pass  # another driver was faster; its work counts
    except Exception as mistake:
        mistakes.stumble(attempt, mistake, cluster)
        summary.troubles.append(f"{attempt.job_name}: {type(mistake).__name__}")
    else:
        mistakes.recovered(attempt)
        return moved
    return False


def _look(cluster: Cluster, clock: _Clock, summary: TickSummary) -> None:
    """Ask the scheduler once about every job that is due, then judge each by the answer."""
    held = claims.claim_all(claims.due(planning.WATCHED))
    try:
        reports = _poll(cluster, held)
        for attempt in held:
            if clock.has_time() and claims.is_ours(attempt):
                report = reports.get(JobId(attempt.job_id), _unasked(attempt))
                summary.polled += _look_at(attempt, report, cluster, summary)
    finally:
        claims.release(held)


def _look_at(attempt: Attempt, report: JobReport, cluster: Cluster, summary: TickSummary) -> bool:
    def look() -> bool:
        attempts.look(attempt, report, cluster)
        return True

    return _guarded(attempt, look, cluster, summary)


def _note(trouble: OutsideError, attempt: Attempt, summary: TickSummary) -> None:
    """For the person who watches, for the operator, and so that it is tried again later."""
    attempts.pause(attempt, str(trouble))
    summary.troubles.append(f"{attempt.job_name}: {trouble}")
    logger.warning("attempt %s of run %s waits: %s", attempt.pk, attempt.step.run_id, trouble)


def _poll(cluster: Cluster, held: list[Attempt]) -> Mapping[JobId, JobReport]:
    ids = sorted({JobId(attempt.job_id) for attempt in held if attempt.job_id})
    if not ids:
        return {}
    try:
        return cluster.scheduler.poll(ids)
    except OutsideError as trouble:
        logger.warning("the scheduler gave no answer about %d jobs: %s", len(ids), trouble)
        words = str(trouble)
    except Exception as mistake:
        logger.exception("the answer of the scheduler about %d jobs was not understood", len(ids))
        words = f"The scheduler's answer was not understood ({type(mistake).__name__})."
    return dict.fromkeys(ids, JobReport(JobState.UNKNOWN, "no answer", detail=words))


def _unasked(attempt: Attempt) -> JobReport:
    """A cancelled attempt whose id was never saved: there is nothing to ask about."""
    return JobReport(JobState.GONE, "no job id")


def _plan(summary: TickSummary) -> None:
    """Begin, continue and end runs. Each in its own transaction, with its row locked."""
    # Most runs only wait for their jobs: they are read together, and without a lock.
    waiting = Run.objects.filter(state__in=runs.ACTIVE).order_by("id")
    active = list(waiting.prefetch_related("steps", _ATTEMPTS))
    places = Counter(map(_place, active))
    for run in active:
        try:
            if _acts(run, alone=places[_place(run)] == 1):
                with transaction.atomic():
                    _follow_plan(runs.locked(run.pk), summary)
        except Exception:
            # A mistake of ours, loud in the log; the other runs go on.
            logger.exception("run %s could not be planned", run.pk)
            summary.troubles.append(f"{run} could not be planned")


def _place(run: Run) -> tuple[str, int]:
    """Where a run writes: two of the same place are never at work at the same time."""
    return run.pipeline, run.imaging_request_id


def _acts(run: Run, *, alone: bool) -> list[Start | Try | Finish]:
    """Return what the run needs next: nothing while the one whose key it took is being stopped."""
    if run.state not in runs.ACTIVE or (run.active_key and not alone):
        return []
    steps = run.steps.all()
    facts = [attempts.step_facts(step, since=run.state_since) for step in steps]
    return planning.plan_run(run.state, facts)


def _follow_plan(run: Run, summary: TickSummary) -> None:
    steps = {step.key: step for step in run.steps.all()}
    for act in _acts(run, alone=runs.is_alone(run)):
        match act:
            case Start():
                runs.begin(run)
            case Try(key, number, after):
                runs.add_attempt(steps[key], number=number, not_before=timezone.now() + after)
                summary.planned += 1
            case Finish(state, note):
                runs.finish(run, state, by=None, note=note)
                summary.finished += 1
