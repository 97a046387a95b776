"""Look at the jobs of many attempts at once: the scheduler's word and what their folders show."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from django.utils import timezone

from processing_app import planning
from processing_app.cluster.ports import Cluster, JobId, JobReport, JobState, Peek
from processing_app.cluster.workdir import LOG_TAIL_BYTES, JobFolder
from processing_app.models import Attempt
from processing_app.planning import (
    AttemptFacts,
    Collect,
    Confirm,
    Lose,
    Sighting,
    Stop,
    Verdict,
    Wait,
)
from processing_app.services import attempts, results, tasks
from processing_app.services.guarding import Guard
from processing_app.states import AttemptState

logger = logging.getLogger(__name__)

A = AttemptState
WORD_LENGTH = 64
DETAIL_LENGTH = 200
# Of the log of one task of an array, however many there are: its last lines.
LEAST_OF_A_TASK = 200
# What a look may change of a row.
SEEN = (
    "last_seen_at", "next_look_at", "progress", "trouble", "word", "detail", "counts",
)  # fmt: skip

Files = Mapping[str, bytes | None]


@dataclass(slots=True)
class _Look:
    """What one look found about one attempt."""

    attempt: Attempt
    report: JobReport
    sighting: Sighting
    verdict: Verdict


@dataclass(slots=True)
class _Acts:
    """What many looks mean, gathered so that it is written together."""

    waiting: list[Attempt] = field(default_factory=list)
    followed: list[Attempt] = field(default_factory=list)
    begun: list[Attempt] = field(default_factory=list)
    over: list[Attempt] = field(default_factory=list)


def look_at_all(
    held: Sequence[Attempt], reports: Mapping[JobId, JobReport], cluster: Cluster, guard: Guard
) -> int:
    """Judge each claimed attempt by its report and its folder, and act; return how many."""
    pairs = [(one, _of(one, reports.get(JobId(one.job_id), _unasked()))) for one in held]
    files = _peek_all(pairs, cluster)
    answers = {attempt.pk: report for attempt, report in pairs}
    now, acts = timezone.now(), _Acts()

    def look(attempt: Attempt) -> bool:
        found = _judge(attempt, answers[attempt.pk], cluster, files, now=now)
        _take_note(found, files, cluster)
        if _read_log(found, files, cluster, now=now):
            acts.followed.append(attempt)
        _act(found, cluster, acts, now=now)
        return True

    looked = guard.those(held, look)
    _write(acts, guard)
    return len(looked)


def _of(attempt: Attempt, report: JobReport) -> JobReport:
    """A scheduler that was set up anew gives ids a second time: then it is another's job.

    The id is forgotten at once, so that nobody ever cancels the other by it.
    """
    if report.name in {"", attempt.job_name}:
        return report
    words = f"The id {attempt.job_id} belongs to another job now ({report.name})."
    logger.error("attempt %s: %s", attempt.pk, words)
    Attempt.objects.filter(pk=attempt.pk, job_id=attempt.job_id).update(job_id="")
    attempt.job_id = ""
    return JobReport(JobState.GONE, report.source, detail=words)


def _unasked() -> JobReport:
    """A cancelled attempt whose id was never saved: there is nothing to ask about."""
    return JobReport(JobState.GONE, "no job id")


def _peek_all(pairs: Sequence[tuple[Attempt, JobReport]], cluster: Cluster) -> dict[str, bytes]:
    """Read the files of all attempts in one go; what is not there is left out."""
    wanted = [peek for attempt, report in pairs for peek in _peeks(attempt, report, cluster)]
    found = cluster.shell.read_many(wanted) if wanted else []
    return {
        peek.path: content
        for peek, content in zip(wanted, found, strict=True)
        if content is not None
    }


def _peeks(attempt: Attempt, report: JobReport, cluster: Cluster) -> list[Peek]:
    """One byte more than allowed shows that a file is too long."""
    folder = attempts.folder_of(attempt, cluster)
    if report.state == JobState.QUEUED:
        return []
    peeks = [] if attempt.tasks else [Peek(folder.progress, results.PROGRESS_BYTES + 1)]
    if _is_followed(attempt):
        peeks += [peek for _, peek in _logs(attempt, folder)]
    if planning.is_at_work(report):
        return peeks
    for each in {
        folder.path: folder,
        **{one.path: one for one in tasks.folders(attempt, attempts.folder_of(attempt, cluster))},
    }:
        one = JobFolder(each)
        peeks += [
            Peek(one.exit_code, results.MARK_BYTES + 1),
            Peek(one.heartbeat, results.MARK_BYTES + 1),
            Peek(one.result, results.RESULT_BYTES + 1),
        ]
    return peeks


def _logs(attempt: Attempt, folder: JobFolder) -> list[tuple[str, Peek]]:
    """Return what to read of the log of a job, or of each task of an array, with a line before."""
    if not attempt.tasks:
        return [("", Peek(folder.stderr, LOG_TAIL_BYTES, from_end=True))]
    share = max(LOG_TAIL_BYTES // len(attempt.tasks), LEAST_OF_A_TASK)
    return [
        (f"--- task {number}\n", Peek(folder.task(number).stderr, share, from_end=True))
        for number in attempt.tasks
    ]


def _is_followed(attempt: Attempt) -> bool:
    return attempt.log_wanted_until is not None and attempt.log_wanted_until > timezone.now()


def _judge(
    attempt: Attempt, report: JobReport, cluster: Cluster, files: Files, *, now: datetime
) -> _Look:
    sighting = _sighting(attempt, report, cluster, files)
    facts = AttemptFacts(
        state=attempt.state,
        seen_at=attempt.last_seen_at or attempt.state_since,
        beat=str(attempt.progress.get("beat", "")),
        cancel_requested=attempt.cancel_requested_at is not None,
    )
    limit = timedelta(seconds=cluster.heartbeat_limit_s)
    return _Look(attempt, report, sighting, planning.judge(facts, sighting, now=now, limit=limit))


def _sighting(attempt: Attempt, report: JobReport, cluster: Cluster, files: Files) -> Sighting:
    if planning.is_at_work(report):
        return Sighting(report)
    folder, parts = (
        attempts.folder_of(attempt, cluster),
        tasks.folders(attempt, attempts.folder_of(attempt, cluster)),
    )
    marks = [files.get(part.exit_code) for part in parts]
    whole = files.get(folder.exit_code)
    ended = whole is not None or all(mark is not None for mark in marks)
    codes = [results.exit_code_of(mark, None) for mark in (whole, *marks)]
    known = [code for code in codes if code is not None]
    return Sighting(
        report,
        beat=_beat([results.beat_of(files.get(part.heartbeat)) for part in parts]),
        has_ended=ended,
        exit_code=max(known) if known else report.exit_code,
        outcome=_outcome([results.status_of(files.get(part.result)) for part in parts]),
    )


def _beat(beats: Sequence[str]) -> str:
    """Return what changes whenever one of the hearts beats, however many there are."""
    together = " ".join(beats).strip()
    return together if len(beats) == 1 else together and sha256(together.encode()).hexdigest()


def _outcome(statuses: Sequence[str]) -> str:
    """An array is over once each task has left a result; one that failed decides."""
    if not all(statuses):
        return ""
    return "failed" if "failed" in statuses else statuses[0]


def _take_note(found: _Look, files: Files, cluster: Cluster) -> None:
    """Keep on the row what people want to see of it, whatever it means."""
    attempt, report = found.attempt, found.report
    folder = attempts.folder_of(attempt, cluster)
    progress = results.read_progress(files.get(folder.progress)) or _pooled(report)
    if progress:
        attempt.progress = {**progress, "beat": attempt.progress.get("beat", "")}
    attempt.word = results.storable(report.word, most=WORD_LENGTH)
    attempt.detail = results.storable(report.detail, most=DETAIL_LENGTH)
    attempt.counts = dict(report.counts)


def _read_log(found: _Look, files: Files, cluster: Cluster, *, now: datetime) -> bool:
    """Put the end of a log that somebody follows on the row; return True if there was one."""
    logs = _logs(found.attempt, attempts.folder_of(found.attempt, cluster))
    parts = [(words, files[peek.path]) for words, peek in logs if files.get(peek.path) is not None]
    if not parts:
        return False
    text = "\n".join(words + (log or b"").decode(errors="replace").rstrip() for words, log in parts)
    found.attempt.log_tail = results.storable(text, most=LOG_TAIL_BYTES)
    found.attempt.log_read_at = now
    return True


def _pooled(report: JobReport) -> dict[str, object]:
    """The tasks of an array that are over, as its progress."""
    total = sum(report.counts.values())
    done = report.counts.get(JobState.ENDED, 0)
    return {"done": done, "total": total, "unit": "tasks", "label": ""} if total else {}


def _act(found: _Look, cluster: Cluster, acts: _Acts, *, now: datetime) -> None:
    attempt, sighting = found.attempt, found.sighting
    match found.verdict:
        case Wait() as wait:
            _wait(attempt, wait, sighting, cluster, now=now)
            acts.waiting.append(attempt)
            if wait.to and wait.to != attempt.state:
                attempt.started_at = attempt.started_at or now
                acts.begun.append(attempt)
            if attempt.state == A.CANCELLING:
                attempts.cancel_job(attempt, cluster)
        case Collect(reason):
            attempt.reason = reason[: attempts.REASON_LENGTH]
            attempt.exit_code = sighting.exit_code
            acts.over.append(attempt)
        case Stop():
            attempts.ask_to_stop(attempt, cluster)
        case Lose(note):
            attempts.end(attempt, A.LOST, reason="LOST", message=note)
        case Confirm() if _has_double(attempt, sighting, cluster):
            attempts.look_again(attempt)
        case Confirm():
            attempts.end(attempt, A.CANCELLED, reason="CANCELLED")


def _has_double(attempt: Attempt, sighting: Sighting, cluster: Cluster) -> bool:
    """Return True if the job, handed in twice, has another id too; that one is followed now.

    One that left no end mark may have ended because the other held the lock.
    """
    if sighting.has_ended or not attempt.job_id:
        return False
    other = cluster.scheduler.find(attempt.job_name)
    if other in {None, attempt.job_id}:
        return False
    Attempt.objects.filter(pk=attempt.pk).update(job_id=other)
    attempt.job_id = str(other)
    attempts.cancel_job(attempt, cluster)
    return True


def _wait(
    attempt: Attempt, wait: Wait, sighting: Sighting, cluster: Cluster, *, now: datetime
) -> None:
    if sighting.beat:
        attempt.progress = {**attempt.progress, "beat": sighting.beat}
    silence = timedelta(0) if wait.alive else now - (attempt.last_seen_at or attempt.state_since)
    if wait.alive:
        attempt.last_seen_at = now
    if wait.trouble:
        pause = planning.pause_after(silence)
    else:
        age = now - (attempt.submitted_at or attempt.created_at)
        pause = planning.next_look(age, usual=timedelta(seconds=cluster.between_looks_s))
    attempt.next_look_at = now + pause
    attempt.trouble = results.storable(wait.trouble, most=attempts.TROUBLE_LENGTH)


def _write(acts: _Acts, guard: Guard) -> None:
    """Write what many looks mean in few queries."""
    _together(acts.waiting, _note, guard)
    _together(acts.followed, _keep_log, guard)
    _together(acts.begun, _begin, guard)
    _together(acts.over, _collect, guard)


def _note(some: Sequence[Attempt]) -> None:
    attempts.save_all(some, *SEEN)


def _keep_log(some: Sequence[Attempt]) -> None:
    attempts.save_all(some, "log_tail", "log_read_at")


def _begin(some: Sequence[Attempt]) -> None:
    attempts.move_all(some, A.RUNNING, "started_at")


def _collect(some: Sequence[Attempt]) -> None:
    attempts.move_all(some, A.COLLECTING, "reason", "exit_code", "progress", "counts", "word")


def _together(
    group: Sequence[Attempt], write: Callable[[Sequence[Attempt]], None], guard: Guard
) -> None:
    """Write all at once; if that fails, one by one, so that one cannot keep back the others."""
    if not group:
        return
    try:
        write(group)
    except Exception:
        guard.those(group, partial(_alone, write))


def _alone(write: Callable[[Sequence[Attempt]], None], attempt: Attempt) -> bool:
    write([attempt])
    return True
