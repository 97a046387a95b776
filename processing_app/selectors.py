"""Reads of processing. Every one that a page uses takes the person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import Http404
from django.utils import timezone

from core_app.models import User
from core_app.roles import Action, can
from imaging_app.models import ImagingChannel, ImagingRequest
from imaging_app.states import ImagingState
from processing_app.failures import Failure, failure_of
from processing_app.models import Attempt, Product, Run, Step, StepReport
from processing_app.models.runs import RunQuerySet
from processing_app.pipelines import CHECK
from processing_app.planning import OVER
from processing_app.plans import obstacle_to_retry
from processing_app.states import AttemptState, RunState
from requests_app.models import Sample
from requests_app.selectors import visible_requests

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
ACTIVE = (RunState.PLANNED, RunState.RUNNING)
RETRIED = (RunState.FAILED, RunState.CANCELLED)


def visible_runs(*, to: User) -> RunQuerySet:
    """Return the runs on requests that this person may read, newest first."""
    rows = Run.objects.filter(imaging_request__sample__request__in=visible_requests(to=to))
    return rows.select_related("imaging_request__sample__request__owner", "requested_by")


def with_steps(rows: QuerySet[Run]) -> QuerySet[Run]:
    """Add steps and attempts in two queries for all rows."""
    attempts = Prefetch("attempts", queryset=Attempt.objects.order_by("number"))
    steps = Prefetch("steps", queryset=Step.objects.order_by("position").prefetch_related(attempts))
    return rows.prefetch_related(steps)


def channels_with_products(channels: Sequence[ImagingChannel]) -> list[ImagingChannel]:
    """Return those of the channels of which there is any volume."""
    made = set(Product.objects.filter(channel__in=channels).values_list("channel", flat=True))
    return [channel for channel in channels if channel.pk in made]


def active_run_of(imaging_request: ImagingRequest) -> Run | None:
    """Return a run that is planned or at work on this round of imaging."""
    return Run.objects.filter(imaging_request=imaging_request, state__in=ACTIVE).first()


def get_run(pk: int, *, to: User) -> Run:
    """Return the run, or 404 for whoever may not read its request."""
    run = visible_runs(to=to).filter(pk=pk).first()
    if run is None:
        raise Http404("There is no such run, or it is not yours to see.")
    return run


def reports_to_take_in() -> QuerySet[StepReport]:
    """Return what steps found out that nobody has taken in, in the order in which it was found."""
    rows = StepReport.objects.filter(taken_in_at=None).order_by("pk")
    return rows.select_related(
        "attempt__step__run__imaging_request__sample__request",
        "attempt__step__run__requested_by",
    )


def is_being_checked(imaging_request: ImagingRequest) -> bool:
    """Return True while a check of the sample's raw data is at work, or not taken in yet."""
    rows = Run.objects.filter(imaging_request=imaging_request, pipeline=CHECK)
    if rows.filter(state__in=ACTIVE).exists():
        return True
    return StepReport.objects.filter(
        attempt__step__run__in=rows.values("pk"), taken_in_at=None
    ).exists()


def due_attempts(*, at: datetime) -> QuerySet[Attempt]:
    """Return the attempts that a driver would take up at this moment."""
    rows = Attempt.objects.filter(next_look_at__lte=at, leased_until__lte=at)
    return rows.exclude(state__in=OVER)


def current_products() -> QuerySet[Product]:
    """Return the products that show what was imaged last: of finished imaging, by its newest run.

    While imaging is open again, or a newer run has not made them anew, products are out of date;
    those that the newest acquisition does not have are retired for good.
    """
    newer = Run.objects.filter(
        pipeline=OuterRef("step__run__pipeline"),
        imaging_request=OuterRef("step__run__imaging_request"),
        pk__gt=OuterRef("step__run"),
    )
    finished = Q(step__run__imaging_request__state=ImagingState.COMPLETE)
    return Product.objects.filter(finished, ~Exists(newer), retired_at=None)


def products_of(imaging_request: ImagingRequest) -> int:
    """Return how many volumes were made of one sample's round, up to date or not."""
    made = Product.objects.filter(channel__resolution__imaging_request=imaging_request)
    return made.filter(retired_at=None).count()


def is_current(product: Product) -> bool:
    """Return False for a product that is out of date or retired."""
    return current_products().filter(pk=product.pk).exists()


@dataclass(frozen=True, slots=True)
class StepView:
    """One step as people see it: its state is that of its latest attempt."""

    step: Step
    attempts: Sequence[Attempt]

    @property
    def latest(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

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


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its steps, and what this person may do with it."""

    run: Run
    steps: Sequence[StepView]
    may_process: bool = False
    why_no_retry: str = ""

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
    def attempts_to_show(self) -> list[Attempt]:
        """Return every attempt, the newest first."""
        attempts = [attempt for step in self.steps for attempt in step.attempts]
        return sorted(attempts, key=lambda attempt: attempt.pk, reverse=True)

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
    def percent(self) -> int:
        """Return the overall progress in percent, each step counting the same."""
        return int(100 * sum(step.fraction for step in self.steps) / max(len(self.steps), 1))

    @property
    def done(self) -> int:
        return sum(step.state == A.SUCCEEDED for step in self.steps)

    @property
    def troubles(self) -> list[str]:
        """Return why it waits, where the cluster is silent or contradicts itself."""
        latest = [step.latest for step in self.steps if step.latest]
        return sorted({attempt.trouble for attempt in latest if attempt.trouble})


def overview(run: Run, *, to: User | None = None) -> RunView:
    """Return the run as people see it. Best on a run of with_steps()."""
    steps = tuple(StepView(step, _attempts_of(step, run)) for step in run.steps.all())
    request = run.imaging_request.sample.request
    may_process = to is not None and can(to, Action.PROCESS, request)
    asks = may_process and run.state in RETRIED
    return RunView(run, steps, may_process, obstacle_to_retry(run) if asks else "")


def _attempts_of(step: Step, run: Run) -> tuple[Attempt, ...]:
    """The prefetched attempts, which name their job without asking the database again."""
    step.run = run
    attempts = tuple(step.attempts.all())
    for attempt in attempts:
        attempt.step = step
    return attempts


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


def latest_run(pipeline: str, imaging_request: ImagingRequest) -> RunView | None:
    """Return the newest run of a pipeline on one sample, with its steps."""
    rows = with_steps(Run.objects.filter(imaging_request=imaging_request, pipeline=pipeline))
    run = rows.order_by("-pk").first()
    return overview(run) if run else None
