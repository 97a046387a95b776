"""What the site needs of a cluster: a Shell to reach it and a Scheduler to run jobs on it.

Failures come as core_app.errors: Unreachable (nothing is known, ask again) and Rejected (a no).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
    """One answer about one job, and who gave it. `reason` is a name such as OUT_OF_MEMORY."""

    state: JobState
    source: str
    exit_code: int | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One attempt as a job. The name is unique for ever; the script lies in the folder."""

    name: str
    folder: str
    script: str
    threads: int = 1


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

    def make_folder(self, path: str) -> None:
        """Make the folder and its parents; an existing one is fine."""
        ...


class Scheduler(Protocol):
    """Something that runs jobs and outlives this process."""

    def submit(self, job: JobRequest) -> JobId:
        """Hand in the job and return its id. A job that is there already is not started again."""
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


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster as the driver uses it: how to reach it, where things are, how long to wait."""

    shell: Shell
    scheduler: Scheduler
    workdir: str
    data_root: str
    python: str
    python_path: str
    threads: int
    heartbeat_limit_s: float
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
