"""What `reconcile --repair` does about each kind of difference.

The driver works meanwhile, so each repair reads the row again and acts only if it is still so.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.utils import timezone

from core_app.batches import batched
from core_app.errors import DomainError, OutsideError, Silent
from core_app.transitions import record, record_on
from processing_app.cluster import ports
from processing_app.cluster.ports import JobId, JobState
from processing_app.job_folders import inside, run_of
from processing_app.models import Attempt, Cluster, Deployment
from processing_app.planning import OVER
from processing_app.reconciling import Difference, Kind, is_at_work
from processing_app.services import claims, clusters, deployments, runs
from processing_app.states import RunState
from requests_app.states import RequestState

FOLDERS_AT_ONCE = 100
REMOVAL_S = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a difference: `listed`, `repaired`, `gone` by itself, or `left` and why."""

    word: str
    why: str = ""

    @property
    def is_settled(self) -> bool:
        return self.word in {"repaired", "gone"}

    @classmethod
    def listed(cls) -> "Outcome":
        return cls("listed")

    @classmethod
    def left(cls, why: str) -> "Outcome":
        return cls("left", why)


REPAIRED: Final = Outcome("repaired")
GONE: Final = Outcome("gone", "It is no longer so.")
Repair = Callable[[Difference, Cluster, ports.Cluster], Outcome]


def carry_out(
    differences: Sequence[Difference],
    row: Cluster,
    cluster: ports.Cluster | None,
    wanted: Collection[Kind],
) -> list[tuple[Difference, Outcome]]:
    """Repair those of the kinds that are wanted, and return all with what became of each.

    Once the cluster gives no answer, the rest is left.
    """
    done: dict[int, Outcome] = {}
    chosen = [(number, one) for number, one in enumerate(differences) if one.kind in wanted]
    try:
        for number, one in chosen:
            if one.kind != Kind.FOLDER_WITHOUT_ATTEMPT:
                done[number] = _one(one, row, cluster)
        folders = [pair for pair in chosen if pair[1].kind == Kind.FOLDER_WITHOUT_ATTEMPT]
        if cluster is not None and folders:
            for some in batched(folders, FOLDERS_AT_ONCE):
                outcomes = _remove_folders([one for _, one in some], row, cluster)
                done |= zip((number for number, _ in some), outcomes, strict=True)
    except OutsideError as silence:
        left = Outcome.left(str(silence))
        done = {number: left for number, _ in chosen} | done
    return [(one, done.get(number, Outcome.listed())) for number, one in enumerate(differences)]


def _one(difference: Difference, row: Cluster, cluster: ports.Cluster | None) -> Outcome:
    """Raises Silent: the other repairs would wait in vain too."""
    if difference.kind == Kind.STATUS_MISSING:
        return _make_status(row)
    repair = _REPAIRS.get(difference.kind)
    if repair is None or cluster is None:
        return Outcome.listed()
    try:
        return repair(difference, row, cluster)
    except Silent:
        raise
    except (OutsideError, DomainError) as trouble:
        return Outcome.left(str(trouble))


def _make_status(row: Cluster) -> Outcome:
    with transaction.atomic():
        clusters.created(row)
        record_on(row, "reconciled", by=None, note="Its status was missing and was made.")
    return REPAIRED


def _cancel_strays(difference: Difference, row: Cluster, cluster: ports.Cluster) -> Outcome:
    attempt = _named(difference.subject)
    if attempt is not None and attempt.state not in OVER:
        return GONE
    return _cancel(difference, attempt, row, cluster)


def _cancel_others(difference: Difference, row: Cluster, cluster: ports.Cluster) -> Outcome:
    attempt = _named(difference.subject)
    if attempt is None or attempt.state in OVER or attempt.job_id in difference.jobs:
        return GONE
    return _cancel(difference, attempt, row, cluster)


def _cancel(
    difference: Difference, attempt: Attempt | None, row: Cluster, cluster: ports.Cluster
) -> Outcome:
    for job_id in difference.jobs:
        cluster.scheduler.cancel(job_id)
    with transaction.atomic():
        note = f"Asked to stop: {', '.join(difference.jobs)} ({difference.subject})."
        if attempt is not None:
            record(attempt, "reconciled", by=None, note=note)
        else:
            record_on(row, "reconciled", by=None, note=note)
    return REPAIRED


def _save_id(difference: Difference, row: Cluster, cluster: ports.Cluster) -> Outcome:
    """Save it if the scheduler still gives this job for the name, and nobody was faster."""
    (job_id,) = difference.jobs
    if cluster.scheduler.find(difference.subject) != job_id:
        return GONE
    now = timezone.now()
    rows = Attempt.objects.filter(pk=difference.row, job_id="").exclude(state__in=OVER)
    values = {"job_id": job_id, "submitted_at": now, "last_seen_at": now, "next_look_at": now}
    with transaction.atomic():
        if rows.update(**values) != 1:
            return GONE
        _record(difference, f"Its job {job_id} was found by name.")
    return REPAIRED


def _look_if_gone(difference: Difference, row: Cluster, cluster: ports.Cluster) -> Outcome:
    attempt = claims.with_context().get(pk=difference.row)
    job_id = JobId(attempt.job_id)
    if not job_id or cluster.scheduler.poll([job_id])[job_id].state != JobState.GONE:
        return GONE
    return _look_now(difference, row, cluster)


def _look_now(difference: Difference, row: Cluster, _: ports.Cluster) -> Outcome:
    """Make the attempt due: the driver judges by the evidence, and nothing is ended here."""
    rows = Attempt.objects.filter(pk=difference.row, state=difference.state)
    values: dict[str, object] = {"next_look_at": timezone.now()}
    if difference.kind == Kind.FOLDER_MISSING:
        values |= {"trouble": difference.words}
    with transaction.atomic():
        if rows.exclude(state__in=OVER).update(**values) != 1:
            return GONE
        _record(difference, difference.words)
    clusters.poll_soon(row.pk)
    return REPAIRED


def _retry(difference: Difference, row: Cluster, _: ports.Cluster) -> Outcome:
    run = claims.with_context().get(pk=difference.row).step.run
    if run.state != RunState.FAILED:
        return GONE
    if run.imaging_request.sample.request.state == RequestState.CLOSED:
        return Outcome.left("Its request is closed; retry the run on its page, which opens it.")
    with transaction.atomic():
        runs.retry_run(run, by=None)
        _record(difference, "Retried, because its result came late.")
    return REPAIRED


def _note_removed(difference: Difference, row: Cluster, cluster: ports.Cluster) -> Outcome:
    deployment = Deployment.objects.get(pk=difference.row)
    mark = cluster.shell.read(f"{deployment.folder}/{deployments.MARK}")
    if deployments.is_mark_of(deployment, mark):
        return GONE
    with transaction.atomic():
        rows = Deployment.objects.filter(pk=deployment.pk, removed_at=None)
        if rows.update(removed_at=timezone.now()) != 1:
            return GONE
        note = f"Pipeline {deployment.version} is not at {deployment.folder} any more."
        record_on(row, "reconciled", by=None, note=note)
    return REPAIRED


def _remove_folders(
    differences: Sequence[Difference], row: Cluster, cluster: ports.Cluster
) -> list[Outcome]:
    """Remove folders that no attempt and no job at work has; what is in doubt stays."""
    names = [difference.subject for difference in differences]
    busy = {job.name for job in cluster.scheduler.jobs() if is_at_work(job)}
    numbers = {run_of(name) for name in names}
    known = claims.with_context().filter(step__run__in=numbers - {None})
    kept = busy | {attempt.job_name for attempt in known}
    free = [name for name in names if name not in kept]
    if not free:
        return [GONE] * len(names)
    argv = ["rm", "-r", "-f", "--", *(inside(cluster.workdir, name) for name in free)]
    done = cluster.shell.run(argv, cwd="/", timeout=REMOVAL_S)
    note = f"{len(free)} folders without an attempt removed, from {free[0]} to {free[-1]}."
    with transaction.atomic():
        record_on(row, "reconciled", by=None, note=note)
    failed = Outcome.left(done.stderr.strip()[:300]) if done.exit_code else REPAIRED
    return [GONE if name in kept else failed for name in names]


def _named(name: str) -> Attempt | None:
    rows = claims.with_context().filter(step__run=run_of(name))
    return next((attempt for attempt in rows if attempt.job_name == name), None)


def _record(difference: Difference, note: str) -> None:
    attempt = claims.with_context().get(pk=difference.row)
    record(attempt, "reconciled", by=None, note=note)


_REPAIRS: Final[dict[Kind, Repair]] = {
    Kind.JOB_WITHOUT_ATTEMPT: _cancel_strays,
    Kind.ID_NOT_SAVED: _save_id,
    Kind.SEVERAL_JOBS: _cancel_others,
    Kind.JOB_GONE: _look_if_gone,
    Kind.FINISHED_UNSEEN: _look_now,
    Kind.FOLDER_MISSING: _look_now,
    Kind.LATE_RESULT: _retry,
    Kind.DEPLOYMENT_MISSING: _note_removed,
}
