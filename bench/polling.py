"""Targets 9 and 9b: asking a real Slurm over SSH about many jobs at once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import median_ratio
from bench.rows import Row, judged, missing
from processing_app.cluster.ports import JobId
from processing_app.cluster.shell_ssh import SshShell
from processing_app.cluster.slurm import Slurm
from tests.support import services
from tests.support.slurm import PROGRAMS, running_slurm
from tests.support.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from processing_app.cluster.ports import CommandResult

_JOBS = {"full": 10_000, "small": 20}
_ROUNDS = {"full": 6, "small": 2}
# So many of the jobs are asked about one by one, and the rest is reckoned.
_ASKED_ALONE = {"full": 50, "small": 5}
_ONE = "9 poll {:,} jobs over SSH: time against one sacct for one job"
_COMMANDS = "9 commands of one poll of {:,} jobs"
_EACH = "9b poll {:,} jobs over SSH: times faster than a query per job"


@dataclass(slots=True)
class _Counted:
    """A shell that counts what it runs."""

    shell: SshShell
    count: int = 0

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float) -> CommandResult:
        self.count += 1
        return self.shell.run(argv, cwd=cwd, timeout=timeout)


def rows(size: str) -> Iterator[Row]:
    """Hand in the jobs once, then ask in turns."""
    jobs = _JOBS[size]
    absent = [name for name in (*PROGRAMS, "sshd") if services.find(name) is None]
    if absent:
        why = f"left out: {', '.join(absent)} not installed"
        yield missing(_ONE.format(jobs), why=why, target="<= 4")
        yield missing(_EACH.format(jobs), why=why, target=">= 100")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        slurm = stack.enter_context(running_slurm(accounting=True))
        (folder / "sshd").mkdir()
        sshd = Sshd(folder / "sshd")
        stack.callback(sshd.stop)
        sshd.start()
        shell = _Counted(SshShell(sshd.access()))
        stack.callback(shell.shell.close)
        ids = _held_jobs(jobs, slurm.environment, folder)
        yield from _measured(shell, slurm.environment, folder, ids, size)


def _held_jobs(count: int, environment: dict[str, str], folder: Path) -> list[JobId]:
    """Hand in jobs that wait, several at a time; return their ids."""
    script = folder / "job.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    sys.stderr.write(f"handing in {count} jobs\n")
    command = ["xargs", "-P", "4", "-I", "{}", "sbatch", "--parsable", "--hold", "--job-name=b{}"]
    done = subprocess.run(
        [*command, f"--chdir={folder}", "--output=/dev/null", "--mem=1M", str(script)],
        input="\n".join(map(str, range(count))), text=True, capture_output=True, check=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
    )  # fmt: skip
    ids = [JobId(line) for line in done.stdout.split() if line.isdigit()]
    assert len(ids) == count, done.stderr[-300:]
    time.sleep(6)  # until accounting has them all
    return ids


def _measured(
    shell: _Counted, environment: dict[str, str], folder: Path, ids: list[JobId], size: str
) -> Iterator[Row]:
    slurm = Slurm(shell, str(folder), environment=environment)  # type: ignore[arg-type]
    variables = [f"{name}={value}" for name, value in environment.items()]
    sacct = ["env", *variables, "sacct", "-X", "-P", "-n", "--format=JobID,State", "-j"]

    def one(job_id: JobId = ids[0]) -> None:
        done = shell.run([*sacct, job_id], cwd=str(folder), timeout=30)
        assert done.stdout.startswith(job_id), done

    def each() -> None:
        for job_id in ids[: _ASKED_ALONE[size]]:
            one(job_id)

    def many() -> None:
        reports = slurm.poll(ids)
        assert {report.state.value for report in reports.values()} == {"queued"}

    times = _in_turns({"many": many, "one": one, "each": each}, _ROUNDS[size])
    shell.count = 0
    many()
    commands, factor = shell.count, len(ids) / _ASKED_ALONE[size]
    per_job = [seconds * factor for seconds in times["each"]]
    yield judged(
        _ONE.format(len(ids)), value=_ms(times["many"]), reference=_ms(times["one"]),
        ratio=median_ratio(times["many"], times["one"]), comparison="<=", limit=4,
    )  # fmt: skip
    yield judged(
        _COMMANDS.format(len(ids)), value=f"{commands} commands", reference="1 command",
        ratio=float(commands), comparison="<=", limit=3,
    )  # fmt: skip
    yield judged(
        _EACH.format(len(ids)), value=_ms(times["many"]),
        reference=f"{_ms(per_job)}, reckoned from {_ASKED_ALONE[size]} queries",
        ratio=median_ratio(per_job, times["many"]), comparison=">=", limit=100,
    )  # fmt: skip


def _in_turns(jobs: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            begun = time.perf_counter()
            job()
            if number:  # the first round fills caches and opens the connection
                times[name].append(time.perf_counter() - begun)
    return times


def _ms(seconds: list[float]) -> str:
    return f"{sorted(seconds)[len(seconds) // 2] * 1e3:,.0f} ms"
