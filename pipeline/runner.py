"""Run one spec and leave a result beside it, whatever happens."""

from __future__ import annotations

import importlib
import os
import platform
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline import contract, registry
from pipeline.contract import JsonDict, SpecInvalid, StepResult, StepSpec
from pipeline.errors import BadInput, Cancelled, StepFailed, VersionMismatch, named_failure
from pipeline.workspace import Workspace, now_iso, write_atomically

if TYPE_CHECKING:
    from types import FrameType

Step = Callable[[StepSpec, Workspace], JsonDict]

SUCCESS, STEP_FAILED, SPEC_UNUSABLE = 0, 1, 2
_RESERVE_BYTES = 64 * 1024


@dataclass(slots=True)
class _Attempt:
    """What is known so far; enough to write a result at any moment."""

    spec_path: Path
    task: int | None = None
    started_at: str = field(default_factory=now_iso)
    started: float = field(default_factory=time.monotonic)
    spec: StepSpec | None = None
    workspace: Workspace | None = None

    @property
    def folder(self) -> Path:
        """Where the result is left: beside the spec, for a task in a folder of its own there."""
        beside = self.spec_path.parent
        return beside if self.task is None else beside / f"task-{self.task}"


def run_file(spec_path: Path, *, data_root: Path | None, task: int | None = None) -> int:
    """Run the spec, write result.json beside it, return 0, 1 (failed) or 2 (spec unusable)."""
    attempt = _Attempt(spec_path=spec_path, task=task)
    _stop_cleanly_on_sigterm()
    with suppress(OSError):  # the result says it better
        attempt.folder.mkdir(exist_ok=True)
    _reserve(attempt)
    try:
        exit_code, result = _outcome(attempt, data_root)
    except Cancelled:
        # the signal came between two statements here rather than inside the step
        exit_code, result = STEP_FAILED, _failed(attempt, _cancelled())
    _ignore_sigterm()
    return _leave(attempt, result, exit_code)


def load_step(name: str) -> Step:
    """Import the function behind a step name; raise BadInput for a name nobody knows."""
    if name not in registry.STEPS:
        raise BadInput(f"There is no step {name!r}; known are {', '.join(sorted(registry.STEPS))}.")
    module, _, function = registry.STEPS[name].partition(":")
    return cast("Step", getattr(importlib.import_module(module), function))


def package_versions() -> dict[str, str]:
    """Installed versions of what the steps use; an absent package is left out."""
    found = {"python": platform.python_version(), "pipeline": contract.PIPELINE_VERSION}
    for package in registry.PACKAGES + registry.OPTIONAL_PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _outcome(attempt: _Attempt, data_root: Path | None) -> tuple[int, StepResult]:
    try:
        attempt.spec = _usable_spec(attempt.spec_path)
        _check_task(attempt.spec, attempt.task)
        attempt.workspace = _workspace(attempt, data_root)
    except (SpecInvalid, StepFailed, OSError) as error:
        return SPEC_UNUSABLE, _failed(attempt, _unusable(error))
    try:
        outputs = load_step(attempt.spec.step)(attempt.spec, attempt.workspace)
    except Cancelled:
        return STEP_FAILED, _failed(attempt, _cancelled())
    except Exception as error:  # the result file must exist in every case
        traceback.print_exc(file=sys.stderr)
        return STEP_FAILED, _failed(attempt, named_failure(error))
    return SUCCESS, _succeeded(attempt, outputs)


def _usable_spec(path: Path) -> StepSpec:
    spec = StepSpec.from_json(path.read_bytes())
    if spec.contract != contract.CONTRACT_VERSION:
        raise VersionMismatch(
            f"The spec speaks contract {spec.contract}, this pipeline {contract.CONTRACT_VERSION}. "
            "Deploy the pipeline that belongs to the site, then retry."
        )
    if spec.version != contract.PIPELINE_VERSION:
        raise VersionMismatch(
            f"The spec expects pipeline {spec.version}, installed is {contract.PIPELINE_VERSION}. "
            "Deploy the pipeline that belongs to the site, then retry."
        )
    _check_names(spec)
    return spec


def _check_names(spec: StepSpec) -> None:
    if spec.step not in registry.SIGNATURES:
        raise BadInput(f"There is no step {spec.step!r}.")
    wanted = registry.SIGNATURES[spec.step]
    _compare_names("inputs", set(spec.inputs), wanted.inputs, wanted.optional_inputs)
    _compare_names(
        "parameters", set(spec.parameters), wanted.parameters, wanted.optional_parameters
    )
    _compare_names("outputs", set(spec.outputs), wanted.outputs, wanted.optional_outputs)


def _check_task(spec: StepSpec, task: int | None) -> None:
    if spec.tasks and spec.step not in registry.TASKED:
        raise BadInput(f"{spec.step} is one whole. Take the tasks out of the spec.")
    if spec.tasks and task is None:
        raise BadInput(f"The spec has {spec.tasks} tasks. Say which is wanted: --task 0.")
    if task is not None and not 0 <= task < spec.tasks:
        raise BadInput(f"The spec has {spec.tasks} tasks, from 0, and none with number {task}.")


def _compare_names(
    kind: str, given: set[str], needed: frozenset[str], optional: frozenset[str]
) -> None:
    if missing := sorted(needed - given):
        raise BadInput(f"The spec lacks these {kind}: {', '.join(missing)}.")
    if unknown := sorted(given - needed - optional):
        raise BadInput(f"The step does not know these {kind}: {', '.join(unknown)}.")


def _workspace(attempt: _Attempt, data_root: Path | None) -> Workspace:
    root = data_root or _root_from_environment()
    if not root.is_dir():
        raise BadInput(f"The data root {root} is not a folder on this machine.")
    assert attempt.spec is not None
    return Workspace(
        root=root,
        name=attempt.spec.name,
        threads=attempt.spec.threads,
        progress_file=attempt.folder / "progress.json",
        spec_file=attempt.spec_path,
        task=attempt.task,
    )


def _root_from_environment() -> Path:
    root = os.environ.get("LIGHTSERV_DATA_ROOT", "")
    if not root:
        raise BadInput("No data root: set LIGHTSERV_DATA_ROOT or give --data-root.")
    return Path(root)


def _unusable(error: Exception) -> StepFailed:
    if isinstance(error, StepFailed):
        return error
    return BadInput(f"The spec cannot be used: {error}")


def _cancelled() -> StepFailed:
    return StepFailed(
        contract.CANCELLED, "The step was stopped from outside. Retry it to go on where it was."
    )


def _succeeded(attempt: _Attempt, outputs: JsonDict) -> StepResult:
    return _result(attempt, status=contract.SUCCEEDED, failure=None, outputs=outputs)


def _failed(attempt: _Attempt, failure: StepFailed) -> StepResult:
    return _result(attempt, status=contract.FAILED, failure=failure, outputs={})


def _result(
    attempt: _Attempt, *, status: str, failure: StepFailed | None, outputs: JsonDict
) -> StepResult:
    spec, workspace = attempt.spec, attempt.workspace
    return StepResult(
        contract=contract.CONTRACT_VERSION,
        step=spec.step if spec else "",
        name=spec.name if spec else "",
        status=status,
        reason=failure.reason if failure else "",
        message=failure.message if failure else "Done.",
        started_at=attempt.started_at,
        finished_at=now_iso(),
        host=socket.gethostname(),
        problems=failure.problems if failure else [],
        outputs=outputs,
        metrics=_metrics(attempt),
        versions=dict(package_versions()),
        input_digest=workspace.input_digest if workspace else "",
    )


def _metrics(attempt: _Attempt) -> JsonDict:
    own = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = attempt.workspace.metrics if attempt.workspace else {}
    return {
        "seconds": round(time.monotonic() - attempt.started, 3),
        "cpu_seconds": round(sum((*own[:2], *theirs[:2])), 3),
        "peak_memory_bytes": max(_own_peak(own.ru_maxrss), theirs.ru_maxrss) * 1024,
        "bytes_in": counted.get("bytes_in", 0),
        "bytes_out": counted.get("bytes_out", 0),
    }


def _own_peak(maxrss_kib: int) -> int:
    """The peak in KiB. What getrusage says begins at the size of whoever started this program."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return maxrss_kib


def _reserve(attempt: _Attempt) -> None:
    """Hold a little room, so that a full disk still leaves a result with its name."""
    with suppress(OSError):
        _reserve_path(attempt).write_bytes(bytes(_RESERVE_BYTES))


def _reserve_path(attempt: _Attempt) -> Path:
    return attempt.folder / ".result.reserve"


def _leave(attempt: _Attempt, result: StepResult, exit_code: int) -> int:
    with suppress(OSError):
        _reserve_path(attempt).unlink(missing_ok=True)
    try:
        write_atomically(attempt.folder / "result.json", result.to_json())
    except OSError as error:
        sys.stderr.write(f"result.json cannot be written: {error}\n")
        return exit_code or STEP_FAILED
    if result.message and exit_code:
        sys.stderr.write(f"{result.reason}: {result.message}\n")
    return exit_code


def _stop_cleanly_on_sigterm() -> None:
    signal.signal(signal.SIGTERM, _raise_cancelled)


def _ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _raise_cancelled(_number: int, _frame: FrameType | None) -> None:
    _ignore_sigterm()
    raise Cancelled
