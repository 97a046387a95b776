"""Pure: from what is known of runs, attempts and jobs to what is to be done next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from processing_app.cluster.ports import JobReport, JobState
from processing_app.demands import MEMORY
from processing_app.failures import failure_of
from processing_app.states import ATTEMPT_TABLE, AttemptState, RunState

SHORTEST_PAUSE: Final = timedelta(seconds=2)
LONGEST_PAUSE: Final = timedelta(minutes=5)
SHORTEST_LOOK: Final = timedelta(seconds=0.2)
BETWEEN_TRIES: Final = timedelta(seconds=5)

A = AttemptState
OVER: Final = ATTEMPT_TABLE.terminal
WATCHED: Final = frozenset({A.QUEUED, A.RUNNING, A.CANCELLING})


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """What the database knows of an attempt. `seen_at`: the last proof that its job lives."""

    state: str
    seen_at: datetime
    beat: str = ""
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at a job: the scheduler's word, and what its folder shows.

    `has_ended` is the mark that the job script leaves last; `outcome` is the status in the result
    file, or empty; `beat` is the content of the heartbeat file.
    """

    report: JobReport
    beat: str = ""
    has_ended: bool = False
    exit_code: int | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is proven yet. `alive` says that the job was seen, `to` a state to show meanwhile."""

    alive: bool = False
    to: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Collect:
    """The job is over; its result decides. `reason` is the scheduler's, if it named one."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the scheduler to stop the job."""


@dataclass(frozen=True, slots=True)
class Lose:
    """The job is gone by evidence."""

    note: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """The cancelled job has stopped."""


Verdict = Wait | Collect | Stop | Lose | Confirm


def judge(facts: AttemptFacts, sighting: Sighting, *, now: datetime, limit: timedelta) -> Verdict:
    """Say what one look at a job means. Silence and contradictions wait; only evidence ends it."""
    if facts.state == A.CANCELLING:
        return _judge_stopping(facts, sighting, now=now, limit=limit)
    if sighting.has_ended or (sighting.outcome and _is_over(sighting.report)):
        return Collect(sighting.report.reason)
    if facts.cancel_requested:
        return Stop()
    return _judge_unfinished(facts, sighting, now=now, limit=limit)


def _judge_unfinished(
    facts: AttemptFacts, sighting: Sighting, *, now: datetime, limit: timedelta
) -> Verdict:
    report = sighting.report
    if report.state == JobState.UNKNOWN:
        return Wait(trouble=report.detail or f"{report.source} gave no answer about the job.")
    if report.state == JobState.RUNNING:
        return Wait(alive=True, to=A.RUNNING)
    if report.state == JobState.QUEUED:
        return Wait(alive=True)
    if report.state == JobState.ENDED and report.reason:
        return Collect(report.reason)
    if not _is_silent(facts, sighting, now=now, limit=limit):
        return Wait(alive=sighting.beat != facts.beat, trouble=DOUBT[report.state])
    if report.state == JobState.ENDED:
        return Collect()
    silent = int((now - facts.seen_at).total_seconds())
    return Lose(
        f"{report.source} does not know the job, and it gave no sign of life for {silent} s."
    )


def _judge_stopping(
    facts: AttemptFacts, sighting: Sighting, *, now: datetime, limit: timedelta
) -> Verdict:
    """It may finish before the cancel arrives; then its work counts."""
    over = sighting.has_ended or _is_over(sighting.report)
    if over and sighting.outcome == "succeeded":
        return Collect()
    if sighting.has_ended or sighting.report.state == JobState.ENDED:
        return Confirm()
    if sighting.report.state == JobState.GONE:
        gone = _is_silent(facts, sighting, now=now, limit=limit)
        return Confirm() if gone else Wait(alive=sighting.beat != facts.beat)
    return Stop()


DOUBT = {
    JobState.ENDED: "The scheduler says that the job ended, but its script left no end mark yet.",
    JobState.GONE: "The scheduler does not know the job; its next sign of life is waited for.",
}


def is_at_work(report: JobReport) -> bool:
    """Return True if the job waits or runs, so that there is nothing to find in its folder yet."""
    return report.state in {JobState.QUEUED, JobState.RUNNING}


def _is_over(report: JobReport) -> bool:
    return report.state in {JobState.ENDED, JobState.GONE}


def _is_silent(facts: AttemptFacts, sighting: Sighting, *, now: datetime, limit: timedelta) -> bool:
    """No new heartbeat within the limit. Contents are compared, not the clocks of two machines."""
    return sighting.beat == facts.beat and now - facts.seen_at >= limit


def next_look(age: timedelta, *, usual: timedelta) -> timedelta:
    """Return when to look again at a job that fares well: a young one is looked at more often."""
    return min(usual, max(age / 5, SHORTEST_LOOK))


def pause_after(silence: timedelta) -> timedelta:
    """Return how long to leave a silent cluster alone: half its silence so far, with a cap."""
    return min(max(silence / 2, SHORTEST_PAUSE), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step with its latest attempt. `tries` counts attempts since the run last started.

    `asked` is what the latest asked of the amount (memory, minutes) that was too little, `more`
    what the next may ask for; 0 is nothing.
    """

    key: str
    needs: tuple[str, ...] = ()
    state: str = ""
    reason: str = ""
    last_number: int = 0
    tries: int = 0
    cancel_requested: bool = False
    asked: int = 0
    more: int = 0

    @property
    def is_active(self) -> bool:
        return bool(self.state) and self.state not in OVER

    @property
    def has_succeeded(self) -> bool:
        return self.state == A.SUCCEEDED

    @property
    def may_try(self) -> bool:
        """Return True if another attempt is due, as far as this step is concerned."""
        if self.is_active or self.has_succeeded:
            return False
        return self.tries == 0 or self.tries < self._tries()

    def _tries(self) -> int:
        failure = failure_of(self.reason)
        if failure.grows and self.asked:
            return failure.tries_grown if self.more else 0
        return failure.tries


@dataclass(frozen=True, slots=True)
class Start:
    """The run begins."""


@dataclass(frozen=True, slots=True)
class Try:
    """Make attempt `number` at a step, not before `after` from now.

    `reason` is why the one before failed; `more` is what it asks for of what that one lacked.
    """

    key: str
    number: int
    after: timedelta
    reason: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    state: str
    note: str = ""


def plan_run(state: str, steps: Iterable[StepFacts]) -> list[Start | Try | Finish]:
    """Say what a run needs next. One failed branch does not stop the others."""
    known = list(steps)
    start: list[Start | Try | Finish] = [Start()] if state == RunState.PLANNED else []
    if all(step.has_succeeded for step in known):
        return [*start, Finish(RunState.SUCCEEDED)]
    active = any(step.is_active for step in known)
    if any(step.cancel_requested for step in known):
        return start if active else [*start, Finish(RunState.CANCELLED)]
    done = {step.key for step in known if step.has_succeeded}
    tries = [_try(step) for step in known if step.may_try and done.issuperset(step.needs)]
    if tries or active:
        return [*start, *tries]
    return [*start, Finish(RunState.FAILED, _which_failed(known))]


def _try(step: StepFacts) -> Try:
    after = BETWEEN_TRIES * step.tries
    if not step.tries:
        return Try(step.key, step.last_number + 1, after)
    return Try(step.key, step.last_number + 1, after, step.reason, step.more)


def _which_failed(steps: Iterable[StepFacts]) -> str:
    return ", ".join(
        f"{step.key}: {step.reason or step.state}{_limit_reached(step)}"
        for step in steps
        if step.state and not step.has_succeeded
    )


def _limit_reached(step: StepFacts) -> str:
    """Say why it was not tried with more."""
    if not failure_of(step.reason).grows or not step.asked or step.more:
        return ""
    unit = "MB" if failure_of(step.reason).grows == MEMORY else "minutes"
    return f" (asked for {step.asked} {unit}, the most that is allowed)"
