"""Calls the commands of Slurm over a Shell, in a fixed environment, and reads their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core_app.errors import Misconfigured, Silent, Unreachable
from processing_app.cluster import slurm_words
from processing_app.cluster.ports import CommandResult, Shell
from processing_app.cluster.slurm_lines import Table, table

# Words, times and lists of tasks in one form, whatever the login prefers: times as seconds since
# 1970, which know no time zone, and lists of tasks in full.
_FORM = {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
_NOT_FOUND = 127
# Asks slurmctld; without it nothing goes on, while the cluster can do without its accounts.
_CONTROLLER = "squeue"
_NOTHING = Table([], is_whole=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave: a table, or the trouble why there is none.

    `is_silence` says that the controller cannot be spoken to.
    """

    table: Table = _NOTHING
    trouble: str = ""
    is_silence: bool = False
    is_off: bool = False

    @property
    def is_whole(self) -> bool:
        return self.table.is_whole


@dataclass(slots=True)
class Calls:
    """Commands of Slurm. `environment` is added to theirs, SLURM_CONF for instance.

    `has_accounting` is True until Slurm says that it keeps no accounts.
    """

    shell: Shell
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    has_accounting: bool = field(default=True, init=False)

    def run(self, command: str, *options: str, cluster: str = "") -> CommandResult:
        """Run one command. Raises Unreachable, and Misconfigured if there is no such command."""
        variables = {**_FORM, **self.environment}
        argv = ["env", *(f"{name}={value}" for name, value in variables.items()), command]
        which = [f"--clusters={cluster}"] if cluster else []
        done = self.shell.run([*argv, *which, *options], cwd="/", timeout=self.timeout_s)
        if done.exit_code == _NOT_FOUND:
            raise Misconfigured("no Slurm", f"{command} is not on the PATH of the login")
        return done

    def controller(self, *options: str, fields: Sequence[str], cluster: str = "") -> Answer:
        """Ask squeue, which knows at once what happens, and forgets what is over."""
        return self._ask(_CONTROLLER, *options, fields=fields, cluster=cluster)

    def accounts(self, *options: str, fields: Sequence[str], cluster: str = "") -> Answer | None:
        """Ask sacct, which lags by seconds and remembers; None where no accounts are kept."""
        if not self.has_accounting:
            return None
        answer = self._ask("sacct", "--parsable", *options, fields=fields, cluster=cluster)
        self.has_accounting = not answer.is_off
        return answer if self.has_accounting else None

    def _ask(self, command: str, *options: str, fields: Sequence[str], cluster: str = "") -> Answer:
        """Ask for a table. Only if nothing at all can be reached this raises; else it is told."""
        try:
            done = self.run(command, *options, _columns(command, fields), cluster=cluster)
        except Silent:
            raise
        except Unreachable as problem:
            return Answer(trouble=str(problem), is_silence=command == _CONTROLLER)
        if done.exit_code != 0:
            return _trouble(command, done)
        found = table(done.stdout, len(fields))
        if found.is_whole:
            return Answer(found)
        return Answer(found, f"The answer of {command} was not complete.")


def _columns(command: str, fields: Sequence[str]) -> str:
    """Name the fields so that each ends in `|` and none is cut to a width."""
    if command == _CONTROLLER:
        return "--Format=" + ",".join(f"{name}:|" for name in fields)
    return "--format=" + ",".join(fields)


def _trouble(command: str, done: CommandResult) -> Answer:
    words = " ".join(f"{done.stderr} {done.stdout}".split())[:500]
    return Answer(
        trouble=f"{command} failed ({done.exit_code}): {words or 'no words at all'}",
        is_silence=command == _CONTROLLER and slurm_words.is_silence(words),
        is_off=slurm_words.ACCOUNTING_IS_OFF in words.lower(),
    )
