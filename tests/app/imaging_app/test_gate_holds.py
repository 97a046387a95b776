"""Nothing but what was judged goes on: data, values and people that change behind a verdict."""

import numpy as np
import pytest
from django.db import OperationalError
from django.urls import reverse

from core_app.errors import NotReady, StaleState
from imaging_app import raw_data, selectors, workflows
from imaging_app.models import DeliveryWaiver, ImagingRequest, Objective, RawDelivery
from imaging_app.services import deliveries
from imaging_app.services.channels import Acquisition, set_channels
from processing_app.models import Attempt, Run, StepReport
from processing_app.pipelines import CHECK
from requests_app.workflows import reopen_imaging
from tests.support import stacks
from tests.support.checks import carry_out, check_and_complete, check_delivery
from tests.support.scenarios import (
    TWO_CHANNELS,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    set_all_channels,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
PLANES = 6
ACQUIRED = Acquisition("run_1", z_planes=PLANES, z_step_um=10.0, right_sheet=False)


@pytest.fixture
def sample(researcher, clearer, imager):
    found = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    set_all_channels(found, ACQUIRED, by=imager)
    return found


@pytest.fixture
def folder(sample, settings):
    channel = selectors.channels_of(sample).get()
    return stacks.lavision_delivery(settings.DATA_ROOT / str(channel.raw_folder), planes=PLANES)


def write_over(folder, z=2):
    """Another image in place of a plane, without a name coming or going."""
    pixels = np.zeros((12, 16), dtype=np.uint16)
    (folder / stacks.plane_name(z)).write_bytes(written(folder, pixels))


def written(folder, pixels):
    path = folder.parent / "elsewhere.tif"
    stacks.write_plane(path, pixels)
    return path.read_bytes()


def address(sample, page="request"):
    return reverse(f"imaging:{page}", args=[sample.pk])


def typed(sample, **values):
    channel = selectors.channels_of(sample).get()
    return {f"channel-{channel.pk}-{name}": value for name, value in values.items()}


# --- other data


def test_planes_written_over_in_place_after_the_check_are_not_processed(sample, folder, imager):
    check_delivery(sample, by=imager)
    write_over(folder)
    (run,) = workflows.complete_imaging(sample, by=imager)

    carry_out(run)

    attempt = Attempt.objects.get(step__run=run)
    assert attempt.state == "failed"
    assert "not what it was when it was checked: 1 file changed" in attempt.message


def test_planes_written_over_after_the_inspection_are_not_made_a_volume(sample, folder, imager):
    run = check_and_complete(sample, by=imager)
    carry_out(run)
    volume = run.steps.get(name="precompute")

    assert volume.inputs["manifest_digest"] == RawDelivery.objects.get().manifest_digest


def test_a_run_on_older_data_does_not_stand_for_newer_data(sample, folder, imager):
    older = check_and_complete(sample, by=imager)
    reopen_imaging(sample, by=imager, reason="The wrong brain was copied.")
    write_over(folder)

    newer = check_and_complete(ImagingRequest.objects.get(pk=sample.pk), by=imager)

    older.refresh_from_db()
    assert newer != older
    assert older.active_key is None


def test_the_data_can_be_read_again_after_a_run_that_found_other_files(sample, folder, imager):
    check_delivery(sample, by=imager)
    write_over(folder)
    (run,) = workflows.complete_imaging(sample, by=imager)
    carry_out(run)

    carry_out(workflows.verify_delivery(sample, by=imager))
    workflows.take_in_reports()

    (problem,) = RawDelivery.objects.get().verification
    assert problem["file"] == stacks.plane_name(2)


def test_a_report_without_times_of_folders_proves_nothing(sample, folder, imager):
    (delivery,) = check_delivery(sample, by=imager)
    report = delivery.report | {"folders": {}}
    RawDelivery.objects.filter(pk=delivery.pk).update(report=report)

    with pytest.raises(NotReady, match="Press Check the delivery again"):
        workflows.complete_imaging(sample, by=imager)


# --- other values


def test_a_verdict_does_not_outlive_a_correction_of_the_objective(sample, folder, imager):
    check_delivery(sample, by=imager)
    Objective.objects.filter(name="1.3x").update(camera_pixel_um=13)

    with pytest.raises(NotReady, match="is not there yet, or not right"):
        workflows.complete_imaging(sample, by=imager)


def test_the_page_says_that_a_verdict_is_about_other_values(client, sample, folder, imager):
    check_delivery(sample, by=imager)
    Objective.objects.filter(name="1.3x").update(camera_pixel_um=13)
    client.force_login(imager, backend=BACKEND)

    page = client.get(address(sample)).content.decode()

    assert "was changed after this check" in page
    assert "Complete imaging" not in page


def test_what_may_not_be_accepted_any_more_counts_again(sample, folder, imager):
    for z in (1, 2, 3):
        stacks.truncate(folder / stacks.plane_name(z))
    (delivery,) = check_delivery(sample, by=imager)
    (problem,) = delivery.problems
    deliveries.accept(delivery, problem["key"], by=imager, reason="Half of it is enough.")
    RawDelivery.objects.update(problems=[problem | {"waivable": False}])

    assert deliveries.problems_left(RawDelivery.objects.get()) != []


# --- other people


def test_a_colleague_who_completes_first_leaves_nothing_to_check(sample, folder, imager):
    stale = ImagingRequest.objects.get(pk=sample.pk)
    check_and_complete(sample, by=imager)

    with pytest.raises(StaleState, match="finished meanwhile"):
        workflows.check_delivery(stale, by=imager)

    assert Run.objects.filter(pipeline=CHECK).count() == 1


def test_a_check_that_begins_while_somebody_completes_holds_that_up(
    sample, folder, imager, monkeypatch
):
    check_delivery(sample, by=imager)
    colleague = ImagingRequest.objects.get(pk=sample.pk)
    looked = workflows._require_nothing_moved

    def meanwhile(imaging_request):
        looked(imaging_request)
        workflows.check_delivery(colleague, by=imager)

    monkeypatch.setattr(workflows, "_require_nothing_moved", meanwhile)

    with pytest.raises(NotReady, match="is being checked"):
        workflows.complete_imaging(sample, by=imager)

    assert ImagingRequest.objects.get(pk=sample.pk).state == "in progress"


def test_only_who_images_a_sample_has_its_files_looked_at(
    client, sample, folder, researcher, monkeypatch
):
    looks = []
    monkeypatch.setattr(raw_data, "survey_folder", lambda *given: looks.append(given))
    client.force_login(researcher, backend=BACKEND)

    client.post(address(sample, "request-enter"), {"action": "fill", **typed(
        sample, raw_subfolder="run_1")})  # fmt: skip

    assert looks == []


def test_a_report_waits_for_a_database_that_is_busy(sample, folder, imager, monkeypatch):
    carry_out(workflows.check_delivery(sample, by=imager))
    with monkeypatch.context() as busy:
        busy.setattr(deliveries, "store_check", locked)
        workflows.take_in_reports()

    assert workflows.take_in_reports() == 1
    assert StepReport.objects.exclude(taken_in_at=None).count() == 1


def locked(*given, **named):
    raise OperationalError("Deadlock found when trying to get lock")


# --- other folders


@pytest.fixture
def alike(researcher, clearer, imager, settings):
    """Two channels in folders whose names differ in case alone."""
    plan = a_plan(samples=[a_sample_plan(resolutions=(TWO_CHANNELS,))])
    found = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    channels = list(selectors.channels_of(found))
    names = dict(zip([c.pk for c in channels], ("Brain", "brain"), strict=True))
    acquired = {
        pk: Acquisition(name, z_planes=PLANES, z_step_um=10.0, right_sheet=False)
        for pk, name in names.items()
    }
    set_channels(found, acquired, by=imager)
    base = channels[0].resolution.raw_folder(ventral_up=False).under(settings.DATA_ROOT)
    for name in names.values():
        stacks.lavision_delivery(base / name, planes=PLANES)
    stacks.drop_planes(base / "brain", [3])
    return found


def test_folders_that_differ_in_case_alone_have_a_verdict_each(alike, imager):
    check_delivery(alike, by=imager)

    verdicts = dict(RawDelivery.objects.values_list("subfolder", "is_right"))
    assert verdicts == {"Brain": True, "brain": False}


def test_what_is_accepted_of_one_folder_is_not_accepted_of_its_namesake(alike, imager):
    check_delivery(alike, by=imager)
    bad = RawDelivery.objects.get(is_right=False)
    deliveries.accept(bad, bad.problems[0]["key"], by=imager, reason="The brain is gone.")

    assert DeliveryWaiver.objects.filter(subfolder="Brain").count() == 0
    assert selectors.right_folders(alike) == set(selectors.channels_by_folder(alike))


def test_a_second_reading_does_not_take_away_a_reason_that_is_being_typed(
    client, sample, folder, imager
):
    check_and_complete(sample, by=imager)
    workflows.verify_delivery(sample, by=imager)
    reopen_imaging(sample, by=imager, reason="other values")
    client.force_login(imager, backend=BACKEND)

    page = client.get(address(sample)).content.decode()

    assert "Second reading of the raw data" in page
    assert 'hx-trigger="every 2s"' not in page
