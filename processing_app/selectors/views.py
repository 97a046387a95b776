"""A run with its steps as people see it, and what this person may do with it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from core_app.models import Event, User
from core_app.roles import Action, can
from imaging_app.models import ImagingRequest
from processing_app.choices import in_words
from processing_app.failures import Failure, failure_of
from processing_app.models import Attempt, AttemptLog, Run, Step
from processing_app.pipelines import OF_DELIVERIES
from processing_app.plans import obstacle_to_repeat, obstacle_to_retry
from processing_app.selectors.attempts import AttemptView, fraction_of, seconds_left
from processing_app.selectors.clusters import ClusterTrouble, troubles
from processing_app.selectors.runs import with_steps
from processing_app.states import ACTIVE, AttemptState, RunState
from requests_app.models import Sample

A = AttemptState
_TOKENS = {
    "": "waiting", A.NEW: "waiting", A.STAGED: "waiting", A.SUBMITTING: "waiting",
    A.QUEUED: "waiting", A.RUNNING: "progress", A.COLLECTING: "progress", A.CANCELLING: "progress",
    A.SUCCEEDED: "done", A.FAILED: "failed", A.LOST: "failed", A.CANCELLED: "skipped",
}  # fmt: skip
_RUN_TOKENS = {
    RunState.PLANNED: "waiting", RunState.RUNNING: "progress", RunState.SUCCEEDED: "done",
    RunState.FAILED: "failed", RunState.CANCELLED: "skipped",
}  # fmt: skip
_WORDS = {
    "": "Waits for earlier steps", A.NEW: "Being prepared", A.STAGED: "Being prepared",
    A.SUBMITTING: "Being handed in", A.COLLECTING: "Taking in the result",
}  # fmt: skip
RETRIED = (RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Background:
    """What is known of attempts beside their rows: why they were made, whose log was kept."""

    reasons: Mapping[int, str] = field(default_factory=dict)
    kept: Collection[int] = ()

    def view_of(self, attempt: Attempt) -> AttemptView:
        return AttemptView(attempt, self.reasons.get(attempt.pk, ""), attempt.pk in self.kept)


@dataclass(frozen=True, slots=True)
class StepView:
    """One step as people see it: its state is that of its latest attempt."""

    step: Step
    attempts: Sequence[Attempt]
    background: Background = Background()

    @property
    def latest(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def current(self) -> AttemptView | None:
        """Return the latest attempt with its place in the queue, what it asked for and used."""
        return self.background.view_of(self.latest) if self.latest else None

    @property
    def state(self) -> str:
        return self.latest.state if self.latest else ""

    @property
    def token(self) -> str:
        return _TOKENS[self.state]

    @property
    def word(self) -> str:
        return _WORDS.get(self.state) or AttemptState(self.state).label

    @property
    def failure(self) -> Failure | None:
        """Return what is known of the kind of failure, if the latest attempt ended in one."""
        latest = self.latest
        return failure_of(latest.reason) if latest and self.token == "failed" else None

    @property
    def fraction(self) -> float:
        """Return how much of the step is done, 0 to 1."""
        if self.latest is None or self.state == A.SUCCEEDED:
            return float(self.latest is not None)
        return fraction_of(self.latest.progress)

    @property
    def percent(self) -> int:
        return int(self.fraction * 100)

    @property
    def progress(self) -> dict[str, object]:
        """Return done, total, unit and label while the step says how far it is."""
        if self.latest is None or self.state != A.RUNNING:
            return {}
        return dict(self.latest.progress) if fraction_of(self.latest.progress) else {}

    @property
    def seconds_left(self) -> float | None:
        return seconds_left(self.latest, now=timezone.now()) if self.latest else None

    @property
    def waiting(self) -> str:
        """Return in a few words why it does not go on, if its job waits in a queue."""
        current = self.current
        if current is None or not current.is_waiting:
            return ""
        return " · ".join(filter(None, (current.place, current.waits_in_short)))


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its steps, and what this person may do with it."""

    run: Run
    steps: Sequence[StepView]
    may_process: bool = False
    why_no_retry: str = ""
    why_not_again: str = ""

    @property
    def token(self) -> str:
        return _RUN_TOKENS[RunState(self.run.state)]

    @property
    def sample(self) -> Sample:
        return self.run.imaging_request.sample

    @property
    def folder(self) -> str:
        return str(self.run.imaging_request.folder)

    @property
    def is_active(self) -> bool:
        return self.run.state in ACTIVE

    @property
    def took(self) -> timedelta:
        """Return the time from the beginning to the end, or to now."""
        return (self.run.finished_at or timezone.now()) - self.run.created_at

    @property
    def attempts_to_show(self) -> list[AttemptView]:
        """Return every attempt, the newest first."""
        views = [
            step.background.view_of(attempt) for step in self.steps for attempt in step.attempts
        ]
        return sorted(views, key=lambda view: view.attempt.pk, reverse=True)

    @property
    def is_stopping(self) -> bool:
        """Return True while a cancel was asked for and not yet confirmed."""
        latest = [step.latest for step in self.steps if step.latest]
        return self.is_active and any(attempt.cancel_requested_at for attempt in latest)

    @property
    def word(self) -> str:
        return "Being cancelled" if self.is_stopping else RunState(self.run.state).label

    @property
    def can_cancel(self) -> bool:
        return self.may_process and self.is_active and not self.is_stopping

    @property
    def can_retry(self) -> bool:
        return self.may_process and self.run.state in RETRIED and not self.why_no_retry

    @property
    def can_set_aside(self) -> bool:
        return self.may_process and self.run.state == RunState.FAILED

    @property
    def can_repeat(self) -> bool:
        """Return True if it can be run again with other parameters."""
        return self.may_process and not self.why_not_again

    @property
    def percent(self) -> int:
        """Return the overall progress in percent, each step counting the same."""
        return int(100 * sum(step.fraction for step in self.steps) / max(len(self.steps), 1))

    @property
    def done(self) -> int:
        return sum(step.state == A.SUCCEEDED for step in self.steps)

    @property
    def troubles(self) -> list[str]:
        """Return why it waits, where the cluster contradicts itself about its jobs."""
        latest = [step.latest for step in self.steps if step.latest]
        return sorted({attempt.trouble for attempt in latest if attempt.trouble})

    @property
    def cluster_troubles(self) -> list[ClusterTrouble]:
        """Return why it waits, where the cluster as a whole is silent, paused or frozen."""
        found = troubles([self.run.cluster]) if self.is_active else []
        return [trouble for trouble in found if not trouble.is_partial]

    @property
    def waiting(self) -> str:
        """Return in a few words why the run does not go on; empty while anything is at work."""
        if any(step.token == "progress" for step in self.steps):
            return ""
        if self.cluster_troubles:
            return self.cluster_troubles[0].headline
        return next((step.waiting for step in self.steps if step.waiting), "")

    @property
    def chosen(self) -> list[str]:
        """Return what was chosen for the run, where that is not the usual."""
        return in_words(self.run.pipeline, self.run.parameters.get("choices"))

    @property
    def why_not(self) -> str:
        """Return why it is neither retried nor run again, where somebody could expect it."""
        if self.is_active or self.run.pipeline in OF_DELIVERIES:
            return self.why_no_retry
        return self.why_no_retry or self.why_not_again


def overview(run: Run, *, to: User | None = None) -> RunView:
    """Return the run as people see it. Best on a run of with_steps()."""
    return _view(run, to, Background())


def whole_view(run: Run, *, to: User) -> RunView:
    """Return the same with the reason why each attempt was made, for the run's own page."""
    attempts = [attempt.pk for step in run.steps.all() for attempt in step.attempts.all()]
    events = Event.objects.filter(kind=Attempt.KIND, object_id__in=attempts, verb="created")
    reasons = dict(events.exclude(note="").values_list("object_id", "note"))
    kept = AttemptLog.objects.filter(attempt__in=attempts).values_list("attempt_id", flat=True)
    return _view(run, to, Background(reasons, frozenset(kept)))


def _view(run: Run, to: User | None, background: Background) -> RunView:
    steps = tuple(StepView(step, _attempts_of(step, run), background) for step in run.steps.all())
    request = run.imaging_request.sample.request
    if to is None or not can(to, Action.PROCESS, request):
        return RunView(run, steps)
    why_no_retry = obstacle_to_retry(run) if run.state in RETRIED else ""
    repeat = obstacle_to_repeat(run)
    return RunView(run, steps, may_process=True, why_no_retry=why_no_retry, why_not_again=repeat)


def _attempts_of(step: Step, run: Run) -> tuple[Attempt, ...]:
    """The prefetched attempts, which name their job without asking the database again."""
    step.run = run
    attempts = tuple(step.attempts.all())
    for attempt in attempts:
        attempt.step = step
    return attempts


def latest_run(pipeline: str, imaging_request: ImagingRequest) -> RunView | None:
    """Return the newest run of a pipeline on one sample, with its steps."""
    rows = Run.objects.filter(imaging_request=imaging_request, pipeline=pipeline)
    run = with_steps(rows.select_related("cluster__status")).order_by("-pk").first()
    return overview(run) if run else None
