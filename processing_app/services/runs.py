"""Begin, cancel and retry runs. The driver does the rest."""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from core_app.bell import ring
from core_app.errors import NotAllowed, NotReady
from core_app.models import User
from core_app.roles import Action, actions_on
from core_app.transitions import advance, born, record
from imaging_app.models import ImagingRequest
from pipeline.contract import PIPELINE_VERSION
from processing_app import mails, plans
from processing_app.models import Attempt, Run, Step
from processing_app.pipelines import BY_ITSELF, OF_DELIVERIES, PlannedStep
from processing_app.planning import OVER
from processing_app.services import products, requests
from processing_app.states import RunState
from requests_app.models import Request

DRIVE = "processing_app.tasks.drive_runs"
ACTIVE = (RunState.PLANNED, RunState.RUNNING)


def start_runs_of(imaging_request: ImagingRequest, *, by: User | None) -> list[Run]:
    """Begin every pipeline that begins by itself when a sample is imaged."""
    begun = (start_run(name, imaging_request, by=by) for name in BY_ITSELF)
    return [run for run in begun if run is not None]


def start_run(pipeline: str, imaging_request: ImagingRequest, *, by: User | None) -> Run | None:
    """Plan a run on what one sample delivered.

    The caller may hold a transaction. Returns the active run if it does the same already; one that
    was planned with other values, or is being cancelled, is superseded: it is stopped, and the new
    run waits for that. Returns None where nothing that was delivered can go through the pipeline
    (another layout, no folder entered).
    """
    key = _key(pipeline, imaging_request.pk)
    with transaction.atomic():
        _hold(imaging_request.pk)
        steps = plans.steps_of(pipeline, imaging_request)
        active = _active(key)
        if active and plans.is_planned_so(active, steps) and not _is_being_stopped(active):
            return active
        if active:
            _supersede(active)
        return _create(imaging_request, pipeline, key, steps, by=by) if steps else None


def stop_looking(imaging_request: ImagingRequest, *, by: User | None, reason: str) -> None:
    """Stop the checks of a sample's raw data that are at work; nobody waits for them any more."""
    rows = Run.objects.filter(
        imaging_request=imaging_request, pipeline__in=OF_DELIVERIES, state__in=ACTIVE
    )
    with transaction.atomic():
        for pk in list(rows.order_by("pk").values_list("pk", flat=True)):
            run = locked(pk)
            if run.state in ACTIVE:
                _stop(run, by=by, reason=reason)


def cancel_run(run: Run, *, by: User | None, reason: str = "") -> None:
    """Stop a run. Jobs at work are asked to stop first; the run is cancelled once they have.

    A failed run is set aside, with a reason: it no longer keeps its request open.
    """
    _require_right(run, by)
    with transaction.atomic():
        run = locked(run.pk)
        if run.state == RunState.FAILED:
            _set_aside(run, by=by, reason=reason)
            return
        if run.state not in ACTIVE:
            raise NotReady(f"{run} is {_word(run)}, so there is nothing to cancel.")
        _stop(run, by=by, reason=reason)
        ring(DRIVE)


def retry_run(run: Run, *, by: User | None) -> None:
    """Go on with a failed or cancelled run: what succeeded is kept, the rest is tried afresh.

    Only the newest run of its kind, as long as it would be planned the same now. The request may be
    closed; the workflow of the same name opens it again.
    """
    _require_right(run, by)
    with transaction.atomic():
        _hold(run.imaging_request_id)
        # It may be withdrawn or closed at this moment.
        Request.objects.select_for_update().get(pk=run.root_id)
        run = locked(run.pk)
        if run.state not in {RunState.FAILED, RunState.CANCELLED}:
            raise NotReady(f"{run} is {_word(run)}. Only a failed or cancelled run can be retried.")
        obstacle = plans.obstacle_to_retry(run)
        if obstacle:
            raise NotReady(obstacle)
        run.active_key, run.finished_at = _key(run.pipeline, run.imaging_request_id), None
        # What was wrong may have been the version, and somebody has deployed since.
        run.pipeline_version = PIPELINE_VERSION
        run.save(update_fields=["active_key", "finished_at", "pipeline_version"])
        advance(run, RunState.RUNNING, by=by, note="retried")
        requests.follow(run, by=by)
        ring(DRIVE)


def cancel_runs_of(request: Request, *, by: User | None, reason: str = "") -> int:
    """Stop every active run of a withdrawn request, and close its rounds; return how many runs.

    The caller has checked that this person may withdraw the request.
    """
    active = Run.objects.filter(imaging_request__sample__request=request, state__in=ACTIVE)
    with transaction.atomic():
        found = [locked(pk) for pk in active.order_by("pk").values_list("pk", flat=True)]
        # One may have ended while its row was waited for.
        stopped = [run for run in found if run.state in ACTIVE]
        for run in stopped:
            _stop(run, by=by, reason=reason)
        requests.cancel_open(request, by=by, note=reason)
    return len(stopped)


def begin(run: Run) -> None:
    """Mark a planned run as running. The caller holds the transaction."""
    advance(run, RunState.RUNNING, by=None)
    requests.follow(run, by=None)


def finish(run: Run, state: str, *, by: User | None, note: str = "") -> None:
    """End a run and free its place for another. The caller holds the transaction.

    Success retires what only earlier runs have made.
    """
    advance(run, state, by=by, note=note)
    run.finished_at, run.active_key = run.state_since, None
    run.save(update_fields=["finished_at", "active_key"])
    if state == RunState.SUCCEEDED:
        products.retire_left_over(run)
    # Whoever asked for a check looks at its page, which says so.
    if state == RunState.FAILED and run.pipeline not in OF_DELIVERIES:
        mails.tell_failed(run)
    requests.follow(run, by=by)


def add_attempt(step: Step, *, number: int, not_before: datetime) -> Attempt:
    """Make the next attempt at a step. The caller holds the run's lock."""
    attempt = Attempt.objects.create(step=step, number=number, next_look_at=not_before)
    born(attempt, by=None)
    return attempt


def locked(pk: int) -> Run:
    """Return the run with its row locked; SQLite locks by the transaction itself."""
    return Run.objects.select_for_update().get(pk=pk)


def active_attempts(run: Run) -> QuerySet[Attempt]:
    """Return the attempts that are not over."""
    return Attempt.objects.filter(step__run=run).exclude(state__in=OVER)


def is_alone(run: Run) -> bool:
    """Return True if no other run of its place is active; one that was superseded stops first."""
    rows = Run.objects.filter(pipeline=run.pipeline, imaging_request=run.imaging_request_id)
    return not rows.filter(state__in=ACTIVE).exclude(pk=run.pk).exists()


def _supersede(run: Run) -> None:
    """Stop the run and take its key away, so that its successor can have it at once."""
    run = locked(run.pk)
    run.active_key = None
    run.save(update_fields=["active_key"])
    if run.state in ACTIVE:
        _stop(run, by=None, reason="Superseded: imaging was completed again, with other values.")


def _set_aside(run: Run, *, by: User | None, reason: str) -> None:
    if not reason.strip():
        raise NotReady(f"Say why {run} is set aside; do it on its page, which asks for a reason.")
    finish(run, RunState.CANCELLED, by=by, note=reason.strip())


def _is_being_stopped(run: Run) -> bool:
    asked = Attempt.objects.filter(step__run=run, created_at__gte=run.state_since)
    return asked.exclude(cancel_requested_at=None).exists()


def _stop(run: Run, *, by: User | None, reason: str) -> None:
    now = timezone.now()
    asked = active_attempts(run).update(cancel_requested_at=now, next_look_at=now)
    if asked:
        record(run, "cancel asked", by=by, note=reason)
    else:
        finish(run, RunState.CANCELLED, by=by, note=reason)


def _create(
    imaging_request: ImagingRequest,
    pipeline: str,
    key: str,
    steps: Iterable[PlannedStep],
    *,
    by: User | None,
) -> Run:
    steps = list(steps)
    places = {planned.key: planned.place for planned in steps if planned.place}
    run = Run.objects.create(
        imaging_request=imaging_request,
        parameters={"places": places} if places else {},
        pipeline=pipeline,
        pipeline_version=PIPELINE_VERSION,
        code_commit=settings.CODE_COMMIT,
        requested_by=by,
        active_key=key,
    )
    Step.objects.bulk_create(_step(run, number, planned) for number, planned in enumerate(steps))
    born(run, by=by)
    return run


def _step(run: Run, position: int, planned: PlannedStep) -> Step:
    return Step(
        run=run,
        position=position,
        key=planned.key,
        name=planned.name,
        label=planned.label,
        needs=list(planned.needs),
        inputs=planned.inputs,
        parameters=planned.parameters,
        outputs=planned.outputs,
        product=planned.product,
    )


def _key(pipeline: str, imaging_request_id: int) -> str:
    return f"{pipeline}:{imaging_request_id}"


def _hold(imaging_request_id: int) -> None:
    """Lock the row, so that runs of one imaging request are begun one after the other."""
    ImagingRequest.objects.select_for_update().get(pk=imaging_request_id)


def _active(key: str) -> Run | None:
    return Run.objects.filter(active_key=key).first()


def _require_right(run: Run, by: User | None) -> None:
    """The system itself (None) may do anything; people need the right to process, or to image."""
    if by is None:
        return
    allowed = actions_on(by, run.imaging_request.sample.request)
    if Action.PROCESS in allowed or (run.pipeline in OF_DELIVERIES and Action.IMAGE in allowed):
        return
    raise NotAllowed("Only processing staff may cancel or retry runs.")


def _word(run: Run) -> str:
    return RunState(run.state).label.lower()
