"""Claiming a batch, entering channels, checking deliveries, finishing and skipping samples."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event, OutboxRow, User
from core_app.roles import Role
from imaging_app import raw_data, selectors, workflows
from imaging_app.models import ImagingBatch, ImagingRequest, RawDelivery
from imaging_app.services import imaging
from imaging_app.services.acquisitions import Span, note_acquisition
from imaging_app.services.channels import Acquisition, set_channels
from processing_app.models import Run
from requests_app.models import ClearingBatch
from requests_app.workflows import reopen_imaging, withdraw_request
from tests.support import stacks
from tests.support.checks import check_and_complete, check_delivery, finish_check
from tests.support.people import a_person
from tests.support.scenarios import (
    TWO_CHANNELS,
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
    set_all_channels,
)

pytestmark = pytest.mark.django_db
EAST = ZoneInfo("Europe/Berlin")
ACQUIRED = Acquisition("run_1", z_planes=4, z_step_um=10.0, right_sheet=False)


@pytest.fixture
def sample(researcher, clearer, imager):
    """One sample being imaged, one channel at 1.3x."""
    return a_request_being_imaged(researcher, clearer=clearer, imager=imager)


def again(row):
    """The row as somebody else's page read it."""
    return type(row).objects.get(pk=row.pk)


def events(row):
    return [(e.verb, e.to) for e in Event.objects.filter(kind=row.KIND, object_id=row.pk)]


def raw_folder(imaging_request, settings, name="run_1"):
    resolution = imaging_request.resolutions.get()
    return settings.DATA_ROOT / str(resolution.raw_folder(ventral_up=False)) / name


def a_delivered(sample, imager, settings):
    """The sample with its parameters entered and its planes on the disk."""
    set_all_channels(sample, ACQUIRED, by=imager)
    stacks.lavision_delivery(raw_folder(sample, settings))
    return sample


def a_cleared_batch(researcher, clearer, **plan):
    request = a_cleared_request(researcher, clearer=clearer, plan=a_plan(**plan))
    return ImagingBatch.objects.get(clearing_batch__request=request)


def test_starting_claims_the_batch_and_its_samples(researcher, clearer, imager):
    batch = a_cleared_batch(researcher, clearer)

    imaging.start(batch, by=imager)

    assert (again(batch).state, again(batch).imager) == ("in progress", imager)
    assert batch.imaging_requests.get().state == "in progress"
    assert events(batch)[-1] == ("moved", "in progress")


def test_pressing_start_twice_changes_nothing(researcher, clearer, imager):
    batch = a_cleared_batch(researcher, clearer)
    imaging.start(batch, by=imager)
    before = Event.objects.count()

    imaging.start(again(batch), by=imager)

    assert Event.objects.count() == before


def test_of_two_who_start_at_once_the_second_is_told(researcher, clearer, imager):
    batch = a_cleared_batch(researcher, clearer)
    read_by_colleague = again(batch)
    imaging.start(batch, by=imager)

    with pytest.raises(StaleState):
        imaging.start(read_by_colleague, by=a_person("colleague", role=Role.IMAGER))

    assert again(batch).imager == imager


def test_imaging_waits_for_clearing(researcher, imager):
    request = a_submitted_request(researcher)
    batch = ImagingBatch.objects.get(clearing_batch__request=request)

    with pytest.raises(NotReady, match="still being cleared"):
        imaging.start(batch, by=imager)


def test_only_who_may_image_starts_imaging(researcher, clearer):
    batch = a_cleared_batch(researcher, clearer)

    with pytest.raises(NotAllowed):
        imaging.start(batch, by=researcher)


def test_a_self_imaging_owner_starts_imaging(researcher, clearer):
    batch = a_cleared_batch(researcher, clearer, self_imaging=True)

    imaging.start(batch, by=researcher)

    assert again(batch).state == "in progress"


def test_starting_makes_the_folders_for_the_raw_data(researcher, clearer, imager, settings):
    batch = a_cleared_batch(researcher, clearer)

    workflows.start_imaging(batch, by=imager)

    assert raw_folder(batch.imaging_requests.get(), settings, "").is_dir()


def test_a_link_out_of_the_root_is_not_followed_when_folders_are_made(
    researcher, clearer, imager, settings, tmp_path
):
    batch = a_cleared_batch(researcher, clearer)
    outside = tmp_path / "outside"
    outside.mkdir()
    (settings.DATA_ROOT / "researcher").symlink_to(outside)

    with pytest.raises(NotReady, match="started, but"):
        workflows.start_imaging(batch, by=imager)

    assert not list(outside.iterdir())
    assert again(batch).state == "in progress"


def test_what_is_entered_is_stored_for_each_channel(sample, imager):
    set_all_channels(sample, ACQUIRED, by=imager)

    channel = selectors.channels_of(sample).get()
    assert (channel.raw_subfolder, channel.z_planes, channel.sides) == ("run_1", 4, ("left",))
    assert events(sample)[-1] == ("acquisition entered", "")


def test_entering_the_same_again_changes_nothing(sample, imager, settings):
    a_delivered(sample, imager, settings)
    check_delivery(sample, by=imager)
    before = Event.objects.count()

    set_all_channels(sample, ACQUIRED, by=imager)

    assert Event.objects.count() == before
    assert RawDelivery.objects.get().is_right


def test_a_changed_channel_loses_the_verdict_of_its_folder(sample, imager, settings):
    a_delivered(sample, imager, settings)
    check_delivery(sample, by=imager)

    set_all_channels(sample, replace(ACQUIRED, z_planes=5), by=imager)

    assert not RawDelivery.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"left_sheet": False}, "at least one light sheet"),
        ({"tile_overlap": 1.0}, "fraction"),
        ({"tile_overlap": -0.1}, "fraction"),
        ({"tile_overlap": float("nan")}, "fraction"),
        ({"tile_columns": 3}, "1 to 2 tiles per side"),
        ({"tile_rows": 0}, "1 to 2 tiles per side"),
        ({"z_step_um": 1.9}, "between 2 and 1000"),
        ({"z_step_um": 1000.5}, "between 2 and 1000"),
        ({"z_planes": 0}, "1 to 5500"),
        ({"z_planes": 5501}, "1 to 5500"),
        ({"raw_subfolder": ""}, "choose the raw folder"),
        ({"raw_subfolder": "a b"}, "no blanks or slashes"),
        ({"raw_subfolder": "../x"}, "no blanks or slashes"),
        ({"raw_subfolder": ".."}, "no blanks or slashes"),
        ({"raw_subfolder": "a\nb"}, "no blanks or slashes"),
        ({"orientation": "upside down"}, "orientation"),
        ({"zoom": 2.0}, "no zoom body"),
    ],
)
def test_what_cannot_be_right_is_refused_at_its_channel(sample, imager, wrong, words):
    channel = selectors.channels_of(sample).get()

    with pytest.raises(Invalid, match=words) as refusal:
        set_channels(sample, {channel.pk: replace(ACQUIRED, **wrong)}, by=imager)

    assert list(refusal.value.fields) == [f"channel-{channel.pk}"]
    assert not selectors.channels_of(sample).get().raw_subfolder


def test_the_limits_themselves_are_accepted(sample, imager):
    edge = replace(ACQUIRED, z_step_um=2.0, z_planes=5500, tile_columns=2, tile_overlap=0.0)

    set_all_channels(sample, edge, by=imager)

    assert selectors.channels_of(sample).get().z_planes == 5500


def test_channels_of_one_folder_must_agree(researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan(resolutions=(TWO_CHANNELS,))])
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    first, second = selectors.channels_of(sample)

    with pytest.raises(Invalid, match="shares the folder run_1 with channel 488") as refusal:
        set_channels(
            sample, {first.pk: ACQUIRED, second.pk: replace(ACQUIRED, z_planes=5)}, by=imager
        )

    assert list(refusal.value.fields) == [f"channel-{second.pk}"]


def test_channels_of_one_folder_are_numbered_in_their_order(researcher, clearer, imager):
    plan = a_plan(samples=[a_sample_plan(resolutions=(TWO_CHANNELS,))])
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)

    set_all_channels(sample, ACQUIRED, by=imager)

    assert [c.filter_index for c in selectors.channels_of(sample)] == [0, 1]


def test_who_does_not_image_enters_nothing(sample, researcher):
    with pytest.raises(NotAllowed):
        set_all_channels(sample, ACQUIRED, by=researcher)


def test_an_entry_that_arrives_after_completion_is_not_saved(sample, imager, settings):
    a_delivered(sample, imager, settings)
    read_before = again(sample)
    check_and_complete(sample, by=imager)

    with pytest.raises(StaleState, match="finished meanwhile"):
        set_all_channels(read_before, replace(ACQUIRED, z_planes=9), by=imager)


def test_a_right_delivery_is_right(sample, imager, settings):
    a_delivered(sample, imager, settings)

    delivery = check_delivery(sample, by=imager)[0]

    assert (delivery.is_right, delivery.report["files"]) == (True, 4)
    assert Event.objects.filter(verb="delivery checked").get().note == "run_1: right"


def test_a_check_before_anything_is_entered_says_what_to_do(sample, imager):
    with pytest.raises(NotReady, match="Enter the parameters"):
        check_delivery(sample, by=imager)


def test_who_does_not_image_checks_nothing(sample, imager, researcher, settings):
    a_delivered(sample, imager, settings)

    with pytest.raises(NotAllowed):
        check_delivery(sample, by=researcher)


def test_a_check_that_raced_a_change_of_parameters_is_not_believed(sample, imager, settings):
    a_delivered(sample, imager, settings)
    workflows.check_delivery(sample, by=imager)

    set_all_channels(again(sample), replace(ACQUIRED, z_planes=9), by=imager)
    finish_check(sample)

    assert not RawDelivery.objects.exists()


def test_a_whole_delivery_completes_sample_and_batch_and_starts_its_run(sample, imager, settings):
    a_delivered(sample, imager, settings)

    run = check_and_complete(sample, by=imager)

    assert (again(sample).state, again(sample.batch).state) == ("complete", "complete")
    assert again(sample).performed_on is not None
    assert run == Run.objects.processing().get(imaging_request=sample)


def test_a_wrong_delivery_completes_nothing(sample, imager, settings):
    a_delivered(sample, imager, settings)
    stacks.drop_planes(raw_folder(sample, settings), [2])

    with pytest.raises(NotReady, match="not there yet, or not right"):
        check_and_complete(sample, by=imager)

    assert again(sample).state == "in progress"
    assert not Run.objects.processing().exists()


def test_a_channel_without_data_keeps_the_sample_open(researcher, clearer, imager, settings):
    plan = a_plan(samples=[a_sample_plan(resolutions=(TWO_CHANNELS,))])
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    first = selectors.channels_of(sample)[0]
    set_channels(sample, {first.pk: ACQUIRED}, by=imager)
    stacks.lavision_delivery(raw_folder(sample, settings))

    with pytest.raises(NotReady, match="channel 647 is not there yet"):
        check_and_complete(sample, by=imager)

    assert again(sample).state == "in progress"


def test_a_batch_is_complete_with_its_last_sample(researcher, clearer, imager, settings):
    plan = a_plan(samples=[a_sample_plan("s1"), a_sample_plan("s2")])
    first = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    second = ImagingRequest.objects.get(sample__name="s2")
    a_delivered(first, imager, settings)
    check_and_complete(first, by=imager)
    after_first = again(first.batch).state

    workflows.skip_sample(second, by=imager, reason="broke")

    assert (after_first, again(first.batch).state) == ("in progress", "complete")


def test_a_batch_of_skipped_samples_waits_no_longer(researcher, clearer, imager):
    batch = a_cleared_batch(researcher, clearer)

    workflows.skip_sample(batch.imaging_requests.get(), by=imager, reason="broke")

    assert again(batch).state == "skipped"


def test_skipping_needs_a_reason(sample, imager):
    with pytest.raises(Invalid, match="Say why"):
        workflows.skip_sample(sample, by=imager, reason=" ")


def test_only_who_images_the_sample_skips_it(sample, researcher):
    with pytest.raises(NotAllowed):
        workflows.skip_sample(sample, by=researcher, reason="I say so")


def test_staff_open_a_finished_sample_again_with_a_reason(sample, imager):
    workflows.skip_sample(sample, by=imager, reason="broke")

    reopen_imaging(again(sample), by=imager, reason="glued")

    assert (again(sample).state, again(sample.batch).state) == ("in progress", "in progress")
    assert again(sample.sample.request).state == "submitted"


def test_opening_again_needs_a_reason(sample, imager):
    workflows.skip_sample(sample, by=imager, reason="broke")

    with pytest.raises(Invalid):
        reopen_imaging(again(sample), by=imager, reason="")


def test_the_owner_cannot_open_a_finished_sample_again(sample, imager, researcher):
    workflows.skip_sample(sample, by=imager, reason="broke")

    with pytest.raises(NotAllowed):
        reopen_imaging(again(sample), by=researcher, reason="please")


def test_nothing_of_a_withdrawn_request_is_opened_again(
    researcher, clearer, imager, manager, settings
):
    plan = a_plan(samples=[a_sample_plan("s1"), a_sample_plan("s2")])
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    workflows.skip_sample(sample, by=imager, reason="broke")
    withdraw_request(again(sample.sample.request), by=manager, reason="wrong animal")

    with pytest.raises(NotReady, match="withdrawn"):
        reopen_imaging(again(sample), by=imager, reason="glued")


def test_every_change_goes_to_the_mirror(researcher, clearer, imager, settings):
    batch = a_cleared_batch(researcher, clearer)
    settings.DATAJOINT_ENABLED = True

    imaging.start(batch, by=imager)
    set_all_channels(batch.imaging_requests.get(), ACQUIRED, by=imager)

    kinds = set(OutboxRow.objects.values_list("kind", flat=True))
    assert {"imaging batch", "imaging request", "imagingchannel"} <= kinds


def test_folders_found_leave_out_links_and_names_that_break_forms(sample, settings, tmp_path):
    base = raw_folder(sample, settings, "")
    stacks.lavision_delivery(base / "good_one", planes=2)
    (base / "with blank").mkdir()
    (base / "new\nline").mkdir()
    (base / "\udcff").mkdir()
    (base / "link").symlink_to(tmp_path)
    parent = sample.resolutions.get().raw_folder(ventral_up=False)

    found = raw_data.folders_in(settings.DATA_ROOT, parent)

    assert found == [raw_data.RawFolder("good_one", 2)]


def test_nothing_is_listed_behind_a_link_out_of_the_root(sample, settings, tmp_path):
    outside = tmp_path / "outside"
    stacks.lavision_delivery(outside / "imaging_request_1" / "rawdata" / "resolution_1.3x" / "x")
    folder = settings.DATA_ROOT / str(sample.sample.folder)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(outside)
    parent = sample.resolutions.get().raw_folder(ventral_up=False)

    assert raw_data.folders_in(settings.DATA_ROOT, parent) == []


def test_clearing_opened_again_holds_up_imaging(researcher, clearer, imager):
    from requests_app.workflows import reopen_clearing

    batch = a_cleared_batch(researcher, clearer)
    reopen_clearing(batch.clearing_batch, by=clearer, reason="wrong lot")

    with pytest.raises(NotReady):
        imaging.start(again(batch), by=imager)

    assert ClearingBatch.objects.get().state == "in progress"


def test_a_finished_batch_is_not_started_again(
    researcher: User, clearer: User, imager: User, manager: User
) -> None:
    imaging_request = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    with transaction.atomic():
        imaging.skip(imaging_request, by=imager, reason="It broke.")
    batch = ImagingBatch.objects.get()

    with pytest.raises(NotReady, match="re-open that sample"):
        imaging.start(batch, by=manager)

    batch.refresh_from_db()
    assert (batch.state, batch.imager) == ("complete", imager)


def test_what_a_colleague_enters_at_the_last_moment_is_checked_before_completing(
    sample, imager, settings, monkeypatch
):
    a_delivered(sample, imager, settings)
    hold = imaging.hold_open

    def entered_first(held):
        RawDelivery.objects.all().delete()  # what set_channels does to the verdicts
        hold(held)

    monkeypatch.setattr(imaging, "hold_open", entered_first)
    check_delivery(sample, by=imager)

    with pytest.raises(NotReady, match="not there yet"), transaction.atomic():
        imaging.finish(sample, by=imager)

    sample.refresh_from_db()
    assert sample.state == "in progress"
    assert not Run.objects.processing().exists()


@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 1, tzinfo=EAST), datetime(9999, 12, 31, tzinfo=EAST)]
)
def test_times_at_which_no_microscope_was_at_work_are_refused(sample, imager, moment):
    resolution = sample.resolutions.get()

    with pytest.raises(Invalid, match=r"too far back|lies ahead"):
        note_acquisition(sample, {resolution.pk: Span(moment, None)}, notes="", by=imager)
