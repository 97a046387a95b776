"""Which runs there are, and who may see them."""

from datetime import datetime

from django.db.models import Prefetch, QuerySet
from django.http import Http404

from core_app.models import User
from imaging_app.models import ImagingRequest
from processing_app.models import Attempt, Run, Step, StepReport
from processing_app.models.runs import RunQuerySet
from processing_app.pipelines import CHECK
from processing_app.planning import OVER
from processing_app.states import ACTIVE
from requests_app.selectors import visible_requests


def visible_runs(*, to: User) -> RunQuerySet:
    """Return the runs on requests that this person may read, newest first."""
    rows = Run.objects.filter(imaging_request__sample__request__in=visible_requests(to=to))
    return rows.select_related(
        "imaging_request__sample__request__owner", "requested_by", "profile", "cluster__status"
    )


def with_steps(rows: QuerySet[Run]) -> QuerySet[Run]:
    """Add steps and attempts in two queries for all rows."""
    attempts = Prefetch("attempts", queryset=Attempt.objects.order_by("number"))
    steps = Prefetch("steps", queryset=Step.objects.order_by("position").prefetch_related(attempts))
    return rows.prefetch_related(steps)


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
