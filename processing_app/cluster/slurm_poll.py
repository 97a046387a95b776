"""Asks Slurm about many jobs with few commands, and says of each no more than the answers bear."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from core_app.batches import batched
from core_app.errors import Silent, Unreachable
from processing_app.cluster import slurm_words
from processing_app.cluster.ports import JobReport, JobState
from processing_app.cluster.slurm_calls import Answer, Calls
from processing_app.cluster.slurm_lines import fields_of
from processing_app.cluster.slurm_pool import (
    PLACEHOLDER,
    SeenByNumber,
    is_array,
    merged,
    pooled,
    seen_in,
    seen_in_accounts,
)

ALL_MINE: Final = ("--me", "--all", "--states=all")
# One argument holds 128 KiB, and an id has ten digits at most.
IDS_AT_ONCE: Final = 5000
# So many jobs of which nothing is known are asked for one by one.
ASKED_ALONE: Final = 5
_HISTORY: Final = ("JobID", "State", "ExitCode", "JobName")
_QUEUE: Final = ("JobArrayID", "State", "exit_code", "Reason", "Name")


@dataclass(slots=True)
class Look:
    """What one source said: rows, the jobs of which it would have known, and its trouble."""

    seen: SeenByNumber = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    is_silence: bool = False

    def add(self, answer: Answer, seen: SeenByNumber, numbers: Sequence[str]) -> None:
        """Take in an answer to a question about these jobs."""
        self.seen.update(seen)
        if answer.is_whole:
            self.answered.update(numbers)
        self.trouble = answer.trouble or self.trouble
        self.is_silence = self.is_silence or answer.is_silence


def poll_cluster(
    calls: Calls, numbers: Sequence[str], *, cluster: str, since: str
) -> Mapping[str, JobReport]:
    """Return a report for each number. Raises Unreachable if no source answered at all."""
    controller = _controller(calls, numbers, cluster=cluster)
    settled = {number: _settled(controller, number) for number in numbers}
    reports = {number: report for number, report in settled.items() if report}
    names = controller.names
    if rest := [number for number in numbers if number not in reports]:
        accounts = _accounts(calls, rest, cluster=cluster, since=since)
        _ask_alone(calls, rest, accounts, controller, cluster=cluster)
        _raise_if_nothing(accounts, controller)
        sources = [accounts, controller] if calls.has_accounting else [controller]
        reports |= {number: _report(number, sources, controller) for number in rest}
        names |= accounts.names
    return {number: report.named(names.get(number, "")) for number, report in reports.items()}


def _names_in(rows: Sequence[Sequence[str]], *, at: int) -> dict[str, str]:
    """Return the name of each job, which is the field `at`, by its number."""
    named = ((row[0].partition("_")[0], row[at]) for row in rows)
    return {number: name for number, name in named if name and name != PLACEHOLDER}


def _accounts(calls: Calls, numbers: Sequence[str], *, cluster: str, since: str) -> Look:
    look = Look()
    for some in batched(numbers, IDS_AT_ONCE):
        which = ("--allocations", since, f"--jobs={','.join(some)}")
        answer = calls.accounts(*which, fields=_HISTORY, cluster=cluster)
        if answer is None:
            return Look()
        look.add(answer, seen_in_accounts(answer.table.rows), some)
        look.names |= _names_in(answer.table.rows, at=3)
    return look


def _settled(controller: Look, number: str) -> JobReport | None:
    """What waits or runs the controller knows best; what is over it forgets, tasks one by one."""
    tasks = merged(controller.seen.get(number, []))
    if not tasks or is_array(tasks):
        return None
    report = pooled(tasks)
    return report if report.state in {JobState.QUEUED, JobState.RUNNING} else None


def _controller(calls: Calls, numbers: Sequence[str], *, cluster: str) -> Look:
    """Ask for all jobs of ours: thousands of ids in the question cost more than in the answer."""
    look = Look()
    answer = calls.controller(*ALL_MINE, fields=_QUEUE, cluster=cluster)
    look.add(answer, seen_in((row[:4] for row in answer.table.rows), "squeue"), numbers)
    look.names = _names_in(answer.table.rows, at=4)
    return look


def _ask_alone(
    calls: Calls, numbers: Sequence[str], accounts: Look, controller: Look, *, cluster: str
) -> None:
    """Ask scontrol for the few jobs that squeue should have answered for, and did not."""
    known = accounts.seen.keys() | controller.seen.keys() | controller.answered
    unknown = [number for number in numbers if number not in known]
    if controller.is_silence or len(unknown) > ASKED_ALONE:
        return
    with suppress(Unreachable):
        for number in unknown:
            _ask_about(calls, number, controller, cluster=cluster)


def _ask_about(calls: Calls, number: str, controller: Look, *, cluster: str) -> None:
    done = calls.run("scontrol", "--oneliner", "show", "job", number, cluster=cluster)
    facts = [fields_of(line) for line in done.stdout.splitlines()]
    rows = [_row(one) for one in facts if one.get("JobState")]
    if done.exit_code == 0:
        controller.seen.update(seen_in(rows, "scontrol"))
    elif slurm_words.is_unknown_id(done.stderr):
        controller.answered.add(number)


def _row(facts: Mapping[str, str]) -> list[str]:
    task = facts.get("ArrayTaskId", "")
    spans = f"_[{task}]" if task and not task.isdigit() else f"_{task}" if task else ""
    job = facts.get("ArrayJobId", "") or facts.get("JobId", "")
    return [f"{job}{spans}", facts["JobState"], facts.get("ExitCode", ""), facts.get("Reason", "")]


def _raise_if_nothing(accounts: Look, controller: Look) -> None:
    if accounts.answered or accounts.seen or controller.answered or controller.seen:
        return
    trouble = "; ".join(filter(None, (controller.trouble, accounts.trouble)))
    if controller.is_silence:
        raise Silent("Slurm does not answer", trouble)
    raise Unreachable("no answer of Slurm", trouble)


def _report(number: str, sources: Sequence[Look], controller: Look) -> JobReport:
    tasks = merged(*(source.seen.get(number, []) for source in sources))
    if tasks:
        report = pooled(tasks)
        if is_array(tasks) and report.state == JobState.ENDED and number not in controller.answered:
            # Accounting hears of the tasks one after the other; more of them may wait.
            return _unknown(report.source, "Whether tasks of the array still wait is not known.")
        return report
    if all(number in source.answered for source in sources):
        return JobReport(JobState.GONE, _names(sources), detail="Slurm knows no such job.")
    trouble = "; ".join(source.trouble for source in sources if source.trouble)
    return _unknown(_names(sources), trouble or "Slurm did not speak of the job.")


def _unknown(source: str, detail: str) -> JobReport:
    return JobReport(JobState.UNKNOWN, source, detail=detail)


def _names(sources: Sequence[Look]) -> str:
    return "sacct and squeue" if len(sources) > 1 else "squeue"
