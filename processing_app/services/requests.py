"""Rounds of processing that were asked for: opened here, moved along by their runs."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import Max

from core_app.changes import changed
from core_app.errors import NotAllowed, NotReady, Taken
from core_app.models import User
from core_app.roles import Action, can
from core_app.transitions import advance, advance_many, born, born_many
from imaging_app.models import ImagingRequest, ImagingResolution, Objective
from imaging_app.services.rounds import Asked
from imaging_app.states import ImagingState
from processing_app.models import Atlas, ProcessingRequest, ProcessingResolution, Run
from processing_app.states import ProcessingState, RunState
from requests_app.models import Request
from requests_app.plans import ResolutionPlan

_OF_RUN = {
    RunState.RUNNING: ProcessingState.RUNNING,
    RunState.SUCCEEDED: ProcessingState.COMPLETE,
    RunState.FAILED: ProcessingState.FAILED,
    RunState.CANCELLED: ProcessingState.CANCELLED,
}


def processing_pipeline_for(objective: Objective) -> str | None:
    """Return the pipeline of this installation that processes images of the objective, or None.

    An objective names the pipelines it is fit for; one is offered here only once its steps exist.
    The raw pipeline is none of them: it runs for every delivery, without being asked for.
    """
    return None


def is_processable(objective: Objective) -> bool:
    """Return True if images of the objective are fit for a pipeline, installed here or not."""
    return bool(objective.pipelines)


def open_first_rounds(
    asked: Sequence[Asked], *, processor: User, by: User
) -> list[ProcessingRequest]:
    """Keep what a new request wants of processing: atlas, orientation and notes per objective.

    The caller holds the transaction. Samples whose images are only looked at get no round.
    """
    wanting = [(each, pairs) for each in asked if (pairs := _processable(each))]
    rounds = ProcessingRequest.objects.bulk_create(
        ProcessingRequest(imaging_request=each.request, processor=processor) for each, _ in wanting
    )
    born_many(rounds, by=by)
    atlases = {atlas.name: atlas for atlas in Atlas.objects.all()}
    resolutions = ProcessingResolution.objects.bulk_create(
        ProcessingResolution(
            processing_request=opened,
            resolution=resolution,
            atlas=atlases.get(plan.atlas),
            final_orientation=plan.final_orientation,
            notes_for_processor=plan.notes_for_processor,
        )
        for opened, (_, pairs) in zip(rounds, wanting, strict=True)
        for resolution, plan in pairs
    )
    changed(*resolutions)
    return rounds


def _processable(asked: Asked) -> list[tuple[ImagingResolution, ResolutionPlan]]:
    pairs = zip(asked.resolutions, asked.plan.resolutions, strict=True)
    return [(row, plan) for row, plan in pairs if is_processable(row.objective)]


def open_processing_request(
    imaging_request: ImagingRequest, *, by: User, atlas: Atlas | None = None
) -> ProcessingRequest:
    """Ask for another round of processing of finished imaging.

    Raises NotAllowed, NotReady (imaging is not finished, or no pipeline takes such images) and
    Taken if somebody else asked at the same moment.
    """
    if not can(by, Action.START_PROCESSING, imaging_request.sample.request):
        raise NotAllowed("Only the owner and processing staff may ask for processing.")
    if imaging_request.state != ImagingState.COMPLETE:
        raise NotReady("Imaging of this sample is not finished yet.")
    wanted = [r for r in imaging_request.resolutions.select_related("objective") if _takes(r)]
    if not wanted:
        raise NotReady("No pipeline of this installation processes images of these objectives.")
    try:
        with transaction.atomic():
            return _open(imaging_request, wanted, by=by, atlas=atlas)
    except IntegrityError:
        raise Taken(
            "Somebody else asked for processing at the same moment. Reload the page."
        ) from None


def follow(run: Run, *, by: User | None) -> None:
    """Move the round of processing that a run belongs to along with the run, if it has one."""
    request = run.processing_request
    wanted = _OF_RUN.get(RunState(run.state))
    if request is not None and wanted is not None and request.TABLE.allows(request.state, wanted):
        advance(request, wanted, by=by)


def cancel_open(request: Request, *, by: User | None, note: str = "") -> None:
    """Cancel the rounds of a withdrawn request that no run has begun."""
    waiting = ProcessingRequest.objects.filter(
        imaging_request__sample__request=request, state=ProcessingState.WAITING
    )
    advance_many(waiting, ProcessingState.CANCELLED, by=by, note=note)


def has_open_rounds(request: Request) -> bool:
    """Return True if a round of the request is at work, failed, or waits for what can be done here.

    What waits for a pipeline that this installation lacks, or for images that nobody takes, keeps
    no request open.
    """
    rows = ProcessingRequest.objects.filter(imaging_request__sample__request=request)
    if rows.filter(state__in=[ProcessingState.RUNNING, ProcessingState.FAILED]).exists():
        return True
    over = [ImagingState.SKIPPED, ImagingState.CANCELLED]
    waiting = rows.filter(state=ProcessingState.WAITING).exclude(imaging_request__state__in=over)
    wanted = ProcessingResolution.objects.filter(processing_request__in=waiting)
    objectives = Objective.objects.filter(pk__in=wanted.values("resolution__objective"))
    return any(processing_pipeline_for(objective) is not None for objective in objectives)


def _takes(resolution: ImagingResolution) -> bool:
    return processing_pipeline_for(resolution.objective) is not None


def _open(
    imaging_request: ImagingRequest,
    wanted: list[ImagingResolution],
    *,
    by: User,
    atlas: Atlas | None,
) -> ProcessingRequest:
    last = imaging_request.processing_requests.aggregate(last=Max("number"))["last"] or 0
    opened = ProcessingRequest.objects.create(imaging_request=imaging_request, number=last + 1)
    for resolution in wanted:
        sides = resolution.channels.values_list("ventral_up", flat=True).distinct()
        ProcessingResolution.objects.bulk_create(
            ProcessingResolution(
                processing_request=opened, resolution=resolution, ventral_up=side, atlas=atlas
            )
            for side in sorted(sides)
        )
    born(opened, by=by)
    return opened
