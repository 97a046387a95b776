"""Reach a state through the services, as people do; never by setting a column."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from core_app.models import User
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.services import imaging
from imaging_app.services.channels import Acquisition, set_channels
from requests_app.models import ClearingBatch, Request
from requests_app.plans import ChannelPlan, RequestPlan, ResolutionPlan, SamplePlan
from requests_app.services import clearing, requests
from requests_app.workflows import submit_request

PROTOCOL = "iDISCO abbreviated clearing"
ONE_CHANNEL = ResolutionPlan("1.3x", (ChannelPlan("488", ("registration",)),))
TWO_CHANNELS = ResolutionPlan(
    "1.3x", (ChannelPlan("488", ("registration",)), ChannelPlan("647", ("cell_detection",)))
)


def a_sample_plan(name: str = "brain-001", **other: object) -> SamplePlan:
    plan = SamplePlan(
        name=name,
        protocol=PROTOCOL,
        expected_handoff_date=date(2030, 1, 7),
        resolutions=(ONE_CHANNEL,),
    )
    return replace(plan, **other)  # type: ignore[arg-type]  # the names are those of SamplePlan


def a_plan(
    name: str = "first brains", *, samples: Sequence[SamplePlan] = (), **other: object
) -> RequestPlan:
    plan = RequestPlan(
        name=name,
        description="A test of the facility.",
        species="mouse",
        correspondence_email="researcher@example.org",
        lab="River lab",
        samples=tuple(samples) or (a_sample_plan(),),
    )
    return replace(plan, **other)  # type: ignore[arg-type]  # the names are those of RequestPlan


def a_typed_draft(name: str) -> dict[str, object]:
    """Return the form as typed, with nothing left to correct."""
    about = {
        "name": name,
        "description": "A test of the facility.",
        "lab": "River lab",
        "correspondence_email": "researcher@example.org",
        "species": "mouse",
        "number_of_samples": "1",
        "retention": "important",
    }
    sample = {
        "name": "brain-001",
        "protocol": PROTOCOL,
        "expected_handoff_date": "2030-01-07",
        "imaging": [{"objective": "1.3x", "channels": {"488": ["registration"]}}],
    }
    return {"about": about, "samples": [sample]}


def a_submitted_request(owner: User, plan: RequestPlan | None = None) -> Request:
    draft = requests.create_draft(owner=owner, by=owner)
    return submit_request(draft, plan or a_plan(), by=owner)


def a_waiting_batch(owner: User, plan: RequestPlan | None = None) -> ClearingBatch:
    return a_submitted_request(owner, plan).clearing_batches.get(number=1)


def a_received_batch(owner: User, *, by: User, plan: RequestPlan | None = None) -> ClearingBatch:
    """Return a waiting batch whose tubes are all here."""
    batch = a_waiting_batch(owner, plan)
    for sample in batch.samples.all():
        requests.receive(sample, by=by)
    return batch


def a_batch_being_cleared(
    owner: User, *, by: User, plan: RequestPlan | None = None
) -> ClearingBatch:
    batch = a_waiting_batch(owner, plan)
    clearing.receive_and_start(batch, by=by)
    return batch


def a_cleared_request(owner: User, *, clearer: User, plan: RequestPlan | None = None) -> Request:
    request = a_submitted_request(owner, plan)
    for batch in request.clearing_batches.all():
        clearing.receive_and_start(batch, by=clearer)
        clearing.complete(batch, by=clearer, skip_missing=True, link="https://example.org/sheet")
    return request


def a_request_being_imaged(
    owner: User, *, clearer: User, imager: User, plan: RequestPlan | None = None
) -> ImagingRequest:
    """Return the imaging request of the first sample; every batch of the request is in progress."""
    request = a_cleared_request(owner, clearer=clearer, plan=plan)
    for batch in ImagingBatch.objects.filter(clearing_batch__request=request):
        imaging.start(batch, by=imager)
    first = request.samples.order_by("position").first()
    assert first is not None
    return first.imaging_requests.get(number=1)


def set_all_channels(
    imaging_request: ImagingRequest, acquisition: Acquisition, *, by: User
) -> None:
    """Enter the same acquisition for every channel of the sample."""
    from imaging_app import selectors

    channels = selectors.channels_of(imaging_request)
    set_channels(imaging_request, {c.pk: acquisition for c in channels}, by=by)
