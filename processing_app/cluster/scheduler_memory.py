"""Scheduler in a dict, with everything that can go wrong on demand: for tests and trial."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from core_app.errors import OutsideError
from pipeline.contract import CONTRACT_VERSION, SUCCEEDED, JsonDict, StepResult, StepSpec
from processing_app.cluster.ports import (
    Cluster,
    JobId,
    JobReport,
    JobRequest,
    JobSeen,
    JobState,
    JobUsage,
    QueuePlace,
)
from processing_app.cluster.shell_memory import MemoryShell
from processing_app.cluster.workdir import JobFolder

SOURCE = "memory"
# What a job does: it may write files, and returns its exit code; None means that it goes on.
Work = Callable[[JobRequest, MemoryShell], int | None]


@dataclass(slots=True)
class MemoryJob:
    """One job and what became of it."""

    request: JobRequest
    state: JobState = JobState.QUEUED
    exit_code: int | None = None
    reason: str = ""


@dataclass(slots=True)
class MemoryScheduler:
    """Jobs move on by one state at each poll, so that every state is seen. At most `slots` run.

    `failures` are raised, one per call. `hidden` jobs are not found by name yet, `forgotten` ones
    are gone for the scheduler, about `silent` ones it says nothing.
    """

    shell: MemoryShell
    work: Work
    slots: int = 100
    jobs_by_name: dict[str, MemoryJob] = field(default_factory=dict)
    used: dict[str, JobUsage] = field(default_factory=dict)
    submissions: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    failures: list[OutsideError] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    polls: int = 0

    def submit(self, job: JobRequest) -> JobId:
        self._fail_if_told()
        self.submissions.append(job.name)
        self.jobs_by_name.setdefault(job.name, MemoryJob(job))
        return JobId(job.name)

    def find(self, name: str) -> JobId | None:
        self._fail_if_told()
        return JobId(name) if name in self.jobs_by_name and name not in self.hidden else None

    def poll(self, ids: Collection[JobId]) -> Mapping[JobId, JobReport]:
        self._fail_if_told()
        self.polls += 1
        for job_id in ids:
            self._move_on(self.jobs_by_name.get(job_id))
        return {job_id: self._report(job_id) for job_id in ids}

    def cancel(self, job_id: JobId) -> None:
        self._fail_if_told()
        self.cancelled.append(job_id)
        job = self.jobs_by_name.get(job_id)
        if job is not None and job.state != JobState.ENDED:
            job.state, job.reason = JobState.ENDED, "CANCELLED"

    def queue(self, ids: Collection[JobId]) -> Mapping[JobId, QueuePlace]:
        self._fail_if_told()
        line = [name for name, job in self.jobs_by_name.items() if job.state == JobState.QUEUED]
        places = {name: number for number, name in enumerate(line, start=1)}
        return {job_id: QueuePlace(places[job_id], len(line)) for job_id in ids if job_id in places}

    def usage(self, ids: Collection[JobId]) -> Mapping[JobId, JobUsage]:
        self._fail_if_told()
        return {job_id: self.used[job_id] for job_id in ids if job_id in self.used}

    def jobs(self) -> Sequence[JobSeen]:
        self._fail_if_told()
        return [
            JobSeen(JobId(name), name, job.state, job.request.folder)
            for name, job in self.jobs_by_name.items()
            if name not in self.forgotten
        ]

    def _move_on(self, job: MemoryJob | None) -> None:
        if job is None or job.state == JobState.ENDED:
            return
        if job.state == JobState.RUNNING:
            code = self.work(job.request, self.shell)
            if code is not None:
                self.shell.write(JobFolder(job.request.folder).exit_code, str(code).encode())
                job.state, job.exit_code = JobState.ENDED, code
        elif (
            sum(other.state == JobState.RUNNING for other in self.jobs_by_name.values())
            < self.slots
        ):
            job.state = JobState.RUNNING

    def _report(self, job_id: JobId) -> JobReport:
        job = self.jobs_by_name.get(job_id)
        if job_id in self.silent:
            return JobReport(JobState.UNKNOWN, SOURCE)
        if job is None or job_id in self.forgotten:
            return JobReport(JobState.GONE, SOURCE)
        return JobReport(job.state, SOURCE, job.exit_code, job.reason)

    def _fail_if_told(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


def succeed(job: JobRequest, shell: MemoryShell) -> int:
    """A job that leaves the result of a step that went well."""
    folder = JobFolder(job.folder)
    spec = StepSpec.from_json(shell.files[folder.spec])
    at = "2030-01-07T12:00:00.000+00:00"
    result = StepResult(
        contract=CONTRACT_VERSION, step=spec.step, name=spec.name, status=SUCCEEDED, reason="",
        message="Done.", started_at=at, finished_at=at, host="memory",
        outputs=_volume() if "volume" in spec.outputs else {},
        metrics={"seconds": 1.5, "peak_memory_bytes": 50_000_000}, input_digest="0" * 32,
    )  # fmt: skip
    shell.write(folder.result, result.to_json().encode())
    return 0


def _volume() -> JsonDict:
    return {
        "shape": [64, 48, 32], "voxel_nm": [5000, 5000, 10000], "dtype": "uint16",
        "window": [100, 900], "range": [0, 1000], "scales": [], "files": 3, "bytes": 98_304,
        "info_digest": "1" * 32, "thumbnail": "thumbnail.png",
    }  # fmt: skip


def memory_cluster(work: Work = succeed, **other: Any) -> Cluster:
    """Return a cluster of its own in which every job does `work`; `other` are fields of it."""
    shell = MemoryShell(folders={"/", "/jobs"})
    usual = Cluster(
        shell=shell, scheduler=MemoryScheduler(shell, work), workdir="/jobs", data_root="/data",
        python="python3", python_path="/site", threads=1, heartbeat_limit_s=60.0,
    )  # fmt: skip
    return replace(usual, **other)


@cache
def shared() -> Cluster:
    """Return the one cluster of this process that CLUSTER=memory means."""
    return memory_cluster()
