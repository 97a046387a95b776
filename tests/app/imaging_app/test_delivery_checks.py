"""The check of raw data from the imager's side: asked for, watched, judged, accepted, repeated."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.urls import reverse

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event
from imaging_app import selectors, workflows
from imaging_app.models import DeliveryWaiver, ImagingRequest, RawDelivery
from imaging_app.services import deliveries
from imaging_app.services.channels import Acquisition
from pipeline.phantom import write_delivery
from processing_app.models import Product, Run, StepReport
from processing_app.pipelines import CHECK, VERIFY
from processing_app.states import RunState
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.workflows import has_open_work, reopen_imaging, withdraw_request
from tests.support import clusters, stacks
from tests.support.checks import (
    carry_out,
    check_and_complete,
    check_delivery,
    do_the_work,
    finish_check,
)
from tests.support.scenarios import (
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    set_all_channels,
)
from viewers_app.chooser import matrices_of

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
PLANES = 6
ACQUIRED = Acquisition("run_1", z_planes=PLANES, z_step_um=10.0, right_sheet=False)
REASON = "The camera lost a frame; the brain is gone."


@pytest.fixture
def sample(researcher, clearer, imager):
    found = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    set_all_channels(found, ACQUIRED, by=imager)
    return found


@pytest.fixture
def folder(sample, settings):
    channel = selectors.channels_of(sample).get()
    return stacks.lavision_delivery(settings.DATA_ROOT / str(channel.raw_folder), planes=PLANES)


@pytest.fixture
def desk(client, imager):
    client.force_login(imager, backend=BACKEND)
    return client


def address(sample, page="request"):
    return reverse(f"imaging:{page}", args=[sample.pk])


def state_of(sample):
    return ImagingRequest.objects.get(pk=sample.pk).state


def the_key(delivery):
    (problem,) = delivery.problems
    return problem["key"]


def with_a_gap(sample, folder, imager):
    stacks.drop_planes(folder, [3])
    (delivery,) = check_delivery(sample, by=imager)
    return delivery


# --- asked for and watched


def test_asking_twice_is_one_look(sample, folder, imager):
    first = workflows.check_delivery(sample, by=imager)

    assert workflows.check_delivery(sample, by=imager) == first


def test_the_page_watches_a_check_that_is_at_work(desk, sample, folder, imager):
    workflows.check_delivery(sample, by=imager)

    page = desk.get(address(sample)).content.decode()

    assert f'hx-get="{address(sample, "request-delivery")}"' in page
    assert "Stop the check" in page
    assert "Complete imaging" not in page


def test_the_part_that_moves_shows_how_far_the_check_is(desk, sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)
    cluster = clusters.memory_cluster(clusters.goes_on)
    attempt = clusters.drive_to(run, cluster, "running")
    progress = {"done": 3, "total": 6, "unit": "planes", "label": "Reading raw data"}
    type(attempt).objects.filter(pk=attempt.pk).update(progress=progress)

    part = desk.get(address(sample, "request-delivery")).content.decode()

    assert "3 of 6 planes" in part


def test_the_part_that_moves_ends_with_the_verdict(desk, sample, folder, imager):
    workflows.check_delivery(sample, by=imager)
    finish_check(sample)

    part = desk.get(address(sample, "request-delivery")).content.decode()

    assert "is right:" in part
    assert "hx-get" not in part
    assert "Complete imaging" in part


def test_a_sample_is_not_completed_while_it_is_checked(sample, folder, imager):
    check_delivery(sample, by=imager)
    workflows.check_delivery(sample, by=imager)

    with pytest.raises(NotReady, match="is being checked"):
        workflows.complete_imaging(sample, by=imager)

    assert state_of(sample) == "in progress"


def test_a_check_that_the_cluster_could_not_carry_out_says_so(desk, sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)
    carry_out(run, clusters.memory_cluster(clusters.fail_with("OUT_OF_MEMORY")))

    page = desk.get(address(sample)).content.decode()

    assert "The check could not be carried out." in page
    assert "Check the delivery" in page
    assert not RawDelivery.objects.exists()


def test_after_a_check_that_failed_another_one_can_be_asked_for(sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)
    carry_out(run, clusters.memory_cluster(clusters.fail_with("OUT_OF_MEMORY")))

    (delivery,) = check_delivery(sample, by=imager)

    assert delivery.is_right


def test_a_check_that_failed_is_no_failure_of_processing(sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)
    carry_out(run, clusters.memory_cluster(clusters.fail_with("OUT_OF_MEMORY")))

    workflows.skip_sample(sample, by=imager, reason="It broke.")

    assert not has_open_work(sample.sample.request)


def test_a_check_is_stopped_by_who_images(desk, sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)

    desk.post(address(sample, "request-stop"))

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_skipping_a_sample_stops_its_check(sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)

    workflows.skip_sample(sample, by=imager, reason="It broke.")

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_withdrawing_a_request_stops_its_checks(sample, folder, imager, manager):
    run = workflows.check_delivery(sample, by=imager)

    withdraw_request(sample.sample.request, by=manager, reason="No longer needed.")

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_what_a_check_found_after_the_sample_was_skipped_is_dropped(sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)
    carry_out(run)
    workflows.skip_sample(sample, by=imager, reason="It broke.")

    assert workflows.take_in_reports() == 0
    assert not RawDelivery.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_drivers_one_takes_a_report_in(sample, folder, imager):
    carry_out(workflows.check_delivery(sample, by=imager))
    gate, taken = threading.Barrier(2), []

    def take():
        gate.wait()
        taken.append(workflows.take_in_reports())
        connection.close()

    drivers = [threading.Thread(target=take) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()

    assert sorted(taken) == [0, 1]
    assert Event.objects.filter(verb="delivery checked").count() == 1


def test_a_folder_out_of_the_storage_is_never_handed_to_the_cluster(
    sample, folder, imager, tmp_path
):
    stacks.move_out(folder, tmp_path / "outside")

    with pytest.raises(Invalid, match="leads out of the data root"):
        workflows.check_delivery(sample, by=imager)

    assert not Run.objects.exists()


def test_files_that_come_after_the_check_stop_the_completion(sample, folder, imager):
    check_delivery(sample, by=imager)
    (folder / "late.tif").touch()

    with pytest.raises(NotReady, match="left it after the check"):
        workflows.complete_imaging(sample, by=imager)


def test_times_of_the_files_become_times_of_the_acquisition(sample, folder, imager):
    check_delivery(sample, by=imager)

    resolution = sample.resolutions.get()
    assert resolution.acquisition_started_at is not None
    assert resolution.acquisition_started_at <= resolution.acquisition_ended_at


def test_times_that_somebody_typed_stand(sample, folder, imager):
    typed = datetime(2030, 1, 7, 12, tzinfo=UTC)
    sample.resolutions.update(acquisition_started_at=typed, acquisition_ended_at=typed)

    check_delivery(sample, by=imager)

    assert sample.resolutions.get().acquisition_started_at == typed


# --- accepted


def test_a_problem_is_accepted_with_a_reason_and_a_name(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)

    deliveries.accept(delivery, the_key(delivery), by=imager, reason=REASON)

    delivery.refresh_from_db()
    waiver = DeliveryWaiver.objects.get()
    assert delivery.is_right
    assert (waiver.by, waiver.reason) == (imager, REASON)
    assert Event.objects.filter(verb="problem accepted", by=imager).exists()


def test_what_was_accepted_is_black_in_the_volume_and_named_in_its_record(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)
    deliveries.accept(delivery, the_key(delivery), by=imager, reason=REASON)

    (run,) = workflows.complete_imaging(sample, by=imager)
    carry_out(run)

    assert run.state == RunState.SUCCEEDED
    assert Product.objects.get().facts["absent_planes"] == [3]


def test_an_acceptance_holds_for_that_problem_only(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)
    deliveries.accept(delivery, the_key(delivery), by=imager, reason=REASON)
    stacks.drop_planes(folder, [4])

    (again,) = check_delivery(sample, by=imager)

    assert not again.is_right
    with pytest.raises(NotReady, match="not right"):
        workflows.complete_imaging(sample, by=imager)


def test_an_acceptance_survives_another_look_at_the_same(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)
    deliveries.accept(delivery, the_key(delivery), by=imager, reason=REASON)

    (again,) = check_delivery(sample, by=imager)

    assert again.is_right


def test_accepting_twice_is_once(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)

    deliveries.accept(delivery, the_key(delivery), by=imager, reason=REASON)
    deliveries.accept(delivery, the_key(delivery), by=imager, reason="Once more.")

    assert DeliveryWaiver.objects.get().reason == REASON
    assert Event.objects.filter(verb="problem accepted").count() == 1


@pytest.mark.parametrize("reason", ["", "   "])
def test_nothing_is_accepted_without_a_reason(sample, folder, imager, reason):
    delivery = with_a_gap(sample, folder, imager)

    with pytest.raises(Invalid, match="Say why"):
        deliveries.accept(delivery, the_key(delivery), by=imager, reason=reason)

    assert not DeliveryWaiver.objects.exists()


def test_a_reason_that_does_not_fit_is_not_cut(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)

    with pytest.raises(Invalid, match="at most 512"):
        deliveries.accept(delivery, the_key(delivery), by=imager, reason="x" * 513)


def test_who_does_not_image_accepts_nothing(sample, folder, imager, researcher):
    delivery = with_a_gap(sample, folder, imager)

    with pytest.raises(NotAllowed):
        deliveries.accept(delivery, the_key(delivery), by=researcher, reason=REASON)


def test_what_would_spoil_the_volume_cannot_be_accepted(sample, folder, imager):
    stacks.change_size(folder / stacks.plane_name(2))
    (delivery,) = check_delivery(sample, by=imager)

    with pytest.raises(NotReady, match="cannot stay as it is"):
        deliveries.accept(delivery, the_key(delivery), by=imager, reason=REASON)


def test_a_problem_of_an_older_look_is_not_accepted_unseen(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)
    seen = the_key(delivery)
    stacks.drop_planes(folder, [4])
    check_delivery(sample, by=imager)

    with pytest.raises(StaleState, match="checked again meanwhile"):
        deliveries.accept(delivery, seen, by=imager, reason=REASON)


def test_an_acceptance_is_taken_back(sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)
    deliveries.accept(delivery, the_key(delivery), by=imager, reason=REASON)

    deliveries.take_back(DeliveryWaiver.objects.get(), by=imager)

    delivery.refresh_from_db()
    assert not delivery.is_right
    assert not DeliveryWaiver.objects.exists()


def test_the_page_offers_acceptance_where_it_is_possible_only(desk, sample, folder, imager):
    stacks.change_size(folder / stacks.plane_name(2))
    stacks.drop_planes(folder, [4])
    check_delivery(sample, by=imager)

    page = desk.get(address(sample)).content.decode()

    assert page.count("Accept with a reason…") == 1


def test_the_page_accepts_and_takes_back(desk, sample, folder, imager):
    delivery = with_a_gap(sample, folder, imager)
    typed = {"delivery": delivery.pk, "key": the_key(delivery), "reason": REASON}
    desk.post(address(sample, "request-accept"), typed)
    accepted = desk.get(address(sample)).content.decode()

    desk.post(address(sample, "request-take-back"), {"waiver": DeliveryWaiver.objects.get().pk})

    assert "with what was accepted" in accepted
    assert REASON in accepted
    assert "with what was accepted" not in desk.get(address(sample)).content.decode()


@pytest.mark.parametrize("delivery", ["", "x", "-1", "9" * 40, "0"])
def test_a_delivery_that_is_none_is_not_found(desk, sample, delivery):
    typed = {"delivery": delivery, "key": "k", "reason": REASON}

    assert desk.post(address(sample, "request-accept"), typed).status_code == 404


# --- compared


def test_what_is_set_stands_beside_what_the_files_say(desk, sample, imager, settings):
    channel = selectors.channels_of(sample).get()
    write_delivery(
        settings.DATA_ROOT / str(channel.raw_folder), shape_zyx=(PLANES, 20, 24),
        voxel_um_zyx=(5.0, 5.0, 5.0), channels=["488"], sheets=1,
    )  # fmt: skip

    (delivery,) = check_delivery(sample, by=imager)
    page = desk.get(address(sample)).content.decode()

    assert [p["code"] for p in delivery.problems] == ["metadata_z_step"]
    assert "Requested, set, and in the files" in page
    assert "10 µm" in page
    assert "5 µm" in page


def filled_in(desk, sample, settings, *, channel_of_files):
    """The page after Fill in from the files, whose metadata names this channel."""
    channel = selectors.channels_of(sample).get()
    write_delivery(
        settings.DATA_ROOT / str(channel.raw_folder), shape_zyx=(9, 20, 24),
        voxel_um_zyx=(4.0, 5.0, 5.0), channels=[channel_of_files], sheets=1,
    )  # fmt: skip
    typed = {"action": "fill", f"channel-{channel.pk}-raw_subfolder": "run_1"}
    return desk.post(address(sample, "request-enter"), typed).content.decode()


def test_the_form_is_filled_from_the_files_and_nothing_is_saved(desk, sample, imager, settings):
    channel = selectors.channels_of(sample).get()

    page = filled_in(desk, sample, settings, channel_of_files="488")

    channel.refresh_from_db()
    assert f'name="channel-{channel.pk}-z_planes" value="9"' in page
    assert f'name="channel-{channel.pk}-z_step_um" value="4.0"' in page
    assert "Read from" in page
    assert (channel.z_planes, channel.z_step_um) == (PLANES, 10.0)


def test_a_folder_of_another_channel_fills_in_nothing_and_says_so(desk, sample, settings):
    page = filled_in(desk, sample, settings, channel_of_files="647")

    assert "tell nothing of 488 nm" in page
    assert "Read from" not in page


def test_filling_in_before_a_folder_is_chosen_says_what_to_do(desk, sample):
    page = desk.post(address(sample, "request-enter"), {"action": "fill"}).content.decode()

    assert "Choose the raw folder of a channel first" in page


def test_filling_in_from_a_folder_that_is_gone_says_so(desk, sample):
    channel = selectors.channels_of(sample).get()
    typed = {"action": "fill", f"channel-{channel.pk}-raw_subfolder": "run_9"}

    page = desk.post(address(sample, "request-enter"), typed).content.decode()

    assert "cannot be read" in page


def test_a_folder_above_the_place_of_raw_data_is_not_looked_into(desk, sample):
    channel = selectors.channels_of(sample).get()
    typed = {"action": "fill", f"channel-{channel.pk}-raw_subfolder": "../.."}

    page = desk.post(address(sample, "request-enter"), typed).content.decode()

    assert "is not a path below the data root" in page


# --- SmartSPIM


@pytest.fixture
def smartspim(researcher, clearer, imager):
    wanted = ResolutionPlan("3.6x", (ChannelPlan("642", ("generic_imaging",)),))
    plan = a_plan(samples=(a_sample_plan(resolutions=(wanted,)),))
    return a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)


def acquired_tiles(**other):
    values = {"tile_columns": 3, "tile_rows": 5, "tile_overlap": 0.1, "z_planes": 3, **other}
    return Acquisition("Ex_642_Em_2", z_step_um=2.0, **values)


def tiles_of(sample, settings):
    channel = selectors.channels_of(sample).get()
    return stacks.smartspim_delivery(settings.DATA_ROOT / str(channel.raw_folder))


def test_32_a_whole_tree_of_tiles_is_right_and_completes(smartspim, imager, settings):
    set_all_channels(smartspim, acquired_tiles(), by=imager)
    tiles_of(smartspim, settings)

    run = check_and_complete(smartspim, by=imager)

    assert state_of(smartspim) == "complete"
    assert list(run.steps.values_list("name", flat=True)) == ["inspect_raw"]


@pytest.mark.parametrize(
    ("columns", "rows", "found"), [(3, 4, "5 rows"), (3, 8, "5"), (4, 5, "3 columns instead of 4")]
)
def test_31_a_scheme_that_is_not_that_of_the_folders_is_named(
    smartspim, imager, settings, columns, rows, found
):
    scheme = acquired_tiles(tile_columns=columns, tile_rows=rows)
    set_all_channels(smartspim, scheme, by=imager)
    tiles_of(smartspim, settings)

    (delivery,) = check_delivery(smartspim, by=imager)

    assert not delivery.is_right
    assert any(found in problem["what"] for problem in delivery.problems)


def test_one_tile_of_a_smartspim_becomes_a_volume_of_both_sheets(smartspim, imager, settings):
    set_all_channels(
        smartspim, acquired_tiles(tile_columns=1, tile_rows=1, tile_overlap=0.0), by=imager
    )
    channel = selectors.channels_of(smartspim).get()
    stacks.smartspim_delivery(settings.DATA_ROOT / str(channel.raw_folder), columns=1, rows=1)

    run = check_and_complete(smartspim, by=imager)
    carry_out(run)

    assert run.state == RunState.SUCCEEDED
    assert Product.objects.get().side == ""


# --- read again


@pytest.fixture
def imaged(sample, folder, imager):
    check_and_complete(sample, by=imager)
    return ImagingRequest.objects.get(pk=sample.pk)


def read_again(sample, by):
    carry_out(workflows.verify_delivery(sample, by=by))
    workflows.take_in_reports()
    return RawDelivery.objects.get()


def test_a_second_reading_of_what_nobody_touched_finds_it_as_it_was(imaged, imager):
    delivery = read_again(imaged, imager)

    assert delivery.verified_at is not None
    assert delivery.verification == []


def test_a_second_reading_names_a_file_that_changed(imaged, folder, imager):
    stacks.change_size(folder / stacks.plane_name(2))

    delivery = read_again(imaged, imager)

    assert delivery.verification[0]["file"] == stacks.plane_name(2)


def test_the_page_offers_a_second_reading_and_shows_what_it_found(desk, imaged, folder):
    desk.post(address(imaged, "request-verify"))
    carry_out(Run.objects.get(pipeline=VERIFY))
    workflows.take_in_reports()

    page = desk.get(address(imaged)).content.decode()

    assert "every file is as it was at the check" in page


def test_volumes_of_a_sample_that_is_open_again_are_called_out_of_date(desk, imaged, imager):
    (run,) = Run.objects.processing()
    carry_out(run)

    reopen_imaging(imaged, by=imager, reason="other values")

    (matrix,) = matrices_of(imaged.sample, to=imager)
    page = desk.get(address(imaged)).content.decode()
    assert matrix.lines[0].cells[0].why == "Out of date: imaging is open again"
    assert "1 volume made of this sample is out of date" in page


def test_researchers_have_nothing_read_again(imaged, researcher):
    with pytest.raises(NotAllowed):
        workflows.verify_delivery(imaged, by=researcher)


def test_a_second_reading_does_not_make_volumes_old(imaged, imager):
    (run,) = Run.objects.processing()
    carry_out(run)

    read_again(imaged, imager)

    assert not Run.objects.filter(pipeline=CHECK, state=RunState.FAILED).exists()
    assert StepReport.objects.filter(taken_in_at=None).count() == 0
    assert Product.objects.get().retired_at is None


def test_a_report_that_cannot_be_stored_stops_no_other(sample, folder, imager):
    carry_out(workflows.check_delivery(sample, by=imager))
    first = StepReport.objects.get()
    StepReport.objects.filter(pk=first.pk).update(outputs={"report": {"problems": []}})
    carry_out(Run.objects.get(pk=workflows.check_delivery(sample, by=imager).pk))

    assert workflows.take_in_reports() == 1
    assert RawDelivery.objects.get().is_right


def test_the_work_of_a_job_is_the_real_step(sample, folder, imager):
    run = workflows.check_delivery(sample, by=imager)

    carry_out(run, clusters.memory_cluster(do_the_work))

    report = StepReport.objects.get().outputs["report"]
    assert (report["ok"], report["files"]) == (True, PLANES)
