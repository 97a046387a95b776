"""Start what was asked for: one round of processing of one sample."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from core_app.bell import ring
from core_app.changes import changed
from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import User
from core_app.roles import Action, can
from core_app.transitions import advance, record
from imaging_app.models import ImagingChannel
from imaging_app.states import ImagingState
from processing_app import selectors
from processing_app.models import Atlas, ProcessingRequest, ProcessingResolution, Run
from processing_app.pipelines import CORRECTION
from processing_app.services import requests, runs
from processing_app.services.runs import Wishes
from processing_app.states import ACTIVE, ProcessingState
from requests_app.models import Request
from requests_app.services.corrections import require_nothing_unseen, write_corrections
from requests_app.states import RequestState

STARTABLE = frozenset({ProcessingState.WAITING, ProcessingState.FAILED, ProcessingState.CANCELLED})
LONGEST_NOTES = 1024
OF_PLACE = frozenset({"atlas", "final_orientation", "notes_from_processing"})
OPEN_REQUEST = frozenset({RequestState.SUBMITTED, RequestState.CLOSED})


@dataclass(frozen=True, slots=True)
class Entry:
    """What the processor enters for one objective and side."""

    place: ProcessingResolution
    atlas: Atlas | None
    final_orientation: str
    notes: str = ""


def start(
    processing_request: ProcessingRequest,
    entries: Sequence[Entry],
    *,
    by: User,
    wishes: Wishes | None = None,
    seen: int | None = None,
) -> list[Run]:
    """Keep what was entered and begin the runs of the round, with these choices if there are any.

    `seen` is the newest event of the round that the person saw. Raises NotAllowed, NotReady (it is
    at work, imaging is open, another round of the sample is at work, an atlas is not installed),
    StaleState (a colleague changed it since) and Invalid with the fields of the form.
    """
    if not can(by, Action.START_PROCESSING, processing_request.imaging_request.sample.request):
        raise NotAllowed("Only the owner and processing staff may start processing.")
    with transaction.atomic():
        runs.hold(processing_request.imaging_request_id)
        Request.objects.select_for_update().get(pk=processing_request.root_id)
        held = ProcessingRequest.objects.select_for_update().get(pk=processing_request.pk)
        if obstacle := obstacle_to_start(held):
            require_nothing_unseen(held, seen)
            raise NotReady(obstacle)
        _keep(held, entries, by=by, seen=seen)
        begun = _begin(held, wishes, by=by)
        if held.processor is None:
            ProcessingRequest.objects.filter(pk=held.pk).update(processor=by)
        advance(held, ProcessingState.RUNNING, by=by)
        ring(runs.DRIVE)
    return begun


def keep(
    processing_request: ProcessingRequest,
    entries: Sequence[Entry],
    *,
    by: User,
    seen: int | None = None,
) -> None:
    """Keep what was entered without starting anything.

    `seen` as for `start`. Raises NotAllowed, NotReady, StaleState and Invalid.
    """
    if not can(by, Action.START_PROCESSING, processing_request.imaging_request.sample.request):
        raise NotAllowed("Only the owner and processing staff say how it is processed.")
    with transaction.atomic():
        held = ProcessingRequest.objects.select_for_update().get(pk=processing_request.pk)
        if held.state not in STARTABLE:
            require_nothing_unseen(held, seen)
            raise NotReady(f"It is {held.get_state_display().lower()}, so nothing is changed.")
        _keep(held, entries, by=by, seen=seen)


def obstacle_to_start(processing_request: ProcessingRequest) -> str:
    """Return why the round cannot be started, in words for people; empty if it can."""
    imaging_request = processing_request.imaging_request
    if processing_request.state not in STARTABLE:
        return f"It is {processing_request.get_state_display().lower()}."
    if imaging_request.sample.request.state not in OPEN_REQUEST:
        return "The request is not open, so nothing of it is processed."
    if imaging_request.state != ImagingState.COMPLETE:
        return "Imaging of this sample is not complete."
    if not pipelines_of(processing_request):
        return "No pipeline of this installation processes images of these objectives."
    at_work = Run.objects.filter(
        imaging_request=imaging_request, state__in=ACTIVE,
        pipeline__in=pipelines_of(processing_request),
    )  # fmt: skip
    other = at_work.first()
    if other is not None:
        return f"{other} of the same images is at work. Wait for it, or cancel it on its page."
    return _obstacle_to_correction(processing_request)


def _obstacle_to_correction(processing_request: ProcessingRequest) -> str:
    """Correction reads what stitching has made, channel by channel."""
    if CORRECTION not in pipelines_of(processing_request):
        return ""
    left = selectors.unstitched(processing_request.imaging_request)
    if not left:
        return ""
    names = ", ".join(f"{one.resolution.objective.name} {one.wavelength.name}" for one in left)
    return f"Not stitched yet: {names}. Start when the stitching of every channel has succeeded."


def pipelines_of(processing_request: ProcessingRequest) -> list[str]:
    """Return the pipelines that the objectives of a round need, each once."""
    rows = processing_request.resolutions.select_related("resolution__objective")
    found = [requests.processing_pipeline_for(row.resolution.objective) for row in rows]
    return list(dict.fromkeys(name for name in found if name is not None))


def _keep(
    processing_request: ProcessingRequest, entries: Sequence[Entry], *, by: User, seen: int | None
) -> None:
    """Write what differs, and say so in the history; the same again is no news."""
    rows = processing_request.resolutions.select_related("resolution__objective")
    places = {row.pk: row for row in rows}
    said = []
    for entry in entries:
        row = places.get(entry.place.pk)
        if row is None:
            raise Invalid("Something was entered for images that are not of this round.")
        if entry.final_orientation not in ImagingChannel.Orientation.values:
            raise Invalid("Choose an orientation.", fields={"final_orientation": ["Choose one."]})
        if len(entry.notes.strip()) > LONGEST_NOTES:
            raise Invalid("The notes are too long.", fields={"notes": ["Shorten them."]})
        if different := write_corrections(row, _values(entry), OF_PLACE):
            changed(row)
            side = ", ventral side up" if row.ventral_up else ""
            said.append(f"{row.resolution.objective.name}{side}: {different}")
    if said:
        require_nothing_unseen(processing_request, seen)
        record(processing_request, "entry changed", by=by, note="; ".join(said))


def _values(entry: Entry) -> dict[str, object]:
    return {
        "atlas": entry.atlas,
        "final_orientation": entry.final_orientation,
        "notes_from_processing": entry.notes.strip(),
    }


def _begin(processing_request: ProcessingRequest, wishes: Wishes | None, *, by: User) -> list[Run]:
    begun = [
        runs.start_run(
            name,
            processing_request.imaging_request,
            by=by,
            processing_request=processing_request,
            wishes=wishes,
        )
        for name in pipelines_of(processing_request)
    ]
    found = [run for run in begun if run is not None]
    if not found:
        raise NotReady("Nothing of what was delivered can go through the pipeline.")
    return found
