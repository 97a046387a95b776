"""Move every due attempt one stage. Safe to run twice at once, never, or killed at any moment."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import Prefetch

from core_app.batches import batched
from core_app.errors import Misconfigured, OutsideError, Silent
from processing_app import planning
from processing_app.cluster.ports import Cluster, JobId, JobReport, JobState
from processing_app.models import Attempt, Run
from processing_app.planning import Finish, Start, Try
from processing_app.services import (
    attempts,
    claims,
    clusters,
    collecting,
    handing_in,
    looking,
    partly,
    places,
    runs,
    tries,
)
from processing_app.services.demands import Demands
from processing_app.services.guarding import Guard
from processing_app.states import ACTIVE, AttemptState

logger = logging.getLogger(__name__)

# Logs and problems stay in the database; planning needs little.
_ATTEMPTS = Prefetch(
    "steps__attempts",
    queryset=Attempt.objects.only(
        "step_id", "number", "state", "reason", "created_at", "cancel_requested_at", "resources"
    ),
)

A = AttemptState
NOT_HANDED_IN = frozenset({A.NEW, A.STAGED})
TO_SUBMIT = NOT_HANDED_IN | {A.SUBMITTING}
# Attempts that are claimed together: as many as are surely done with within their lease.
AT_ONCE = 25
LOOKED_AT_ONCE = 500
# Plain processes of this host are asked at every tick.
NEVER_GATED_S = 1.0
QUEUE_LOOKS_S = 60.0


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
    """Do what is due now on one cluster, as far as the time allows; the rest is due next time."""
    summary = TickSummary()
    clock = Clock(budget)
    plan(summary)
    serve(cluster, clock, summary)
    plan(summary)
    partly.note_all()
    summary.active = is_active()
    return summary


def is_active() -> bool:
    """Return True while any run is planned or at work."""
    return Run.objects.filter(state__in=ACTIVE).exists()


class Clock:
    """How much time is left for a tick."""

    def __init__(self, budget: timedelta) -> None:
        self._end = time.monotonic() + budget.total_seconds()

    def has_time(self) -> bool:
        return time.monotonic() < self._end

    def half(self) -> "Clock":
        """Return one for half of what is left, so that the rest has its turn as well."""
        return Clock(timedelta(seconds=max(self._end - time.monotonic(), 0.0) / 2))


def serve(cluster: Cluster, clock: Clock, summary: TickSummary) -> None:
    """Hand in, look and collect on one cluster. Silence of the cluster ends it, and is noted.

    Nothing is written about the attempts then: what the cluster does not say is not theirs.
    """
    status = clusters.status_of(cluster.name)
    guard = Guard(cluster, summary.troubles)
    try:
        if status.frozen_at is None:
            _hand_in(cluster, clock.half(), guard, summary)
        else:
            _adopt(cluster, clock.half(), guard)
        asked = _look(cluster, clock, guard, summary)
        asked += _collect(cluster, clock, guard, summary)
    except Misconfigured as wrong:
        summary.troubles.append(f"{cluster.name}: {wrong}")
        logger.error("the cluster %s cannot be used: %s", cluster.name, wrong)
        clusters.pause(status, str(wrong))
    except OutsideError as trouble:
        # Silence, or anything else that is not about one attempt.
        summary.troubles.append(f"{cluster.name}: {trouble}")
        logger.warning("the cluster %s gives no answer: %s", cluster.name, trouble)
        clusters.fell_silent(status, str(trouble))
    else:
        if asked or summary.submitted:
            clusters.answered(status)


def _hand_in(cluster: Cluster, clock: Clock, guard: Guard, summary: TickSummary) -> None:
    """A few at a time: a submission takes long, and a claim lasts a minute."""
    for pks in batched(claims.due(TO_SUBMIT, cluster.name), AT_ONCE):
        if not clock.has_time():
            return
        with claims.held(pks) as held:
            summary.submitted += handing_in.hand_in_all(held, cluster, guard)


def _adopt(cluster: Cluster, clock: Clock, guard: Guard) -> None:
    """A job that was handed in before the freeze is watched, also if its id was not saved."""
    for pks in batched(claims.due(frozenset({A.SUBMITTING}), cluster.name), AT_ONCE):
        if not clock.has_time():
            return
        with claims.held(pks) as held:
            handing_in.adopt_all(held, cluster, guard)


def _look(cluster: Cluster, clock: Clock, guard: Guard, summary: TickSummary) -> int:
    """Ask the scheduler once about every job that is due, then judge each by the answer."""
    slack = timedelta(seconds=cluster.between_looks_s / 2)
    due = claims.jobs_due(planning.WATCHED, cluster.name, slack=slack)
    if not due or not _may_ask(cluster):
        return 0
    reports, took = _poll(cluster, sorted({JobId(job_id) for job_id in due.values() if job_id}))
    clusters.poll_took(cluster.name, took, interval_s=cluster.between_looks_s)
    for pks in batched(due, LOOKED_AT_ONCE):
        if not clock.has_time():
            break
        with claims.held(pks) as held:
            summary.polled += looking.look_at_all(held, reports, cluster, guard)
    waiting = [job_id for job_id, report in reports.items() if report.state == JobState.QUEUED]
    if waiting and clusters.take_queue_look(cluster.name, interval_s=_queue_interval(cluster)):
        places.note(cluster, waiting)
    return len(due)


def _may_ask(cluster: Cluster) -> bool:
    """A scheduler that others share is asked once in its interval, however many drive."""
    if cluster.between_looks_s <= NEVER_GATED_S:
        return True
    return clusters.take_poll(cluster.name, interval_s=cluster.between_looks_s)


def _queue_interval(cluster: Cluster) -> float:
    return max(QUEUE_LOOKS_S, cluster.between_looks_s)


def _collect(cluster: Cluster, clock: Clock, guard: Guard, summary: TickSummary) -> int:
    due = claims.due(frozenset({A.COLLECTING}), cluster.name)
    for pks in batched(due, AT_ONCE):
        if not clock.has_time():
            break
        with claims.held(pks) as held:
            summary.collected += collecting.collect_all(held, cluster, guard)
    return len(due)


def _poll(cluster: Cluster, ids: Sequence[JobId]) -> tuple[Mapping[JobId, JobReport], float]:
    """Return a report for every id, and how long that took. Raises Silent and Misconfigured."""
    if not ids:
        return {}, 0.0
    begun = time.monotonic()
    try:
        reports = cluster.scheduler.poll(ids)
    except (Silent, Misconfigured):
        raise
    except OutsideError as trouble:
        logger.warning("the scheduler gave no answer about %d jobs: %s", len(ids), trouble)
        words = str(trouble)
    except Exception as mistake:
        logger.exception("the answer of the scheduler about %d jobs was not understood", len(ids))
        words = f"The scheduler's answer was not understood ({type(mistake).__name__})."
    else:
        return reports, time.monotonic() - begun
    unknown = JobReport(JobState.UNKNOWN, "no answer", detail=words)
    return dict.fromkeys(ids, unknown), time.monotonic() - begun


def plan(summary: TickSummary) -> None:
    """Begin, continue and end runs. Each in its own transaction, with its row locked."""
    # Most runs only wait for their jobs: they are read together, and without a lock.
    waiting = Run.objects.filter(state__in=ACTIVE).order_by("id")
    active = list(waiting.select_related("cluster", "profile").prefetch_related("steps", _ATTEMPTS))
    # Also where the cluster is frozen or paused: nobody has to wait for it.
    if early := _cancelled_early(active):
        handing_in.end_cancelled(Guard(None, summary.troubles), early)
    writers = Counter(map(_place, active))
    amounts = Demands()
    for run in active:
        try:
            if _acts(run, amounts, alone=writers[_place(run)] == 1):
                with transaction.atomic():
                    _follow_plan(runs.locked(run.pk), amounts, summary)
        except Exception:
            # A mistake of ours, loud in the log; the other runs go on.
            logger.exception("run %s could not be planned", run.pk)
            summary.troubles.append(f"{run} could not be planned")


def _cancelled_early(active: Sequence[Run]) -> list[int]:
    """Return the ids of attempts that were cancelled before their jobs were handed in."""
    return [
        attempt.pk
        for run in active
        for step in run.steps.all()
        for attempt in step.attempts.all()
        if attempt.state in NOT_HANDED_IN and attempt.cancel_requested_at
    ]


def _place(run: Run) -> tuple[str, int]:
    """Where a run writes: two of the same place are never at work at the same time."""
    return run.pipeline, run.imaging_request_id


def _acts(run: Run, amounts: Demands, *, alone: bool) -> list[Start | Try | Finish]:
    """Return what the run needs next: nothing while the one whose key it took is being stopped."""
    if run.state not in ACTIVE or (run.active_key and not alone):
        return []
    steps = list(run.steps.all())
    for step in steps:
        step.run = run
    facts = [attempts.step_facts(step, since=run.state_since, amounts=amounts) for step in steps]
    return planning.plan_run(run.state, facts)


def _follow_plan(run: Run, amounts: Demands, summary: TickSummary) -> None:
    steps = {step.key: step for step in run.steps.all()}
    for act in _acts(run, amounts, alone=runs.is_alone(run)):
        match act:
            case Start():
                runs.begin(run)
            case Try(key):
                steps[key].run = run
                tries.add(steps[key], act, amounts)
                summary.planned += 1
            case Finish(state, note):
                runs.finish(run, state, by=None, note=note)
                summary.finished += 1
