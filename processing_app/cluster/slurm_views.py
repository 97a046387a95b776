"""Pure: reads places in the queue, what jobs used, and all jobs of a folder from Slurm's tables."""

from collections.abc import Iterable, Sequence
from typing import Final

from processing_app.cluster.ports import JobId, JobSeen, JobState, JobUsage, QueuePlace
from processing_app.cluster.slurm_lines import bytes_of, join_id, key_of, time_of
from processing_app.cluster.slurm_pool import (
    merged,
    pooled,
    pooled_state,
    seen_in,
    seen_in_accounts,
)
from processing_app.cluster.slurm_words import why_it_waits

WAITING: Final = ("JobArrayID", "Partition", "StartTime", "Reason")
USED: Final = ("JobID", "State", "ExitCode", "JobName", "MaxRSS", "ElapsedRaw", "NodeList")
QUEUED_JOBS: Final = ("JobArrayID", "State", "exit_code", "Name", "WorkDir")
KEPT_JOBS: Final = ("JobID", "State", "ExitCode", "JobName", "WorkDir")


def places_in(rows: Iterable[Sequence[str]]) -> dict[str, QueuePlace]:
    """Return the best place of each job from all that wait, in the order of their priority.

    A job may wait in several partitions; the tasks of an array that wait together count once.
    """
    lines: dict[str, list[tuple[str, str, str]]] = {}
    for job, partitions, start, reason in rows:
        key = key_of(job)
        if key is not None:
            for partition in partitions.split(","):
                lines.setdefault(partition, []).append((key.number, start, reason))
    places: dict[str, QueuePlace] = {}
    for line in lines.values():
        for position, (number, start, reason) in enumerate(line, start=1):
            if number not in places or position < places[number].position:
                places[number] = QueuePlace(
                    position, len(line), time_of(start), why_it_waits(reason)
                )
    return places


def usage_in(rows: Sequence[Sequence[str]]) -> dict[str, JobUsage]:
    """Return what each job that is over has used: the most over its steps and tasks."""
    states = seen_in_accounts([row[:4] for row in rows])
    by_number: dict[str, list[Sequence[str]]] = {}
    for row in rows:
        by_number.setdefault(row[0].partition(".")[0].partition("_")[0], []).append(row)
    used = {}
    for number, seen in states.items():
        report = pooled(merged(seen))
        if report.state == JobState.ENDED:
            used[number] = _usage_of(by_number[number], report.exit_code)
    return used


def _usage_of(rows: Iterable[Sequence[str]], exit_code: int | None) -> JobUsage:
    memory, elapsed, nodes = [], [], []
    for _, _, _, _, peak, seconds, node in rows:
        memory.append(bytes_of(peak) or 0)
        elapsed.append(float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0)
        nodes.append("" if node == "None assigned" else node)
    return JobUsage(max(memory) or None, max(elapsed), exit_code, next(filter(None, nodes), ""))


def jobs_in(
    tables: Sequence[Sequence[Sequence[str]]], *, below: str, cluster: str
) -> list[JobSeen]:
    """Return the jobs with their folder below another. A later table is newer."""
    seen = [seen_in((row[:3] for row in rows), "") for rows in tables]
    known: dict[str, tuple[str, str]] = {}
    for row in (row for rows in tables for row in rows):
        key = key_of(row[0])
        if key is not None and row[4].startswith(f"{below.rstrip('/')}/"):
            known[key.number] = (row[3], row[4])
    return [
        JobSeen(
            join_id(number, cluster), name,
            pooled_state(merged(*(answer.get(number, []) for answer in seen))), folder,
        )
        for number, (name, folder) in sorted(known.items(), key=lambda item: int(item[0]))
    ]  # fmt: skip


def best_named(rows: Sequence[Sequence[str]], name: str, *, cluster: str) -> JobId | None:
    """Return the job of exactly this name (fourth field) that is not over, else the oldest."""
    states = seen_in((row[:3] for row in rows if row[3] == name), "")
    ranked = sorted(
        (pooled_state(merged(seen)) == JobState.ENDED, int(number))
        for number, seen in states.items()
    )
    return join_id(str(ranked[0][1]), cluster) if ranked else None
