"""What the driver does to attempts that it has claimed. Every function is safe to repeat."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from core_app.errors import StaleState
from core_app.transitions import advance, advance_many
from processing_app import planning
from processing_app.cluster import workdir
from processing_app.cluster.ports import Cluster, JobId
from processing_app.failures import TOLD_BY_CLUSTER, failure_of
from processing_app.models import Attempt, Step
from processing_app.planning import StepFacts
from processing_app.services import demands, results
from processing_app.services.demands import Demands
from processing_app.states import AttemptState

A = AttemptState
TROUBLE_LENGTH = 300
MESSAGE_LENGTH = 2000
REASON_LENGTH = 32


def call_off(attempt: Attempt, cluster: Cluster) -> None:
    """Leave the mark first: a job that has not begun finds it and does not begin."""
    try:
        cluster.shell.write(folder_of(attempt, cluster).cancel, b"")
    finally:
        # Also if the folder is gone: the job may go on without it.
        cancel_job(attempt, cluster)


def cancel_job(attempt: Attempt, cluster: Cluster) -> None:
    """Also a job whose id was never saved, because a driver died just then."""
    job_id = attempt.job_id or cluster.scheduler.find(attempt.job_name)
    if job_id:
        save_job_id(attempt, job_id)
        cluster.scheduler.cancel(JobId(job_id))


def ask_to_stop(attempt: Attempt, cluster: Cluster) -> None:
    """Bring an attempt on its way to being cancelled: its job is asked to stop."""
    if attempt.state != A.CANCELLING:
        move(attempt, A.CANCELLING)
    call_off(attempt, cluster)
    look_again(attempt)


def save_job_id(attempt: Attempt, job_id: str) -> None:
    """Alone and at once, before anything else can fail."""
    now = timezone.now()
    Attempt.objects.filter(pk=attempt.pk, job_id="").update(
        job_id=job_id, submitted_at=now, last_seen_at=now, trouble=""
    )
    attempt.job_id = job_id


def pause(attempt: Attempt, trouble: str) -> None:
    """Leave the attempt as it is and say why; the longer the silence, the later the next look."""
    now = timezone.now()
    silence = now - (attempt.last_seen_at or attempt.state_since)
    Attempt.objects.filter(pk=attempt.pk).update(
        trouble=results.storable(trouble, most=TROUBLE_LENGTH),
        next_look_at=now + planning.pause_after(silence),
    )


def step_facts(step: Step, *, since: datetime, amounts: Demands) -> StepFacts:
    """Return what planning needs of a step; attempts before `since` are not counted as tries."""
    tried = sorted(step.attempts.all(), key=lambda attempt: attempt.number)
    recent = [attempt for attempt in tried if attempt.created_at >= since]
    latest = tried[-1] if tried else None
    asked, more = demands.growth(step, recent, amounts)
    return StepFacts(
        key=step.key,
        needs=tuple(step.needs),
        state=latest.state if latest else "",
        reason=latest.reason if latest else "",
        last_number=latest.number if latest else 0,
        tries=len(recent),
        cancel_requested=any(attempt.cancel_requested_at for attempt in recent),
        asked=asked,
        more=more,
    )


def end(attempt: Attempt, state: str, *, reason: str, message: str = "") -> None:
    """End an attempt whose job left no result to take in."""
    message = results.storable(message, most=MESSAGE_LENGTH)
    attempt.reason, attempt.message, attempt.finished_at = reason, message, timezone.now()
    # More people read histories than may read what a cluster says.
    note = failure_of(reason).words if reason in TOLD_BY_CLUSTER else message
    move(attempt, state, "reason", "message", "finished_at", note=note)


def move(attempt: Attempt, to: str, *saved: str, note: str = "") -> None:
    """Advance, and save the named fields in the same transaction; the attempt is due at once."""
    with transaction.atomic():
        advance(attempt, to, by=None, note=note)
        attempt.trouble, attempt.next_look_at = "", timezone.now()
        attempt.save(update_fields=["trouble", "next_look_at", *saved])


def move_all(attempts: Sequence[Attempt], to: str, *saved: str) -> None:
    """Advance many in a few queries; the named fields of all are saved with it.

    Where another driver was faster with one of them, it is left out and the others go on.
    """
    if not attempts:
        return
    due = timezone.now()
    try:
        with transaction.atomic():
            advance_many(attempts, to, by=None)
            for attempt in attempts:
                attempt.trouble, attempt.next_look_at = "", due
            save_all(attempts, "trouble", "next_look_at", *saved)
    except StaleState:
        if len(attempts) > 1:
            for attempt in attempts:
                move_all([attempt], to, *saved)


def save_all(attempts: Sequence[Attempt], *fields: str) -> None:
    """Save fields of many rows: in one UPDATE what is the same for all, the rest by bulk_update."""
    same = {name for name in fields if len({_hashable(a, name) for a in attempts}) == 1}
    if same:
        rows = Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts])
        rows.update(**{name: getattr(attempts[0], name) for name in same})
    if rest := [name for name in fields if name not in same]:
        Attempt.objects.bulk_update(attempts, rest, batch_size=200)


def _hashable(attempt: Attempt, name: str) -> str:
    return repr(getattr(attempt, name))


def look_again(attempt: Attempt, *, after_s: float = 1.0) -> None:
    """Leave the attempt as it is until the next usual look."""
    next_look = timezone.now() + timedelta(seconds=after_s)
    Attempt.objects.filter(pk=attempt.pk).update(next_look_at=next_look)


def age_s(attempt: Attempt) -> float:
    """Return how long the attempt has been in its state."""
    return (timezone.now() - attempt.state_since).total_seconds()


def folder_of(attempt: Attempt, cluster: Cluster) -> workdir.JobFolder:
    """Return the folder of the attempt there."""
    return workdir.folder_of(cluster.workdir, attempt.job_name)
