"""What the site needs of a cluster: a Shell to reach it and a Scheduler to run jobs on it.

Failures come as core_app.errors: Unreachable (nothing is known, ask again), its subclass Silent
(the whole cluster gives no answer), Misconfigured (a person has to mend the access) and Rejected.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, Protocol

JobId = NewType("JobId", str)
# A file that somebody else wrote may be of any length.
SMALL_FILE: Final = 1 << 20


class JobState(StrEnum):
    """What a scheduler can say about a job. ENDED is no judgement: the result file decides."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    GONE = "gone"  # the scheduler answered, and knows no such job
    UNKNOWN = "unknown"  # no usable answer about this job


@dataclass(frozen=True, slots=True)
class JobReport:
    """One answer about one job, and who gave it.

    `reason` is a name of processing_app.failures such as OUT_OF_MEMORY; `word` is what the
    scheduler itself said, `detail` says why a job waits or why nothing is known. `counts` are the
    tasks of an array by JobState; empty for a job without tasks.
    """

    state: JobState
    source: str
    exit_code: int | None = None
    reason: str = ""
    detail: str = ""
    word: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    # Of the job that has the id now, if the scheduler told it.
    name: str = ""

    def named(self, name: str) -> "JobReport":
        """Return the same report of a job of this name."""
        return JobReport(
            self.state, self.source, self.exit_code, self.reason, self.detail, self.word,
            self.counts, name,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resources:
    """What one job asks for. 0 and "" leave it to the cluster.

    `options` are further options of the scheduler, each one word such as `--gres=gpu:1`.
    """

    cpus: int = 1
    memory_mb: int = 0
    minutes: int = 0
    partition: str = ""
    account: str = ""
    qos: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One attempt as a job. The name is unique for ever; the script lies in the folder.

    With `tasks` it is an array: the script runs once for each of these numbers (from 0), at most
    `at_once` at a time (0: as many as the cluster likes).
    """

    name: str
    folder: str
    script: str
    resources: Resources = Resources()
    tasks: tuple[int, ...] = ()
    at_once: int = 0


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a job waits: 1 is next. `waiting` counts all that wait in the same partition."""

    position: int
    waiting: int
    expected_start: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class JobUsage:
    """What a job that is over has used, as far as the scheduler kept it."""

    peak_memory_bytes: int | None = None
    elapsed_s: float | None = None
    exit_code: int | None = None
    node: str = ""


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A job of ours that the scheduler knows, whoever handed it in."""

    id: JobId
    name: str
    state: JobState
    folder: str


@dataclass(frozen=True, slots=True)
class Peek:
    """A part of a file to be read: at most so many bytes, of the beginning or of the end."""

    path: str
    most: int = SMALL_FILE
    from_end: bool = False


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command left behind. An exit code other than 0 is an answer, not an exception."""

    exit_code: int
    stdout: str
    stderr: str


class Shell(Protocol):
    """A way to run commands and move small files on the machine that sees the jobs' folders."""

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float) -> CommandResult:
        """Run one command. Raises Unreachable if it did not end in time or was never started."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Replace a small file, so that a reader sees the old or the new content."""
        ...

    def read(self, path: str, *, most: int = SMALL_FILE) -> bytes | None:
        """Return the first `most` bytes of a file, or None if there certainly is no such file."""
        ...

    def read_many(self, wanted: Sequence[Peek]) -> list[bytes | None]:
        """Read parts of many files at once, in the order asked for.

        None stands for what is not there or cannot be read: a missing file, a folder, a refusal.
        """
        ...

    def make_folder(self, path: str) -> None:
        """Make the folder and its parents; an existing one is fine."""
        ...


class Scheduler(Protocol):
    """Something that runs jobs and outlives this process."""

    def submit(self, job: JobRequest) -> JobId:
        """Hand in the job and return its id.

        The work of a job handed in twice is done once, by the script's lock or by the scheduler;
        the ids may differ. After Unreachable the job may be there: look with `find` before trying
        again.
        """
        ...

    def find(self, name: str) -> JobId | None:
        """Return the id of the job of this name, or None if none is known (yet)."""
        ...

    def poll(self, ids: Collection[JobId]) -> Mapping[JobId, JobReport]:
        """Return a report for every id. Raises Unreachable if there was no answer at all."""
        ...

    def cancel(self, job_id: JobId) -> None:
        """Ask the job to stop, harder each time; a job that is over or unknown is fine."""
        ...

    def queue(self, ids: Collection[JobId]) -> Mapping[JobId, QueuePlace]:
        """Return where those of the jobs wait that do wait, as far as the scheduler tells."""
        ...

    def usage(self, ids: Collection[JobId]) -> Mapping[JobId, JobUsage]:
        """Return what jobs that are over have used; one of which nothing is known is left out."""
        ...

    def jobs(self) -> Sequence[JobSeen]:
        """Return the jobs that have their folder below the work folder, also those just over."""
        ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster as the driver uses it: how to reach it, where things are, how long to wait.

    Without a `python_path` the cluster has no pipeline of its own: a deployed one is used.
    """

    shell: Shell
    scheduler: Scheduler
    workdir: str
    data_root: str
    python: str
    python_path: str
    threads: int
    heartbeat_limit_s: float
    name: str = "default"
    # Shell lines before each step.
    prelude: str = ""
    # How often to ask about a job; a batch system that many share is asked less often.
    between_looks_s: float = 1.0
    # How long `find` may not know of a job that was handed in.
    submit_grace_s: float = 0.0
    # How long a shared file system may take to show the result of a job that ended.
    result_grace_s: float = 0.0

    @property
    def beat_s(self) -> int:
        """Return how often a job says that it lives: four times within the limit."""
        return max(1, int(self.heartbeat_limit_s / 4))
