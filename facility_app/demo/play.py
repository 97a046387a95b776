"""The play: researcher, clearer and imager do their parts through the same services as the pages.

Each scene first looks whether it has been played, so that the demo can be run again after anything.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from shutil import which

from django.conf import settings
from django.utils import timezone

from core_app.errors import NotReady
from core_app.models import User
from facility_app.demo import raw
from facility_app.people import DEMO_LAB
from imaging_app import selectors as imaging_reads
from imaging_app import workflows as imaging_work
from imaging_app.models import ImagingChannel, ImagingRequest, Objective
from imaging_app.services import imaging
from imaging_app.services.channels import Acquisition, set_channels
from imaging_app.states import ImagingState
from processing_app import workflows as processing_work
from processing_app.choices import REGISTRATION
from processing_app.models import Atlas, Attempt, ProcessingRequest, Run
from processing_app.services import processing
from processing_app.services.runs import Wishes
from processing_app.states import ACTIVE, ProcessingState
from requests_app import selectors as request_reads
from requests_app import workflows as request_work
from requests_app.models import ClearingBatch, Request
from requests_app.plans import ChannelPlan, RequestPlan, ResolutionPlan, SamplePlan
from requests_app.selectors.handoffs import next_open_day
from requests_app.services import clearing, requests
from requests_app.states import ClearingState

PROTOCOL = "iDISCO abbreviated clearing"
RAW_FOLDER = "demo_brain"
PHANTOM_ATLAS = "phantom"
TURN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far one step of the run is, for a progress bar."""

    key: str
    label: str
    state: str
    done: int
    total: int


def submit(people: Mapping[str, User], data: raw.DemoData) -> Request:
    """The researcher asks for one brain to be cleared and imaged."""
    owner, name = people["researcher"], _name(data)
    key = name.replace(" ", "_").casefold()
    existing = Request.objects.filter(owner=owner, name_key=key).first()
    if existing is not None:
        _require_same(existing, data)
        return existing
    draft = requests.create_draft(owner=owner, by=owner)
    return request_work.submit_request(
        draft, _plan(name, owner, data, raw.objective_for(data)), by=owner
    )


def _name(data: raw.DemoData) -> str:
    """A play on another kind of cluster is another request, also if this one was played before."""
    where = "" if settings.CLUSTER == "local" else f" on {settings.CLUSTER}"
    return f"Demo {data.name}"[: 64 - len(where)].replace(".", "-") + where


def _require_same(played: Request, data: raw.DemoData) -> None:
    """Refuse to show an earlier play as if it were this one: its voxels or orientation differ."""
    rows = ImagingChannel.objects.filter(resolution__imaging_request__sample__request=played)
    for channel in rows.exclude(raw_subfolder="").select_related("resolution__objective"):
        x, _, z = channel.voxel_um
        if (z, x, channel.orientation) != (data.voxel_um[0], data.voxel_um[2], data.orientation):
            raise NotReady(
                f"“{played.name}” was played before with VOXEL={z:g},{x:g},{x:g} and "
                f"ORIENTATION={channel.orientation}. Give the folder another name to play it "
                "anew, or start over with `rm -rf var`."
            )


def _plan(name: str, owner: User, data: raw.DemoData, objective: Objective) -> RequestPlan:
    purposes = {"488": ("registration",), "647": ("cell_detection",)}
    channels = tuple(ChannelPlan(channel, purposes[channel]) for channel in data.channels)
    sample = SamplePlan(
        name="brain-001",
        protocol=PROTOCOL,
        perfusion_date=date.today() - timedelta(days=14),
        expected_handoff_date=next_open_day(timezone.localdate()),
        notes_for_clearer="Handle with care: it is the only one.",
        resolutions=(
            ResolutionPlan(objective.name, channels, notes_for_imager="The whole brain, please."),
        ),
    )
    return RequestPlan(
        name=name,
        description="A brain that shows the way from the tube to the viewer.",
        species="mouse",
        correspondence_email=owner.email,
        lab=DEMO_LAB,
        samples=(sample,),
    )


def clear(request: Request, people: Mapping[str, User]) -> Iterator[tuple[str, int, int]]:
    """The clearer receives the tube and logs every step. Yields (step, done, total)."""
    clearer = people["clearer"]
    for sample in request.samples.all():
        if sample.received_at is None and request.state == "submitted":
            requests.receive(sample, by=clearer)
    for batch in request.clearing_batches.select_related("protocol", "request"):
        if batch.state == ClearingState.WAITING:
            clearing.start(batch, by=clearer)
        if batch.state == ClearingState.IN_PROGRESS:
            yield from _log_all(batch, clearer)
            request_work.complete_clearing(batch, by=clearer)


def _log_all(batch: ClearingBatch, clearer: User) -> Iterator[tuple[str, int, int]]:
    steps = request_reads.bench_steps(batch)
    for done, bench in enumerate(steps, start=1):
        if not bench.is_done:
            clearing.record_step(batch, bench.step.slug, performed_at=timezone.now(), by=clearer)
        yield bench.step.label, done, len(steps)


def imaging_request_of(request: Request) -> ImagingRequest:
    """Return the one round of imaging of the demo's one sample."""
    return ImagingRequest.objects.select_related(
        "sample__request__owner", "batch__clearing_batch__request"
    ).get(sample__request=request, number=1)


def start_imaging(imaging_request: ImagingRequest, people: Mapping[str, User]) -> None:
    """The imager claims the batch."""
    if imaging_request.batch.state == ImagingState.WAITING:
        imaging.start(imaging_request.batch, by=people["imager"])
        imaging_work.make_folders(imaging_request)
    imaging_request.refresh_from_db()


def deliver(imaging_request: ImagingRequest, data: raw.DemoData, progress: raw.Progress) -> None:
    """The microscope writes the raw data where the imager puts it."""
    channel = imaging_reads.channels_of(imaging_request)[0]
    parent = channel.resolution.raw_folder(ventral_up=False)
    raw.deliver(data, (parent / RAW_FOLDER).under(settings.DATA_ROOT), progress)


def check_delivery(
    imaging_request: ImagingRequest, data: raw.DemoData, people: Mapping[str, User]
) -> Iterator[list[StepProgress]]:
    """The imager enters how it was acquired and has it checked. Yields progress per step."""
    if imaging_request.state != ImagingState.IN_PROGRESS:
        return
    imager = people["imager"]
    channels = imaging_reads.channels_of(imaging_request)
    set_channels(imaging_request, {c.pk: _acquired(data) for c in channels}, by=imager)
    yield from _driven(imaging_work.check_delivery(imaging_request, by=imager))


def complete_imaging(imaging_request: ImagingRequest, people: Mapping[str, User]) -> None:
    """The imager completes the sample; its run starts by itself."""
    if imaging_request.state == ImagingState.IN_PROGRESS:
        imaging_work.complete_imaging(imaging_request, by=people["imager"])


def _acquired(data: raw.DemoData) -> Acquisition:
    return Acquisition(
        raw_subfolder=RAW_FOLDER,
        z_planes=data.planes,
        z_step_um=data.voxel_um[0],
        right_sheet=data.right_sheet,
        orientation=ImagingChannel.Orientation(data.orientation),
    )


def process(imaging_request: ImagingRequest, pipeline: str) -> Iterator[list[StepProgress]]:
    """The cluster works; the driver is turned until the run is over. Yields progress per step."""
    rows = Run.objects.filter(imaging_request=imaging_request, pipeline=pipeline)
    run = rows.order_by("-id").first()
    if run is None:
        raise NotReady(f"No {pipeline} run was started for the demo's sample.")
    yield from _driven(run)


def start_processing(
    imaging_request: ImagingRequest, people: Mapping[str, User], *, with_atlas: bool
) -> None:
    """The researcher has the brain processed: blended, and registered with the phantom atlas."""
    asked = ProcessingRequest.objects.filter(imaging_request=imaging_request).first()
    if asked is None or asked.state != ProcessingState.WAITING:
        return
    atlas = Atlas.objects.get(name=PHANTOM_ATLAS) if with_atlas else None
    entries = [
        processing.Entry(place, atlas, place.final_orientation) for place in asked.resolutions.all()
    ]
    fast = Wishes(chosen={REGISTRATION.key: "fast"})
    processing.start(asked, entries, by=people["researcher"], wishes=fast)


def can_register(data: raw.DemoData) -> bool:
    """Return True for the phantom, which fits the phantom atlas, where elastix is installed."""
    return data.is_phantom and which("elastix") is not None


def _driven(run: Run) -> Iterator[list[StepProgress]]:
    while True:
        processing_work.drive(TURN)
        yield progress_of(run)
        run.refresh_from_db()
        if run.state not in ACTIVE:
            return
        time.sleep(0.3)


def progress_of(run: Run) -> list[StepProgress]:
    """Return how far each step is, by its newest attempt."""
    newest: dict[int, Attempt] = {}
    for attempt in Attempt.objects.filter(step__run=run).order_by("number"):
        newest[attempt.step_id] = attempt
    return [_progress(step.key, step.label, newest.get(step.pk)) for step in run.steps.all()]


def _progress(key: str, label: str, attempt: Attempt | None) -> StepProgress:
    if attempt is None:
        return StepProgress(key, label, "waiting", 0, 1)
    total = int(attempt.progress.get("total") or 1)
    done = total if attempt.state == "succeeded" else int(attempt.progress.get("done") or 0)
    return StepProgress(key, label, attempt.state, done, total)


def finish(request: Request) -> None:
    """The request closes itself once nothing of it is open; here at once, not in minutes."""
    request_work.close_finished_requests()
    request.refresh_from_db()
