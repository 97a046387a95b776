"""Gather what database, scheduler and disk say of one cluster, compare, and repair by choice."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from core_app.batches import batched
from core_app.errors import OutsideError, Unreachable
from processing_app.cluster import ports
from processing_app.cluster.ports import JobId, JobSeen, JobState, Peek
from processing_app.job_folders import listing, run_of, split
from processing_app.models import Attempt, Cluster, ClusterStatus, Deployment
from processing_app.pipelines import OF_DELIVERIES
from processing_app.planning import OVER, WATCHED
from processing_app.reconciling import (
    AttemptSeen,
    DeploymentSeen,
    Difference,
    Kind,
    Picture,
    compare,
)
from processing_app.services import access, attempts, deployments, repairs, results, tasks
from processing_app.services.repairs import Outcome
from processing_app.states import AttemptState, RunState

LISTING_S = 60.0
AT_ONCE = 500
# Of an attempt, what the comparison needs; logs and problems stay in the database.
_COLUMNS = (
    "state", "state_since", "number", "job_id", "reason", "submitted_at", "tasks", "folder_state",
    "step__key", "step__run__created_at", "step__run__state", "step__run__cluster",
    "step__run__pipeline",
)  # fmt: skip


@dataclass(slots=True)
class Report:
    """What was found on one cluster, and what became of it. `trouble`: it could not be asked."""

    cluster: str
    trouble: str = ""
    found: list[tuple[Difference, Outcome]] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Return True if nothing differs any more."""
        return not self.trouble and all(outcome.is_settled for _, outcome in self.found)


def reconcile(row: Cluster, *, repair: Collection[Kind] = (), dry_run: bool = False) -> Report:
    """List every difference on the cluster and repair those of the kinds asked for.

    A cluster that gives no answer is reported as such; nothing is concluded from its silence.
    """
    report, wanted = Report(row.name), frozenset() if dry_run else frozenset(repair)
    report.found = repairs.carry_out(_without_status(row), row, None, wanted)
    try:
        with access.entered(row) as cluster:
            differences = compare(picture_of(row, cluster))
            report.found += repairs.carry_out(differences, row, cluster, wanted)
    except OutsideError as trouble:
        report.trouble = str(trouble)
    if dry_run:
        report.found = [(one, _would_be(one, repair)) for one, _ in report.found]
    return report


def picture_of(row: Cluster, cluster: ports.Cluster) -> Picture:
    """Return all that is known of the cluster, in four commands at most.

    The database is read last: what is handed in meanwhile has its row by then.
    """
    begun = timezone.now()
    jobs = list(cluster.scheduler.jobs())
    folders, deployed = _listed(cluster)
    rows = _attempts(row, [job.name for job in jobs] + list(folders))
    late = _possibly_late(rows)
    read = [one for one in rows if one.job_name in folders and _is_read(one, row, late)]
    noted = list(Deployment.objects.filter(cluster=row, removed_at=None))
    files = _read(read, noted, cluster)
    return Picture(
        begun=begun,
        attempts=[_seen(one, row, files, cluster, late) for one in rows],
        jobs=jobs,
        gone=_gone(rows, jobs, cluster, at=begun),
        folders=folders,
        deployments=[_deployment(one, files) for one in noted],
        deployed=deployed,
    )


def _without_status(row: Cluster) -> list[Difference]:
    if ClusterStatus.objects.filter(cluster=row).exists():
        return []
    words = "Nothing can be noted about the cluster, so nothing is handed in there."
    return [Difference(Kind.STATUS_MISSING, row.name, words, row.pk)]


def _would_be(difference: Difference, repair: Collection[Kind]) -> Outcome:
    if difference.kind not in repair or not difference.repair:
        return Outcome.listed()
    return Outcome("planned", difference.repair)


def _listed(cluster: ports.Cluster) -> tuple[frozenset[str], frozenset[str]]:
    done = cluster.shell.run(listing(cluster.workdir), cwd="/", timeout=LISTING_S)
    if done.exit_code != 0:
        raise Unreachable("the work folder could not be listed", done.stderr.strip()[:300])
    return split(done.stdout)


def _attempts(row: Cluster, names: Iterable[str]) -> list[Attempt]:
    """Return the active attempts of the cluster, and all of the runs that the names speak of."""
    rows = Attempt.objects.select_related("step__run").only(*_COLUMNS)
    active = rows.filter(step__run__cluster=row).exclude(state__in=OVER)
    found = {attempt.pk: attempt for attempt in active}
    numbers = {number for name in names if (number := run_of(name)) is not None}
    for some in batched(sorted(numbers), AT_ONCE):
        found |= {attempt.pk: attempt for attempt in rows.filter(step__run__in=some)}
    return [found[pk] for pk in sorted(found)]


def _possibly_late(rows: Sequence[Attempt]) -> frozenset[int]:
    """Return the attempts that ended without a result, last of their step, of runs that failed."""
    last = {attempt.step_id: attempt for attempt in sorted(rows, key=lambda one: one.number)}
    return frozenset(attempt.pk for attempt in last.values() if _ended_without_result(attempt))


def _ended_without_result(attempt: Attempt) -> bool:
    run = attempt.step.run
    is_given_up = attempt.state in {AttemptState.LOST, AttemptState.FAILED}
    is_kept = attempt.folder_state == Attempt.Folder.KEPT and attempt.reason != "BAD_RESULT"
    may_be_retried = run.state == RunState.FAILED and run.pipeline not in OF_DELIVERIES
    return is_given_up and is_kept and may_be_retried


def _is_read(attempt: Attempt, row: Cluster, late: Collection[int]) -> bool:
    is_here = attempt.step.run.cluster_id == row.pk
    return is_here and (attempt.pk in late or attempt.state in WATCHED)


def _read(
    rows: Sequence[Attempt], noted: Sequence[Deployment], cluster: ports.Cluster
) -> dict[str, bytes | None]:
    wanted = [Peek(_mark_of(one)) for one in noted]
    for attempt in rows:
        folder = attempts.folder_of(attempt, cluster)
        wanted.append(Peek(folder.exit_code, results.MARK_BYTES))
        for part in tasks.folders(attempt, folder):
            wanted.append(Peek(part.result, results.RESULT_BYTES + 1))
    found = cluster.shell.read_many(wanted) if wanted else []
    return {peek.path: content for peek, content in zip(wanted, found, strict=True)}


def _seen(
    attempt: Attempt,
    row: Cluster,
    files: dict[str, bytes | None],
    cluster: ports.Cluster,
    late: Collection[int],
) -> AttemptSeen:
    folder = attempts.folder_of(attempt, cluster)
    statuses = [
        results.status_of(files.get(part.result)) for part in tasks.folders(attempt, folder)
    ]
    outcome = "failed" if "failed" in statuses else statuses[0]
    return AttemptSeen(
        pk=attempt.pk,
        run=attempt.step.run_id,
        name=attempt.job_name,
        state=attempt.state,
        changed_at=max(attempt.state_since, attempt.submitted_at or attempt.state_since),
        job_id=attempt.job_id,
        reason=attempt.reason,
        has_ended=files.get(folder.exit_code) is not None,
        outcome=outcome if all(statuses) else "",
        may_be_late=attempt.pk in late,
        is_here=attempt.step.run.cluster_id == row.pk,
    )


def _gone(
    rows: Sequence[Attempt], jobs: Sequence[JobSeen], cluster: ports.Cluster, *, at: datetime
) -> frozenset[str]:
    """Ask about the jobs that were not listed; only a clear answer counts.

    A scheduler may show a new job late.
    """
    known, handed_in = {job.id for job in jobs}, at - timedelta(seconds=cluster.submit_grace_s)
    missing = [
        JobId(one.job_id)
        for one in rows
        if one.state in WATCHED and one.job_id and one.job_id not in known
        if one.submitted_at is None or one.submitted_at <= handed_in
    ]
    reports = cluster.scheduler.poll(missing) if missing else {}
    return frozenset(one for one, report in reports.items() if report.state == JobState.GONE)


def _mark_of(row: Deployment) -> str:
    return f"{row.folder}/{deployments.MARK}"


def _deployment(row: Deployment, files: dict[str, bytes | None]) -> DeploymentSeen:
    is_there = deployments.is_mark_of(row, files.get(_mark_of(row)))
    return DeploymentSeen(row.pk, row.version, row.folder, is_there)
