"""Run jobs in fresh processes, in turns, and keep what they cost."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPOSITORY = Path(__file__).resolve().parents[1]
WORK = REPOSITORY / "var" / "bench"
_VENV = REPOSITORY / "var" / "bench-venv"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_ITK_VENV = REPOSITORY / "var" / "bench-itk"
_ITK_REQUIREMENTS = Path(__file__).with_name("requirements-itk.txt")
_LIMIT_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Cost:
    """One run: seconds by the clock, CPU seconds, peak memory in bytes, the job's own outputs."""

    wall: float
    cpu: float
    peak: int
    outputs: dict[str, object]


Rounds: TypeAlias = dict[str, list[Cost]]


class Unavailable(Exception):
    """A reference that cannot be run on this machine; the text says why."""


def run_job(name: str, data: Path) -> Cost:
    """Run a job of bench.job."""
    return _run([sys.executable, "-m", "bench.job", name], name, data)


def run_igneous_job(name: str, data: Path) -> Cost:
    """Run a job of igneous_job.py in the environment that `require_references` made."""
    python = _python(_VENV)
    script = Path(__file__).with_name("igneous_job.py")
    before = _children_cpu()
    cost = _run([str(python), str(script), name], name, data)
    return replace(cost, cpu=cost.cpu + _children_cpu() - before)


def require_references(*, may_install: bool) -> None:
    """See to it that cloud-volume and igneous are there, or raise Unavailable."""
    _require(_VENV, _REQUIREMENTS, "cloud-volume and igneous", may_install=may_install)


def require_itk(*, may_install: bool) -> None:
    """See to it that itk-elastix is there, or raise Unavailable."""
    _require(_ITK_VENV, _ITK_REQUIREMENTS, "itk-elastix", may_install=may_install)


def run_itk_job(data: Path) -> Cost:
    """Run itk_job.py in the environment that `require_itk` made."""
    script = Path(__file__).with_name("itk_job.py")
    return Cost(**_told([str(_python(_ITK_VENV)), str(script), str(data)], "itk-elastix"))


def _require(venv: Path, requirements: Path, what: str, *, may_install: bool) -> None:
    mark = venv / "ready"
    if mark.exists() and mark.read_text() == requirements.read_text():
        return
    if not may_install:
        raise Unavailable(f"left out: only the full size installs {what}")
    _say(f"making {venv.relative_to(REPOSITORY)} for {what}")
    commands = (
        [sys.executable, "-m", "venv", str(venv)],
        [str(_python(venv)), "-m", "pip", "install", "-q", "-r", str(requirements)],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"{what} could not be installed")
    mark.write_text(requirements.read_text())


def reference_python() -> Path:
    """Return the interpreter of the environment that `require_references` made."""
    return _python(_VENV)


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def report(work: Callable[[], object]) -> None:
    """Do the work and print what it cost as one line of JSON, the form of Cost."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    outputs = work()
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = {"wall": wall, "cpu": cpu, "peak": after.ru_maxrss * 1024, "outputs": outputs}
    sys.stdout.write(json.dumps(told))


def in_turns(jobs: Sequence[tuple[str, Callable[[], Cost]]], *, rounds: int) -> Rounds:
    """Run every job once per round, so that a slow minute hits all of them."""
    costs: Rounds = {name: [] for name, _ in jobs}
    for number in range(rounds):
        for name, job in jobs:
            cost = job()
            costs[name].append(cost)
            _say(f"round {number + 1}: {name} {cost.wall:.2f} s, {cost.cpu:.2f} CPU s")
    return costs


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _run(command: list[str], name: str, data: Path) -> Cost:
    return run_command(command, out=data.parent / f"out_{name}", data=data, name=name)


def run_command(
    command: list[str], *, out: Path, data: Path, name: str, more: Sequence[str] = ()
) -> Cost:
    """Run a command with the folders `data` and `out` and what `more` there is to say."""
    _clear(out)
    try:
        return Cost(**_told([*command, str(data), str(out), *more], name, OMP_NUM_THREADS="1"))
    finally:
        _clear(out)


def ask_job(arguments: list[str], *, what: str, **environment: str) -> dict[str, Any]:
    """Run a job that prints one JSON line at its end, and return it. Raises Unavailable."""
    return _told([sys.executable, "-m", *arguments], what, **environment)


def _told(command: list[str], what: str, **environment: str) -> dict[str, Any]:
    """Run a command and return the JSON of its last line. Raises Unavailable if it failed."""
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"{what} failed: {last[:60]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _clear(out: Path) -> None:
    for path in out.parent.glob(f"{out.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (out.parent / f".{out.name}.lock").unlink(missing_ok=True)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
