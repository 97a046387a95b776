"""The tasks of an array job: their folders, and what their results mean together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.contract import SUCCEEDED, StepResult
from processing_app.cluster.workdir import PRELUDE_FAILED, JobFolder
from processing_app.failures import failure_of
from processing_app.models import Attempt
from processing_app.services import results
from processing_app.services.results import BadResult

MOST_NAMED = 5
MOST_PROBLEMS = 200
_PEAK, _TIME = "peak_memory_bytes", "seconds"


@dataclass(slots=True)
class Pooled:
    """What became of all tasks. `reason` is that of the first that failed."""

    is_success: bool
    reason: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def folders(attempt: Attempt, folder: JobFolder) -> list[JobFolder]:
    """Return the folder of each task, or that of the job if it has none."""
    return [folder.task(number) for number in attempt.tasks] or [folder]


def scheduler_logs(attempt: Attempt, folder: JobFolder) -> list[str]:
    """Return where the scheduler leaves what the job script itself prints."""
    names = [f"slurm-{number}.log" for number in attempt.tasks] or ["slurm.log"]
    return [folder / name for name in names]


def pool(attempt: Attempt, contents: Sequence[bytes | None]) -> Pooled:
    """Return what the results of all tasks say together; every failed task is counted."""
    done: list[int] = []
    failed: dict[int, tuple[str, str]] = {}
    found: list[StepResult] = []
    for number, content in zip(attempt.tasks, contents, strict=True):
        if content is None:
            failed[number] = results.missing_result(attempt.reason or _why(attempt), None)
            continue
        try:
            result = _read(attempt, content)
        except BadResult as problem:
            failed[number] = ("BAD_RESULT", str(problem))
            continue
        found.append(result)
        if result.status == SUCCEEDED:
            done.append(number)
        else:
            failed[number] = (result.reason, results.message_of(result))
    fields = {"tasks_done": done, "message": _message(attempt, failed), **_sums(found)}
    reason = next((reason for reason, _ in failed.values()), "")
    return Pooled(not failed, reason, fields)


def _why(attempt: Attempt) -> str:
    """The exit code is the worst of all tasks, so it says only this of those without a result."""
    return "PRELUDE_FAILED" if attempt.exit_code == PRELUDE_FAILED else ""


def _read(attempt: Attempt, content: bytes) -> StepResult:
    """Read one result. Raises BadResult also for measured numbers that are none."""
    result = results.read_result(content, name=attempt.job_name)
    for name in (_PEAK, _TIME):
        results.metric(result, name)
    return result


def _message(attempt: Attempt, failed: Mapping[int, tuple[str, str]]) -> str:
    total = len(attempt.tasks)
    if not failed:
        return f"All {total} tasks are done."
    named = [
        f"task {number}: {message or failure_of(reason).words}"
        for number, (reason, message) in list(failed.items())[:MOST_NAMED]
    ]
    more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
    return f"{len(failed)} of {total} tasks failed: {'; '.join(named)}{more}"


def _sums(found: Sequence[StepResult]) -> dict[str, Any]:
    """The largest memory, the longest time, the first problems."""
    peaks = [results.metric(result, _PEAK) for result in found]
    times = [results.metric(result, _TIME) for result in found]
    known = [peak for peak in peaks if peak is not None]
    spent = [time for time in times if time is not None]
    problems = [asdict(one) for result in found for one in result.problems]
    return {
        "peak_memory_bytes": round(max(known)) if known else None,
        "elapsed_s": max(spent) if spent else None,
        "problems": problems[:MOST_PROBLEMS],
    }
