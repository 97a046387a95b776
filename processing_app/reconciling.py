"""Pure: what database, scheduler and disk say of the same jobs, and where they differ."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from processing_app.cluster.ports import JobId, JobSeen, JobState
from processing_app.job_folders import run_of
from processing_app.planning import OVER, WATCHED
from processing_app.states import AttemptState

A = AttemptState


class Kind(StrEnum):
    """The differences that there can be."""

    JOB_WITHOUT_ATTEMPT = "job-without-attempt"
    ID_NOT_SAVED = "id-not-saved"
    SEVERAL_JOBS = "several-jobs"
    JOB_GONE = "job-gone"
    FINISHED_UNSEEN = "finished-unseen"
    FOLDER_MISSING = "folder-missing"
    LATE_RESULT = "late-result"
    FOLDER_WITHOUT_ATTEMPT = "folder-without-attempt"
    DEPLOYMENT_MISSING = "deployment-missing"
    DEPLOYMENT_UNKNOWN = "deployment-unknown"
    STATUS_MISSING = "status-missing"


# What --repair does about each; empty: nothing, a person has to look.
REPAIRS: Final[Mapping[Kind, str]] = {
    Kind.JOB_WITHOUT_ATTEMPT: "cancel the job",
    Kind.ID_NOT_SAVED: "save the id",
    Kind.SEVERAL_JOBS: "cancel the others",
    Kind.JOB_GONE: "look now; the driver judges by what it finds",
    Kind.FINISHED_UNSEEN: "look now",
    Kind.FOLDER_MISSING: "look now, and say so on the page of the run",
    Kind.LATE_RESULT: "retry the run (only if asked for by its name)",
    Kind.FOLDER_WITHOUT_ATTEMPT: "remove the folder",
    Kind.DEPLOYMENT_MISSING: "note it as removed",
    Kind.DEPLOYMENT_UNKNOWN: "",
    Kind.STATUS_MISSING: "make the row",
}
# To retry a run is the right of a person, so `all` leaves it out.
ALL: Final = frozenset(kind for kind in Kind if REPAIRS[kind] and kind != Kind.LATE_RESULT)


@dataclass(frozen=True, slots=True)
class AttemptSeen:
    """What the database says of one attempt, and what its folder holds.

    `changed_at` is when its row last moved; `has_ended` is the mark that a job leaves last,
    `outcome` the status in its result file; `may_be_late` that a success on disk would count;
    `is_here` that it belongs to this cluster.
    """

    pk: int
    run: int
    name: str
    state: str
    changed_at: datetime
    job_id: str = ""
    reason: str = ""
    has_ended: bool = False
    outcome: str = ""
    may_be_late: bool = False
    is_here: bool = True

    @property
    def is_over(self) -> bool:
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class DeploymentSeen:
    """A row that says that a version of the pipeline is there, and whether it is."""

    pk: int
    version: str
    folder: str
    is_there: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is known of one cluster. `gone` are ids that the scheduler answered not to know.

    What changed after `begun` may be seen by one side and not yet by another, so it is left out.
    """

    begun: datetime
    attempts: Sequence[AttemptSeen] = ()
    jobs: Sequence[JobSeen] = ()
    gone: Collection[str] = ()
    folders: Collection[str] = ()
    deployments: Sequence[DeploymentSeen] = ()
    deployed: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two sides see differently. The last three fields are what a repair needs."""

    kind: Kind
    subject: str
    words: str
    row: int = 0
    jobs: tuple[JobId, ...] = field(default=())
    state: str = ""

    @property
    def repair(self) -> str:
        return REPAIRS[self.kind]


def compare(picture: Picture) -> list[Difference]:
    """Return every difference, in the order of the kinds."""
    return [difference for look in _LOOKS for difference in look(picture)]


def _settled(picture: Picture) -> list[AttemptSeen]:
    here = (attempt for attempt in picture.attempts if attempt.is_here)
    return [attempt for attempt in here if attempt.changed_at < picture.begun]


def _active(picture: Picture) -> list[AttemptSeen]:
    return [attempt for attempt in _settled(picture) if not attempt.is_over]


def is_at_work(job: JobSeen) -> bool:
    """Return True for a job of an attempt of ours that waits or runs."""
    return run_of(job.name) is not None and job.state in {JobState.QUEUED, JobState.RUNNING}


def _by_name(jobs: Sequence[JobSeen]) -> dict[str, list[JobSeen]]:
    groups: dict[str, list[JobSeen]] = defaultdict(list)
    for job in jobs:
        groups[job.name].append(job)
    return groups


def _jobs_without_attempt(picture: Picture) -> Iterator[Difference]:
    known = {attempt.name: attempt for attempt in picture.attempts}
    for job in filter(is_at_work, picture.jobs):
        attempt = known.get(job.name)
        if attempt is None:
            words = "No attempt has this name. It may belong to another site that works here."
            yield Difference(Kind.JOB_WITHOUT_ATTEMPT, job.name, words, jobs=(job.id,))
        elif attempt.is_over and attempt.changed_at < picture.begun:
            words = f"Job {job.id} is {job.state}, and its attempt is {attempt.state}."
            yield Difference(
                Kind.JOB_WITHOUT_ATTEMPT, job.name, words, attempt.pk, (job.id,), attempt.state
            )


def _ids_not_saved(picture: Picture) -> Iterator[Difference]:
    jobs = _by_name(picture.jobs)
    for attempt in _active(picture):
        if attempt.job_id or attempt.name not in jobs:
            continue
        kept = _kept(attempt, jobs[attempt.name])
        words = f"Its job {kept.id} exists, and the attempt ({attempt.state}) does not know it."
        yield Difference(
            Kind.ID_NOT_SAVED, attempt.name, words, attempt.pk, (kept.id,), attempt.state
        )


def _several_jobs(picture: Picture) -> Iterator[Difference]:
    known = {attempt.name: attempt for attempt in _active(picture)}
    for name, jobs in _by_name([job for job in picture.jobs if is_at_work(job)]).items():
        attempt = known.get(name)
        if attempt is None or len(jobs) < 2:
            continue
        kept = _kept(attempt, jobs)
        others = tuple(job.id for job in jobs if job.id != kept.id)
        words = f"{len(jobs)} jobs have this name; {kept.id} is kept, not {', '.join(others)}."
        yield Difference(Kind.SEVERAL_JOBS, name, words, attempt.pk, others, attempt.state)


def _kept(attempt: AttemptSeen, jobs: Sequence[JobSeen]) -> JobSeen:
    """Return the job that counts: the recorded one, else the oldest at work, else the oldest."""
    recorded = [job for job in jobs if job.id == attempt.job_id]
    return (recorded or [job for job in jobs if is_at_work(job)] or list(jobs))[0]


def _jobs_gone(picture: Picture) -> Iterator[Difference]:
    gone = set(picture.gone)
    for attempt in _active(picture):
        if attempt.state in WATCHED and attempt.job_id in gone and not attempt.has_ended:
            words = f"The scheduler does not know its job {attempt.job_id} ({attempt.state})."
            yield _of_attempt(Kind.JOB_GONE, attempt, words)


def _finished_unseen(picture: Picture) -> Iterator[Difference]:
    for attempt in _active(picture):
        if attempt.state in WATCHED and (attempt.has_ended or attempt.outcome):
            found = f"a result ({attempt.outcome})" if attempt.outcome else "the mark of its end"
            words = f"{found[0].upper()}{found[1:]} is on disk; the attempt is {attempt.state}."
            yield _of_attempt(Kind.FINISHED_UNSEEN, attempt, words)


def _folders_missing(picture: Picture) -> Iterator[Difference]:
    for attempt in _active(picture):
        if attempt.state != A.NEW and attempt.name not in picture.folders:
            words = f"Its folder is not on the cluster; the attempt is {attempt.state}."
            yield _of_attempt(Kind.FOLDER_MISSING, attempt, words)


def _late_results(picture: Picture) -> Iterator[Difference]:
    for attempt in _settled(picture):
        if attempt.may_be_late and attempt.is_over and attempt.outcome == "succeeded":
            words = (
                f"It is {attempt.state} ({attempt.reason or 'no reason'}), and a success is on "
                f"disk now. Retry the run on its page, /processing/runs/{attempt.run}/."
            )
            yield _of_attempt(Kind.LATE_RESULT, attempt, words)


def _folders_without_attempt(picture: Picture) -> Iterator[Difference]:
    known = {attempt.name for attempt in picture.attempts}
    # Their jobs have to be stopped first.
    known |= {job.name for job in filter(is_at_work, picture.jobs)}
    for name in sorted(set(picture.folders) - known):
        words = "No attempt has this name. It may belong to another site that works here."
        yield Difference(Kind.FOLDER_WITHOUT_ATTEMPT, name, words)


def _deployments_missing(picture: Picture) -> Iterator[Difference]:
    for row in picture.deployments:
        if not row.is_there:
            words = f"Pipeline {row.version} is noted as deployed, and is not there."
            yield Difference(Kind.DEPLOYMENT_MISSING, row.folder, words, row.pk)


def _deployments_unknown(picture: Picture) -> Iterator[Difference]:
    known = {row.folder.rstrip("/").rpartition("/")[2] for row in picture.deployments}
    for name in sorted(set(picture.deployed) - known):
        words = "This folder of a pipeline belongs to no deployment; remove it by hand if unused."
        yield Difference(Kind.DEPLOYMENT_UNKNOWN, f"pipelines/{name}", words)


def _of_attempt(kind: Kind, attempt: AttemptSeen, words: str) -> Difference:
    return Difference(kind, attempt.name, words, attempt.pk, state=attempt.state)


_LOOKS: Final[tuple[Callable[[Picture], Iterator[Difference]], ...]] = (
    _jobs_without_attempt, _ids_not_saved, _several_jobs, _jobs_gone, _finished_unseen,
    _folders_missing, _late_results, _folders_without_attempt, _deployments_missing,
    _deployments_unknown,
)  # fmt: skip
