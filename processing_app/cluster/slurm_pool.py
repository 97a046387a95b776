"""Pure: makes one report of what several answers of Slurm say about one job and its tasks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from processing_app.cluster.ports import JobReport, JobState
from processing_app.cluster.slurm_lines import exit_code_of, key_of
from processing_app.cluster.slurm_words import Meaning, meaning_of, why_it_waits, worst

# Stands for tasks that Slurm did not tell apart.
_SOME_TASKS: Final = -1
_WHOLE_JOB: Final = -2
# No job of ours has this name.
PLACEHOLDER: Final = "allocation"
# So many different answers are remembered.
_KEPT: Final = 4096
_NOT_YET: Final = Meaning(JobState.UNKNOWN, detail="Accounting does not know the whole job yet.")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one row of an answer says of a job, or of tasks of an array in the same state."""

    word: str
    meaning: Meaning
    source: str
    exit_code: int | None = None
    why: str = ""

    @property
    def state(self) -> JobState:
        return self.meaning.state

    @property
    def detail(self) -> str:
        return self.meaning.detail or (self.why if self.state == JobState.QUEUED else "")


Rows = list[tuple[Sequence[int] | None, Seen]]  # with the tasks of slurm_lines.Key
SeenByNumber = dict[str, Rows]


def seen_in(rows: Iterable[Sequence[str]], source: str) -> SeenByNumber:
    """Return the rows (id, state, exit code, perhaps why it waits) by the number of their job.

    A row whose id cannot be understood, such as a step, says nothing about any job.
    """
    found: SeenByNumber = {}
    for job, state, code, *why in rows:
        key, word = key_of(job), state.strip()
        if key is not None and word:
            seen = _seen(source, word, code, why[0] if why else "")
            found.setdefault(key.number, []).append((key.tasks, seen))
    return found


# Thousands of jobs say the same, and what they say is read once.
@lru_cache(maxsize=_KEPT)
def _seen(source: str, word: str, code: str, why: str) -> Seen:
    meaning = meaning_of(word)
    return Seen(word, meaning, source, _code_that_counts(code, word, meaning), why_it_waits(why))


def seen_in_accounts(rows: Sequence[Sequence[str]]) -> SeenByNumber:
    """Return the rows of sacct (id, state, exit code, name) by the number of their job.

    Until accounting has received the job as it was handed in, it shows a placeholder under the
    number of the job, even for one task of an array; its state says nothing about the whole.
    """
    found = seen_in((row[:3] for row in rows if row[3] != PLACEHOLDER), "sacct")
    for job, word, _, name in rows:
        if name == PLACEHOLDER and (key := key_of(job)) is not None:
            not_yet = Seen(word, _NOT_YET, "sacct")
            found.setdefault(key.number, []).append((key.tasks, not_yet))
    return found


def _code_that_counts(code: str, word: str, meaning: Meaning) -> int | None:
    """Return the exit code of what ended; 0 means only of a completed job that it did its work."""
    if meaning.state != JobState.ENDED:
        return None
    number = exit_code_of(code)
    return number if number or word == "COMPLETED" else None


def merged(*answers: Rows) -> dict[int, Seen]:
    """Return what is known of each task. Later answers are newer, and count more."""
    known: dict[int, Seen] = {}
    for answer in answers:
        known.update(_by_task(answer))
    if len(known) < 2:
        return known
    # Accounting may still name the array itself beside its first tasks.
    return {task: seen for task, seen in known.items() if task != _WHOLE_JOB}


def _by_task(answer: Rows) -> dict[int, Seen]:
    """A job that was put back into the queue may have several rows; the one still alive counts."""
    known: dict[int, Seen] = {}
    for numbers, seen in answer:
        tasks = (_WHOLE_JOB,) if numbers is None else (numbers or (_SOME_TASKS,))
        for task in tasks:
            if task not in known or seen.state != JobState.ENDED or _is_over(known[task]):
                known[task] = seen
    return known


def _is_over(seen: Seen) -> bool:
    return seen.state == JobState.ENDED


def is_array(tasks: Mapping[int, Seen]) -> bool:
    return _WHOLE_JOB not in tasks


def pooled(tasks: Mapping[int, Seen]) -> JobReport:
    """Return one report of a job, or of all the known tasks of an array; of at least one."""
    if not is_array(tasks):
        return _report_of_one(tasks[_WHOLE_JOB])
    counts = dict(Counter(str(seen.state) for seen in tasks.values()))
    return replace(_report(tuple(tasks.values()), pooled_state(tasks)), counts=counts)


@lru_cache(maxsize=_KEPT)
def _report_of_one(seen: Seen) -> JobReport:
    return _report((seen,), seen.state)


def _report(all_seen: tuple[Seen, ...], state: JobState) -> JobReport:
    reason = worst(seen.meaning.reason for seen in all_seen)
    telling = _most_telling(all_seen, state, reason)
    codes = [seen.exit_code for seen in all_seen if seen.exit_code is not None]
    return JobReport(
        state, telling.source, max(codes, default=None), reason if state == JobState.ENDED else "",
        telling.detail, telling.word,
    )  # fmt: skip


def pooled_state(tasks: Mapping[int, Seen]) -> JobState:
    """Running if any task runs, or if some wait and some ended; over only if all are."""
    states = {seen.state for seen in tasks.values()}
    if len(states) == 1:
        return states.pop()
    if JobState.RUNNING in states or JobState.QUEUED in states:
        return JobState.RUNNING
    return JobState.UNKNOWN


def _most_telling(all_seen: Sequence[Seen], state: JobState, reason: str) -> Seen:
    """Return what speaks for all: the worst end, else one in the pooled state, else any."""
    if state == JobState.ENDED:
        fitting = [seen for seen in all_seen if reason and seen.meaning.reason == reason]
        failed = [seen for seen in all_seen if seen.exit_code]
        return (fitting or failed or list(all_seen))[0]
    return next((seen for seen in all_seen if seen.state == state), all_seen[0])
