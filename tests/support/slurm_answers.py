"""A Slurm whose commands answer what a test tells: for answers that no real one gives on demand."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core_app.errors import OutsideError
from processing_app.cluster.ports import CommandResult
from processing_app.cluster.shell_memory import MemoryShell
from processing_app.cluster.slurm import Slurm

SACCT_HEAD = "JobID|State|ExitCode|JobName|\n"
SQUEUE_HEAD = "JOBID|STATE|EXIT_CODE|REASON|NAME|\n"
DOWN = CommandResult(
    1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
)
DATABASE_DOWN = CommandResult(
    1, "", "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent"
    " connection to host:localhost:6819: Connection refused\n"
    "sacct: error: Problem talking to the database: Connection refused\n",
)  # fmt: skip
NO_ACCOUNTS = CommandResult(1, "", "Slurm accounting storage is disabled\n")
NO_SUCH_JOB = CommandResult(1, "", "slurm_load_jobs error: Invalid job id specified\n")


def sacct(*rows: str) -> CommandResult:
    """An answer of sacct with rows such as `7|RUNNING|0:0|name|`."""
    return CommandResult(0, SACCT_HEAD + "".join(f"{row}\n" for row in rows), "")


def squeue(*rows: str) -> CommandResult:
    """An answer of squeue with rows such as `7|PENDING|0|Priority|name|`."""
    return CommandResult(0, SQUEUE_HEAD + "".join(f"{row}\n" for row in rows), "")


@dataclass(slots=True)
class ScriptedSlurm:
    """Answers by command; a command without an answer is not installed. `calls` were made."""

    answers: dict[str, CommandResult | OutsideError]
    calls: list[list[str]] = field(default_factory=list)

    @property
    def scheduler(self) -> Slurm:
        return Slurm(MemoryShell(commands={"env": self._answer}), "/jobs")

    @property
    def commands(self) -> list[str]:
        return [call[0] for call in self.calls]

    def _answer(self, argv: Sequence[str], cwd: str) -> CommandResult:
        call = list(argv[1:])
        while "=" in call[0]:
            call.pop(0)
        self.calls.append(call)
        answer = self.answers.get(call[0], CommandResult(127, "", "No such file or directory"))
        if isinstance(answer, OutsideError):
            raise answer
        return answer
