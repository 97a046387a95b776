"""Begin, cancel and retry runs. The driver does the rest."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

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
from processing_app.choices import Chosen
from processing_app.demands import Needs
from processing_app.models import (
    Attempt,
    Cluster,
    ProcessingRequest,
    Profile,
    Run,
    SitePipeline,
    Step,
)
from processing_app.pipelines import BY_ITSELF, OF_DELIVERIES, READ_BY, PlannedStep
from processing_app.planning import OVER
from processing_app.services import atlases, clusters, products, requests
from processing_app.states import ACTIVE, RunState
from processing_app.wishes import checksums_of
from requests_app.models import Request

DRIVE = "processing_app.tasks.drive_runs"
IMAGED_AGAIN = "Superseded: imaging was completed again, with other values."


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person wants of one run instead of the usual; 0 and None say nothing."""

    cluster: Cluster | None = None
    profile: Profile | None = None
    needs: Needs = field(default_factory=Needs)
    chosen: Chosen = field(default_factory=dict)


def start_runs_of(imaging_request: ImagingRequest, *, by: User | None) -> list[Run]:
    """Begin every pipeline that begins by itself when a sample is imaged.

    What rounds of processing made, or are making, of other values than those that hold now, is
    retired, or made anew.
    """
    products.retire_of_other_values(imaging_request)
    _renew_rounds(imaging_request, by=by)
    own = SitePipeline.objects.filter(is_offered=True, begins_by_itself=True)
    names = [*BY_ITSELF, *(row.key for row in own)]
    begun = (start_run(name, imaging_request, by=by) for name in names)
    return [run for run in begun if run is not None]


def _renew_rounds(imaging_request: ImagingRequest, *, by: User | None) -> None:
    """Let runs of rounds that are at work with other values make place for ones with these.

    What reads the planes of another pipeline is stopped: they have to be made anew before.
    """
    later = {name for readers in READ_BY.values() for name in readers}
    active = Run.objects.filter(imaging_request=imaging_request, state__in=ACTIVE)
    for run in active.exclude(processing_request=None).exclude(active_key=None).order_by("pk"):
        if run.pipeline not in later:
            _renew(run, by=by)
        elif products.is_of_other_values(run, products.values_of(imaging_request)):
            _supersede(run, reason=IMAGED_AGAIN)


def _renew(run: Run, *, by: User | None) -> None:
    wishes = Wishes(run.cluster, run.profile, chosen=plans.chosen_for(run))
    try:
        made = start_run(
            run.pipeline,
            run.imaging_request,
            by=by,
            processing_request=run.processing_request,
            wishes=wishes,
        )
    except NotReady:
        _supersede(run, reason=IMAGED_AGAIN)
        return
    if made is not None:
        requests.follow(made, by=by)  # the round was cancelled with the run that was stopped


def start_run(
    pipeline: str,
    imaging_request: ImagingRequest,
    *,
    by: User | None,
    processing_request: ProcessingRequest | None = None,
    wishes: Wishes | None = None,
) -> Run | None:
    """Plan a run on what one sample delivered, for a round of processing if the pipeline is one.

    The caller may hold a transaction. Returns the active run if it does the same already; one that
    was planned with other values, or is being cancelled, is superseded: it is stopped, and the new
    run waits for that. Returns None where nothing that was delivered can go through the pipeline
    (another layout, no folder entered).
    """
    key = _key(pipeline, imaging_request.pk)
    with transaction.atomic():
        hold(imaging_request.pk)
        atlases.hold_of(processing_request)
        chosen = wishes.chosen if wishes else None
        steps = plans.steps_of(
            pipeline, imaging_request, chosen, processing_request=processing_request
        )
        active = _active(key)
        if active and _does_the_same(active, processing_request) and not _is_being_stopped(active):
            return active
        if active:
            _supersede(active, reason=IMAGED_AGAIN)
        if not steps:
            return None
        place = Place(imaging_request, pipeline, key, processing_request)
        return _create(place, steps, by=by, wishes=wishes)


def run_again(run: Run, wishes: Wishes, *, by: User | None, note: str) -> Run:
    """Plan a new run of the same kind on the same sample, as a person wants it.

    What is at work of the same kind is superseded. The caller holds the transaction and has checked
    that the run may be repeated. Raises NotReady if there is nothing to run (any more).
    """
    key = _key(run.pipeline, run.imaging_request_id)
    atlases.hold_of(run.processing_request)
    steps = plans.steps_of_run(run, wishes.chosen)
    if not steps:
        raise NotReady("Nothing of what was delivered can go through this pipeline.")
    if active := _active(key):
        _supersede(active, reason="Superseded: it is run again with other parameters.")
    place = Place(run.imaging_request, run.pipeline, key, run.processing_request)
    made = _create(place, steps, by=by, wishes=wishes, note=note)
    ring(DRIVE)
    return made


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
        hold(run.imaging_request_id)
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
        products.retire_of_other_data(run)
    # Whoever asked for a check looks at its page, which says so.
    if state == RunState.FAILED and run.pipeline not in OF_DELIVERIES:
        mails.tell_failed(run)
    requests.follow(run, by=by)


def locked(pk: int) -> Run:
    """Return the run with its row locked; SQLite locks by the transaction itself."""
    return Run.objects.select_for_update().get(pk=pk)


def active_attempts(run: Run) -> QuerySet[Attempt]:
    """Return the attempts that are not over."""
    return Attempt.objects.filter(step__run=run).exclude(state__in=OVER)


def is_alone(run: Run) -> bool:
    """Return True if no other run of its place is active, or reads from there.

    One that was superseded stops first.
    """
    beside = (run.pipeline, *READ_BY.get(run.pipeline, ()))
    rows = Run.objects.filter(pipeline__in=beside, imaging_request=run.imaging_request_id)
    return not rows.filter(state__in=ACTIVE).exclude(pk=run.pk).exists()


def _does_the_same(run: Run, processing_request: ProcessingRequest | None) -> bool:
    """What a person chose for the run is no difference: it was chosen for just these values."""
    if run.processing_request != processing_request:
        return False
    return plans.is_planned_so(run, plans.steps_of_run(run, plans.chosen_for(run)))


def _supersede(run: Run, *, reason: str) -> None:
    """Stop the run and take its key away, so that its successor can have it at once."""
    run = locked(run.pk)
    run.active_key = None
    run.save(update_fields=["active_key"])
    if run.state in ACTIVE:
        _stop(run, by=None, reason=reason)


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
    clusters.poll_soon(run.cluster_id)
    if asked:
        record(run, "cancel asked", by=by, note=reason)
    else:
        finish(run, RunState.CANCELLED, by=by, note=reason)


@dataclass(frozen=True, slots=True)
class Place:
    """What a run is of, and the key of which only one run is active."""

    imaging_request: ImagingRequest
    pipeline: str
    key: str
    processing_request: ProcessingRequest | None = None


def _create(
    place: Place,
    steps: Iterable[PlannedStep],
    *,
    by: User | None,
    wishes: Wishes | None = None,
    note: str = "",
) -> Run:
    steps, wishes = list(steps), wishes or Wishes()
    folders = {planned.key: planned.place for planned in steps if planned.place}
    run = Run.objects.create(
        imaging_request=place.imaging_request,
        processing_request=place.processing_request,
        cluster=wishes.cluster or clusters.choose(place.pipeline),
        profile=wishes.profile,
        parameters=_parameters(place, folders, wishes),
        pipeline=place.pipeline,
        pipeline_version=PIPELINE_VERSION,
        code_commit=settings.CODE_COMMIT,
        requested_by=by,
        active_key=place.key,
    )
    asked = {name: amount for name, amount in asdict(wishes.needs).items() if amount}
    Step.objects.bulk_create(
        _step(run, number, planned, asked) for number, planned in enumerate(steps)
    )
    born(run, by=by, note=note)
    return run


def _parameters(place: Place, folders: Mapping[str, object], wishes: Wishes) -> dict[str, object]:
    """Return what of a run is kept beside its steps, as far as there is anything."""
    known: dict[str, object] = {
        "places": folders,
        "choices": dict(wishes.chosen),
        "values": sorted(products.values_of(place.imaging_request)),
        "atlases": checksums_of(place.processing_request),
    }
    return {name: value for name, value in known.items() if value}


def _step(run: Run, position: int, planned: PlannedStep, asked: dict[str, int]) -> Step:
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
        artifact=planned.artifact,
        plane_yx=list(planned.plane_yx or ()),
        tasks=planned.tasks,
        resources={**planned.resources, **asked},
    )


def _key(pipeline: str, imaging_request_id: int) -> str:
    return f"{pipeline}:{imaging_request_id}"


def hold(imaging_request_id: int) -> None:
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
