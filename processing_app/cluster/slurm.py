"""Scheduler that hands jobs to Slurm (20.11 or newer) over any Shell.

An id is what sbatch tells: `1234`, or `1234;cluster` where there are several clusters; the id of
an array is that of the whole. squeue knows at once, and forgets what is over within minutes;
accounting (sacct) remembers for long, but lags by seconds. Both are asked.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from core_app.batches import batched
from core_app.errors import OutsideError, Silent, Unreachable
from processing_app.cluster import slurm_lines, slurm_views, slurm_words
from processing_app.cluster.ports import (
    JobId,
    JobReport,
    JobRequest,
    JobSeen,
    JobState,
    JobUsage,
    QueuePlace,
    Shell,
)
from processing_app.cluster.slurm_calls import Answer, Calls
from processing_app.cluster.slurm_facts import SlurmFacts, facts_of
from processing_app.cluster.slurm_poll import ALL_MINE, poll_cluster

_NO_ID: Final = JobReport(JobState.GONE, "slurm", detail="This is no id of a job of Slurm.")
# How far back the list of all jobs shows what is over.
_JUST_OVER: Final = "--starttime=now-1days"
_IDS_AT_ONCE: Final = 5000


@dataclass(slots=True)
class Slurm:
    """Jobs of Slurm. `cluster` names one of several; `environment` is set for its commands.

    `look_back_days` is how far back accounting is searched: longer than any job waits and runs.
    """

    shell: Shell
    workdir: str
    cluster: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    look_back_days: int = 60
    timeout_s: float = 30.0
    _calls: Calls = field(init=False)

    def __post_init__(self) -> None:
        self._calls = Calls(self.shell, self.environment, self.timeout_s)

    def submit(self, job: JobRequest) -> JobId:
        """Hand in the job. Only after Rejected it certainly is not there."""
        done = self._calls.run("sbatch", *submission(job), cluster=self.cluster)
        if done.exit_code != 0:
            raise slurm_words.refusal(f"{done.stderr}\n{done.stdout}", of="sbatch")
        job_id = slurm_lines.submitted_id(done.stdout)
        if job_id is None:
            raise Unreachable("sbatch told no id", " ".join(done.stdout.split())[:500])
        return job_id

    def find(self, name: str) -> JobId | None:
        """Return the job of this name: one that is not over, else the oldest.

        Raises Unreachable unless all that could know of it have answered.
        """
        named = f"--name={name}"
        queued = self._calls.controller(
            *ALL_MINE, named, fields=slurm_views.QUEUED_JOBS, cluster=self.cluster
        )
        found = self._best(queued, name)
        if found is not None:
            return found
        kept = self._calls.accounts(
            "--allocations", self._since, named, fields=slurm_views.KEPT_JOBS, cluster=self.cluster
        )
        found = self._best(kept, name)
        if found is None:
            _raise_unless_whole(queued, kept)
        return found

    def poll(self, ids: Collection[JobId]) -> Mapping[JobId, JobReport]:
        """Return a report for every id; with a handful of commands, however many there are."""
        told = {
            (cluster, number): report
            for cluster, numbers in _by_cluster(ids).items()
            for number, report in poll_cluster(
                self._calls, numbers, cluster=cluster, since=self._since
            ).items()
        }
        parts = {job_id: slurm_lines.split_id(job_id) for job_id in ids}
        return {
            job_id: told[(part[1], part[0])] if part else _NO_ID for job_id, part in parts.items()
        }

    def cancel(self, job_id: JobId) -> None:
        """Stop the job with all its tasks. Slurm becomes harder by itself: TERM, then KILL."""
        part = slurm_lines.split_id(job_id)
        if part is None:
            return
        done = self._calls.run("scancel", part[0], cluster=part[1])
        words = f"{done.stderr}\n{done.stdout}"
        if done.exit_code != 0 and not slurm_words.is_unknown_id(words):
            raise slurm_words.refusal(words, of="scancel")

    def queue(self, ids: Collection[JobId]) -> Mapping[JobId, QueuePlace]:
        """Return the places of those that wait, among all jobs that this login may see."""
        found: dict[JobId, QueuePlace] = {}
        for cluster in _by_cluster(ids):
            answer = self._calls.controller(
                "--states=PENDING", "--sort=-p,i", "--all", fields=slurm_views.WAITING,
                cluster=cluster,
            )  # fmt: skip
            _raise_unless_whole(answer)
            places = slurm_views.places_in(answer.table.rows)
            found |= {slurm_lines.join_id(key, cluster): place for key, place in places.items()}
        return {job_id: found[job_id] for job_id in ids if job_id in found}

    def usage(self, ids: Collection[JobId]) -> Mapping[JobId, JobUsage]:
        """Return what jobs that are over have used; nothing where Slurm keeps no accounts."""
        found: dict[JobId, JobUsage] = {}
        for cluster, numbers in _by_cluster(ids).items():
            for some in batched(numbers, _IDS_AT_ONCE):
                answer = self._calls.accounts(
                    self._since, f"--jobs={','.join(some)}", fields=slurm_views.USED,
                    cluster=cluster,
                )  # fmt: skip
                _raise_unless_whole(answer)
                used = slurm_views.usage_in(answer.table.rows if answer else [])
                found |= {slurm_lines.join_id(key, cluster): value for key, value in used.items()}
        return {job_id: found[job_id] for job_id in ids if job_id in found}

    def jobs(self) -> Sequence[JobSeen]:
        """Return our jobs below the work folder: all that Slurm has at hand, and the last day's."""
        kept = self._calls.accounts(
            "--allocations", _JUST_OVER, fields=slurm_views.KEPT_JOBS, cluster=self.cluster
        )
        queued = self._calls.controller(
            *ALL_MINE, fields=slurm_views.QUEUED_JOBS, cluster=self.cluster
        )
        _raise_unless_whole(kept, queued)
        tables = [answer.table.rows for answer in (kept, queued) if answer]
        return slurm_views.jobs_in(tables, below=self.workdir, cluster=self.cluster)

    def describe(self) -> SlurmFacts:
        """Return what this Slurm is like, for whoever sets up the site. Not part of the port."""
        return facts_of(self._calls, cluster=self.cluster)

    @property
    def _since(self) -> str:
        return f"--starttime=now-{self.look_back_days}days"

    def _best(self, answer: Answer | None, name: str) -> JobId | None:
        if answer is None:
            return None
        cluster = answer.table.cluster or self.cluster
        return slurm_views.best_named(answer.table.rows, name, cluster=cluster)


def submission(job: JobRequest) -> list[str]:
    """Return the options of sbatch, and the script."""
    wants = job.resources
    options = {
        "--job-name": job.name,
        "--comment": job.name,
        "--chdir": job.folder,
        "--output": "slurm-%a.log" if job.tasks else "slurm.log",  # in the folder
        "--open-mode": "append",
        # The variables of whoever calls sbatch are not for the job; it gets those of a fresh login.
        "--export": "NONE",
        "--nodes": "1",
        "--ntasks": "1",
        "--cpus-per-task": str(wants.cpus),
        "--mem": f"{wants.memory_mb}M" if wants.memory_mb else "",
        "--time": str(wants.minutes or ""),
        "--partition": wants.partition,
        "--account": wants.account,
        "--qos": wants.qos,
        "--array": _array(job),
    }
    return [
        "--parsable",
        "--no-requeue",  # a second run would find the lock of the first, and do nothing
        *(f"{name}={value}" for name, value in options.items() if value),
        *wants.options,
        job.script,
    ]


def _array(job: JobRequest) -> str:
    limit = f"%{job.at_once}" if job.tasks and job.at_once else ""
    return slurm_lines.spans_of(job.tasks) + limit


def _by_cluster(ids: Collection[JobId]) -> dict[str, list[str]]:
    numbers: dict[str, list[str]] = {}
    for part in map(slurm_lines.split_id, ids):
        if part is not None:
            numbers.setdefault(part[1], []).append(part[0])
    return numbers


def _raise_unless_whole(*answers: Answer | None) -> None:
    for answer in answers:
        if answer is not None and not answer.is_whole:
            raise _failure(answer)


def _failure(answer: Answer) -> OutsideError:
    if answer.is_silence:
        return Silent("Slurm does not answer", answer.trouble)
    return Unreachable("no answer of Slurm", answer.trouble)
