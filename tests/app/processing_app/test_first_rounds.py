"""What a submission keeps for processing: a round per sample whose images can be processed."""

import pytest

from core_app.models import Event, User
from imaging_app.workflows import skip_sample
from processing_app.models import Atlas, ProcessingRequest, ProcessingResolution
from processing_app.states import ProcessingState
from requests_app.models import Request
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.states import RequestState
from requests_app.workflows import has_open_work
from tests.support.scenarios import (
    ONE_CHANNEL,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db

JUST_LOOK = ResolutionPlan("2x", (ChannelPlan("488", ("generic_imaging",)),))


def rounds_of(request: Request) -> list[ProcessingRequest]:
    rows = ProcessingRequest.objects.filter(imaging_request__sample__request=request)
    return list(rows.order_by("imaging_request__sample__position"))


def test_every_sample_that_can_be_processed_gets_one_round_of_its_owner(researcher: User) -> None:
    samples = (a_sample_plan("b1"), a_sample_plan("b2"))

    request = a_submitted_request(researcher, a_plan(samples=samples))

    found = rounds_of(request)
    assert [(r.number, r.state, r.processor) for r in found] == [
        (1, ProcessingState.WAITING, researcher)
    ] * 2


def test_atlas_orientation_and_notes_are_kept_per_objective(researcher: User) -> None:
    Atlas.objects.update_or_create(
        name="paxinos",
        defaults={"label": "P", "voxel_x_um": 10, "voxel_y_um": 10, "voxel_z_um": 10},
    )
    wanted = (
        ResolutionPlan(
            "1.3x", ONE_CHANNEL.channels, atlas="paxinos", notes_for_processor="mind the tear"
        ),
        ResolutionPlan(
            "4x", (ChannelPlan("488", ("generic_imaging",)),), final_orientation="coronal"
        ),
    )

    request = a_submitted_request(researcher, a_plan(samples=(a_sample_plan(resolutions=wanted),)))

    rows = ProcessingResolution.objects.filter(processing_request__in=rounds_of(request))
    found = rows.order_by("resolution__objective__position").values_list(
        "resolution__objective__name", "atlas__name", "final_orientation", "notes_for_processor"
    )
    assert list(found) == [
        ("1.3x", "paxinos", "sagittal", "mind the tear"),
        ("4x", None, "coronal", ""),
    ]


def test_a_mixed_request_makes_no_empty_round(researcher: User) -> None:
    mixed = (
        a_sample_plan("both", resolutions=(ONE_CHANNEL, JUST_LOOK)),
        a_sample_plan("look", resolutions=(JUST_LOOK,)),
    )

    request = a_submitted_request(researcher, a_plan(samples=mixed))

    (only,) = rounds_of(request)
    assert only.imaging_request.sample.name == "both"
    assert [r.resolution.objective.name for r in only.resolutions.all()] == ["1.3x"]


@pytest.mark.parametrize(
    ("objective", "channel", "has_round"),
    [("1.1x", "488", True), ("4x", "488", True), ("3.6x", "642", True), ("2x", "488", False),
     ("15x", "642", False)],
)  # fmt: skip
def test_the_objective_decides_whether_there_is_a_round(
    objective: str,
    channel: str,
    has_round: bool,  # noqa: FBT001  # a parameter of the table
    researcher: User,
) -> None:
    wanted = ResolutionPlan(objective, (ChannelPlan(channel, ("generic_imaging",)),))

    request = a_submitted_request(
        researcher, a_plan(samples=(a_sample_plan(resolutions=(wanted,)),))
    )

    assert bool(rounds_of(request)) is has_round


def test_the_birth_of_a_round_is_in_the_history(researcher: User) -> None:
    request = a_submitted_request(researcher)

    (opened,) = rounds_of(request)
    born = Event.objects.get(kind="processing request", object_id=opened.pk)
    assert (born.verb, born.to, born.root_id, born.by) == (
        "created", ProcessingState.WAITING, request.pk, researcher
    )  # fmt: skip


def test_a_round_that_nothing_here_can_serve_keeps_no_request_open(
    researcher: User, clearer: User, imager: User
) -> None:
    imaging = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    request = imaging.sample.request

    skip_sample(imaging, by=imager, reason="It broke.")

    request.refresh_from_db()
    assert [r.state for r in rounds_of(request)] == [ProcessingState.WAITING]
    assert not has_open_work(request)
    assert request.state == RequestState.CLOSED
