"""Pure: reads what the commands of Slurm print, and writes what they take."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from processing_app.cluster.ports import JobId

_LONGEST_ID: Final = 10
_ID: Final = re.compile(r"([0-9]{1,10})(?:;([A-Za-z0-9_.-]+))?")
_JOB: Final = re.compile(r"([0-9]{1,10})(?:_(?:([0-9]{1,9})|\[([0-9,:.-]+)(?:%[0-9]+)?\]))?")
_SPAN: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?")
_CODE: Final = re.compile(r"([0-9]{1,5})(?::([0-9]{1,3}))?")
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([KMGTP]?)")
_CLUSTER: Final = re.compile(r"CLUSTER: ([A-Za-z0-9_.-]+)")
# The first field of every table that is asked for.
HEADING: Final = "JOBID"
_UNITS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
# Slurm itself allows no larger arrays.
_MOST_TASKS: Final = 4_000_001
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_YEAR_2200: Final = 7_258_118_400


@dataclass(frozen=True, slots=True)
class Key:
    """A job, or tasks of an array. `tasks` is None for a job, empty for tasks not told apart."""

    number: str
    tasks: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of an answer, each with so many fields as were asked for.

    `is_whole` says that what is not in the rows was not there: the heading was seen, and no line
    was cut off. `cluster` is named by commands that were asked for one.
    """

    rows: list[list[str]]
    is_whole: bool
    cluster: str = ""


def split_id(job_id: str) -> tuple[str, str] | None:
    """Return number and cluster of `1234` or `1234;cluster`, or None if it is no id of Slurm."""
    match = _ID.fullmatch(job_id)
    return (match[1], match[2] or "") if match else None


def join_id(number: str, cluster: str) -> JobId:
    """Return the id as sbatch would have told it."""
    return JobId(f"{number};{cluster}" if cluster else number)


def submitted_id(stdout: str) -> JobId | None:
    """Return the id that `sbatch --parsable` told among noise, or None unless there is just one."""
    found = {line.strip() for line in stdout.splitlines() if _ID.fullmatch(line.strip())}
    return JobId(found.pop()) if len(found) == 1 else None


def table(stdout: str, fields: int, *, heading: str = HEADING) -> Table:
    """Read lines of which each field ends in `|`; what comes before the heading is noise.

    Lines without any `|` are noise too; a line with some, but not all, was cut off.
    """
    rows: list[list[str]] = []
    cluster, is_begun, is_whole = "", False, stdout.endswith("\n")
    for line in stdout.split("\n"):
        told = [field.strip() for field in line.split("|")]
        is_complete = len(told) == fields + 1
        if is_complete and told[0].upper() == heading:
            is_begun = True
        elif is_begun and is_complete and not told[-1]:
            rows.append(told[:-1])
        elif match := _CLUSTER.fullmatch(line):
            cluster = match[1]
        elif is_begun and 1 < len(told) <= fields + 1:
            is_whole = False
    return Table(rows, is_begun and is_whole, cluster)


def key_of(text: str) -> Key | None:
    """Read `123`, `123_4`, `123_[0-5%2]`, `123_[1,3,7-9]`; None for a step or another thing."""
    job = text.strip()
    if job.isascii() and job.isdigit() and len(job) <= _LONGEST_ID:  # as most are
        return Key(job)
    match = _JOB.fullmatch(job)
    if match is None:
        return None
    number, task, spans = match.groups()
    if task is not None:
        return Key(number, (int(task),))
    return Key(number, None if spans is None else tuple(_expanded(spans)))


def _expanded(spans: str) -> Iterator[int]:
    """Yield the numbers of `1,3,7-9`, `0-8:2`; nothing if the text is cut off or beyond reason."""
    matches = [_SPAN.fullmatch(span) for span in spans.split(",")]
    ranges = [
        range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1) or 1)
        for match in matches
        if match
    ]
    if len(ranges) == len(matches) and sum(map(len, ranges)) <= _MOST_TASKS:
        for numbers in ranges:
            yield from numbers


def spans_of(tasks: Collection[int]) -> str:
    """Write task numbers as short as Slurm reads them: `0,3,5-9`."""
    spans: list[list[int]] = []
    for task in sorted(set(tasks)):
        if spans and task == spans[-1][1] + 1:
            spans[-1][1] = task
        else:
            spans.append([task, task])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def exit_code_of(text: str) -> int | None:
    """Read `3:0`, `0:9`, or what wait() gave such as 768; a signal counts as a shell counts it.

    sacct takes 128 off a code above it, so 137 is told as `9:0`; the script's own mark is exact.
    """
    match = _CODE.fullmatch(text.strip())
    if match is None:
        return None
    code = int(match[1])
    if match[2] is not None:
        return 128 + int(match[2]) if int(match[2]) else code
    return 128 + (code & 0x7F) if code & 0x7F else code >> 8


def bytes_of(text: str) -> int | None:
    """Read `2844K`, `1.50G`; None for nothing, which is what Slurm says when it did not measure."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * 1024 ** _UNITS[match[2]]) if match else 0
    return size or None


def time_of(text: str) -> datetime | None:
    """Read seconds since 1970, which have no time zone; None for `N/A` and `Unknown`."""
    told = text.strip()
    if not _SECONDS.fullmatch(told) or not 0 < int(told) < _YEAR_2200:
        return None
    return datetime.fromtimestamp(int(told), UTC)


def fields_of(line: str) -> dict[str, str]:
    """Read a line of `scontrol show job --oneliner`: `JobId=1 JobState=FAILED ExitCode=3:0`."""
    pairs = (word.partition("=") for word in line.split())
    return {name: value for name, mark, value in reversed(list(pairs)) if mark}
