"""Rounds of processing that were asked for: opened here, moved along by their runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Max

from core_app.changes import changed, removed
from core_app.errors import NotAllowed, NotReady, Taken
from core_app.models import Event, User
from core_app.roles import Action, can
from core_app.transitions import advance, advance_many, born, born_many
from imaging_app.models import ImagingChannel, ImagingRequest, ImagingResolution, Objective
from imaging_app.services.rounds import Asked
from imaging_app.states import ImagingState
from processing_app import mails
from processing_app.models import Atlas, ProcessingRequest, ProcessingResolution, Run
from processing_app.pipelines import STARTED
from processing_app.states import ACTIVE, ProcessingState, RunState
from requests_app.models import Request
from requests_app.plans import ResolutionPlan

IMAGES_FIT = "an objective was chosen whose images can be processed"
IMAGES_UNFIT = "no objective is left whose images can be processed"
NOT_WANTED = "Not wanted: "
# What a new row takes over from the one beside it.
AS_WANTED = ("atlas", "final_orientation", "notes_for_processor")

Keys = Mapping[int, dict[str, object]]


def processing_pipeline_for(objective: Objective) -> str | None:
    """Return the pipeline of this installation that processes images of the objective, or None.

    An objective names the pipelines it is fit for; one is offered here only once its steps exist.
    The raw pipeline is none of them: it runs for every delivery, without being asked for.
    """
    return next((STARTED[name] for name in objective.pipelines if name in STARTED), None)


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


def follow_imaging(imaging_request: ImagingRequest, *, by: User) -> str:
    """Bring the first round of processing into line with what is imaged now; say what became of it.

    The caller holds the transaction and the sample. A round is cancelled with the last objective
    whose images can be processed, and opened (again) with the first. One that was begun stays.
    """
    channels = ImagingChannel.objects.filter(resolution__imaging_request=imaging_request)
    rows = channels.select_related("resolution__objective")
    places = {
        (c.resolution_id, c.ventral_up) for c in rows if is_processable(c.resolution.objective)
    }
    first = _hold_first(imaging_request)
    if first is None:
        return _open_late(imaging_request, places, by=by)
    if first.state not in {ProcessingState.WAITING, ProcessingState.CANCELLED}:
        return ""
    if first.runs.exists():
        return ""
    said = _open_or_cancel(first, is_wanted=bool(places), by=by)
    if places:
        _match_places(first, places)
    return said


def _hold_first(imaging_request: ImagingRequest) -> ProcessingRequest | None:
    rows = ProcessingRequest.objects.select_for_update().filter(imaging_request=imaging_request)
    return rows.filter(number=1).first()


def _open_late(imaging_request: ImagingRequest, places: set[tuple[int, bool]], *, by: User) -> str:
    """Open the round that nobody needed when the request was submitted."""
    if not places:
        return ""
    opened = ProcessingRequest.objects.create(
        imaging_request=imaging_request, processor=imaging_request.sample.request.owner
    )
    born(opened, by=by, note=IMAGES_FIT)
    _match_places(opened, places)
    return "processing waits for the images now"


def _open_or_cancel(first: ProcessingRequest, *, is_wanted: bool, by: User) -> str:
    if is_wanted and first.state == ProcessingState.CANCELLED and not _is_not_wanted(first):
        advance(first, ProcessingState.WAITING, by=by, note=IMAGES_FIT)
        return "processing waits for the images again"
    if not is_wanted and first.state == ProcessingState.WAITING:
        advance(first, ProcessingState.CANCELLED, by=by, note=IMAGES_UNFIT)
        return "its processing is cancelled, because no image of it can be processed"
    return ""


def _is_not_wanted(first: ProcessingRequest) -> bool:
    """Return True if a person said so; then it is not opened again by what is imaged."""
    last = Event.objects.filter(kind=first.KIND, object_id=first.pk, to=first.state).last()
    return last is not None and last.note.startswith(NOT_WANTED)


def _match_places(opened: ProcessingRequest, places: set[tuple[int, bool]]) -> None:
    """Give the round one row for each place; a new one is wanted as the dorsal one beside it."""
    rows = {(r.resolution_id, r.ventral_up): r for r in opened.resolutions.order_by("ventral_up")}
    for place in sorted(places - set(rows)):
        like = rows.get((place[0], not place[1])) or next(iter(rows.values()), None)
        made = ProcessingResolution.objects.create(
            processing_request=opened,
            resolution_id=place[0],
            ventral_up=place[1],
            **({name: getattr(like, name) for name in AS_WANTED} if like else {}),
        )
        changed(made)
    gone = [row for place, row in rows.items() if place not in places]
    for row in gone:
        removed(row, _key_of(row))
    ProcessingResolution.objects.filter(pk__in=[row.pk for row in gone]).delete()


def keys_of(imaging_request: ImagingRequest) -> Keys:
    """Return {row id: its natural key} of what is wanted of processing of one sample's round."""
    rows = ProcessingResolution.objects.filter(processing_request__imaging_request=imaging_request)
    named = "processing_request__imaging_request__sample__request__owner"
    return {row.pk: _key_of(row) for row in rows.select_related(named, "resolution__objective")}


def tell_renamed(before: Keys) -> None:
    """Tell the mirror which rows have another key now that another objective is used."""
    for row in ProcessingResolution.objects.filter(pk__in=before):
        removed(row, before[row.pk])
        changed(row)


def _key_of(row: ProcessingResolution) -> dict[str, object]:
    """Return the natural key under which the mirror knows it."""
    imaging_request = row.processing_request.imaging_request
    return {
        "username": imaging_request.sample.request.owner.username,
        "request_name": imaging_request.sample.request.name,
        "sample_name": imaging_request.sample.name,
        "imaging_request_number": imaging_request.number,
        "processing_request_number": row.processing_request.number,
        "image_resolution": row.resolution.objective.name,
        "ventral_up": row.ventral_up,
    }


@dataclass(frozen=True, slots=True)
class PlaceWish:
    """What is wanted of one objective and side in another round."""

    atlas: Atlas | None = None
    final_orientation: str = ImagingChannel.Orientation.SAGITTAL
    notes: str = ""


# By objective (the id of its row in the round of imaging) and side.
PlaceWishes = Mapping[tuple[int, bool], PlaceWish]


def open_processing_request(
    imaging_request: ImagingRequest,
    *,
    by: User,
    atlas: Atlas | None = None,
    wishes: PlaceWishes | None = None,
) -> ProcessingRequest:
    """Ask for another round of processing of finished imaging.

    `atlas` is that of every objective which `wishes` do not speak of. Raises NotAllowed, NotReady
    (imaging is not finished, or no pipeline takes such images) and Taken if somebody else asked at
    the same moment.
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
            return _open(imaging_request, wanted, wishes or {}, by=by, otherwise=PlaceWish(atlas))
    except IntegrityError:
        raise Taken(
            "Somebody else asked for processing at the same moment. Reload the page."
        ) from None


def follow(run: Run, *, by: User | None) -> None:
    """Move the round of processing that a run belongs to along with its runs, if it has one."""
    if run.processing_request_id is None:
        return
    request = ProcessingRequest.objects.select_for_update().get(pk=run.processing_request_id)
    wanted = _together(newest_runs(request))
    if wanted != request.state and request.TABLE.allows(request.state, wanted):
        advance(request, wanted, by=by)
        if wanted == ProcessingState.COMPLETE:
            mails.tell_processed(request)


def newest_runs(request: ProcessingRequest) -> list[Run]:
    """Return the run that counts of each pipeline of a round."""
    newest: dict[str, Run] = {}
    for run in request.runs.order_by("pk"):
        newest[run.pipeline] = run
    return list(newest.values())


def _together(runs: Sequence[Run]) -> str:
    """Return the state of a round whose runs are these: it is as well as the worst of them."""
    states = {RunState(run.state) for run in runs}
    if not states.isdisjoint(ACTIVE):
        return ProcessingState.RUNNING
    if RunState.FAILED in states:
        return ProcessingState.FAILED
    done = states == {RunState.SUCCEEDED}
    return ProcessingState.COMPLETE if done else ProcessingState.CANCELLED


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
    wishes: PlaceWishes,
    *,
    by: User,
    otherwise: PlaceWish,
) -> ProcessingRequest:
    last = imaging_request.processing_requests.aggregate(last=Max("number"))["last"] or 0
    opened = ProcessingRequest.objects.create(imaging_request=imaging_request, number=last + 1)
    rows = ProcessingResolution.objects.bulk_create(
        _row(opened, resolution, side, wishes.get((resolution.pk, side), otherwise))
        for resolution in wanted
        for side in sorted(set(resolution.channels.values_list("ventral_up", flat=True)))
    )
    born(opened, by=by)
    changed(*rows)
    return opened


def _row(
    opened: ProcessingRequest,
    resolution: ImagingResolution,
    ventral_up: bool,  # noqa: FBT001  # the side, as the row has it
    wish: PlaceWish,
) -> ProcessingResolution:
    return ProcessingResolution(
        processing_request=opened,
        resolution=resolution,
        ventral_up=ventral_up,
        atlas=wish.atlas,
        final_orientation=wish.final_orientation,
        notes_for_processor=wish.notes.strip(),
    )
