"""One attempt as people see it: where it stands, what it asked for and what it used."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from processing_app.cluster.ports import JobState
from processing_app.demands import Needs
from processing_app.failures import TOLD_BY_CLUSTER
from processing_app.logs import readable
from processing_app.models import Attempt
from processing_app.planning import OVER
from processing_app.states import AttemptState

A = AttemptState
# A scheduler counts in these, so that what was asked and what was used can be compared.
MB = 1 << 20
# A word of the scheduler, or a sentence of ours (slurm_words.why_it_waits).
_NAMES_NOTHING = re.compile(r"[A-Za-z]+|[A-Z][A-Za-z, ]+\.")
_COUNTED = (
    (JobState.RUNNING, "running"), (JobState.QUEUED, "waiting"), (JobState.GONE, "vanished"),
    (JobState.UNKNOWN, "unknown"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt; `why`: why it was made by itself; `has_log`: its log was kept."""

    attempt: Attempt
    why: str = ""
    has_log: bool = False

    @property
    def is_over(self) -> bool:
        return self.attempt.state in OVER

    @property
    def is_waiting(self) -> bool:
        return self.attempt.state == A.QUEUED

    @property
    def place(self) -> str:
        """Return "3rd of 17 waiting", as long as it waits in a queue that tells."""
        attempt = self.attempt
        if not self.is_waiting or not attempt.queue_position:
            return ""
        of = max(attempt.queue_length or 0, attempt.queue_position)
        return f"{ordinal(attempt.queue_position)} of {of} waiting"

    @property
    def expected_start_at(self) -> datetime | None:
        """Return when the scheduler means to begin it; nothing once that time has passed."""
        at = self.attempt.expected_start_at
        return at if self.is_waiting and at and at > timezone.now() else None

    @property
    def waits_for(self) -> str:
        """Return why it waits, in the scheduler's own words: they may name computers."""
        return self.attempt.detail if self.is_waiting else ""

    @property
    def waits_in_short(self) -> str:
        """Return why it waits, in words for everybody; nothing where there are only other words."""
        short = self.waits_for.partition(" (")[0]
        return short if _NAMES_NOTHING.fullmatch(short) else ""

    @property
    def message(self) -> str:
        """Return what came of it, in words for everybody."""
        attempt = self.attempt
        return "" if attempt.reason in TOLD_BY_CLUSTER else attempt.message

    @property
    def word(self) -> str:
        """Return what the scheduler calls it, while it is at work there."""
        return self.attempt.word if not self.is_over else ""

    @property
    def counts(self) -> str:
        """Return "5 of 8 tasks done, 2 running" for an array."""
        attempt = self.attempt
        total = len(attempt.tasks)
        if not total:
            return ""
        counts = {name: n for name, n in attempt.counts.items() if isinstance(n, int) and n}
        if self.is_over:
            return f"{len(attempt.tasks_done)} of {_tasks(total)} succeeded"
        done = f"{counts.get(JobState.ENDED, 0)} of {_tasks(total)} done"
        rest = [f"{counts[state]} {word}" for state, word in _COUNTED if state in counts]
        return ", ".join([done, *rest])

    @property
    def asked(self) -> Needs:
        return Needs.of(self.attempt.resources)

    @property
    def memory(self) -> str:
        """Return "8.0 GB asked, 6.1 GB used", as far as either is known."""
        asked, used = self.asked.memory_mb, self.attempt.peak_memory_bytes
        parts = [f"{gigabytes(asked)} asked"] if asked else []
        parts += [f"{gigabytes(used / MB)} used"] if used else []
        return ", ".join(parts)

    @property
    def took(self) -> timedelta | None:
        """Return how long the job was at work, or is by now; None if it never began."""
        attempt = self.attempt
        if attempt.elapsed_s is not None:
            return timedelta(seconds=attempt.elapsed_s)
        if attempt.started_at is None:
            return None
        return (attempt.finished_at or timezone.now()) - attempt.started_at

    @property
    def limit(self) -> timedelta | None:
        """Return how long it may take; None if nothing was said."""
        return timedelta(minutes=self.asked.minutes) if self.asked.minutes else None

    @property
    def log(self) -> str:
        return readable(self.attempt.log_tail)

    @property
    def can_be_followed(self) -> bool:
        return self.attempt.state in {A.RUNNING, A.CANCELLING}


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, 21st."""
    teens = number % 100 in {11, 12, 13}
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def gigabytes(megabytes: float) -> str:
    """Return an amount of memory as GB, or as MB where that says more."""
    if megabytes < 1000:
        return f"{max(megabytes, 1):.0f} MB"
    return f"{megabytes / 1000:.1f} GB"


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


def fraction_of(progress: dict[str, object]) -> float:
    """Return done / total of a progress document, 0 if it says nothing usable."""
    done, total = progress.get("done"), progress.get("total")
    if not isinstance(done, int | float) or not isinstance(total, int | float) or total <= 0:
        return 0.0
    return min(max(done / total, 0.0), 1.0)


def seconds_left(attempt: Attempt, *, now: datetime) -> float | None:
    """Return an estimate where one is honest: after a tenth of the work and ten seconds."""
    fraction = fraction_of(attempt.progress)
    spent = (now - attempt.started_at).total_seconds() if attempt.started_at else 0.0
    if fraction < 0.1 or spent < 10:
        return None
    return spent * (1 - fraction) / fraction
