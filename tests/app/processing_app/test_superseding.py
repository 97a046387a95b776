"""Imaging that is corrected and completed again: the newest values win, and no two runs write."""

import threading

import pytest
from django.db import connection
from django_q.models import OrmQ

from core_app.errors import NotReady
from core_app.models import Event
from imaging_app.models import ImagingRequest
from processing_app import selectors, workflows
from processing_app.models import Product, Run, Step
from processing_app.pipelines import RAW
from processing_app.services import rounds, runs
from processing_app.states import AttemptState, RunState
from requests_app.models import Request
from requests_app.states import RequestState
from requests_app.workflows import (
    close_finished_requests,
    has_open_work,
    reopen_imaging,
    withdraw_request,
)
from tests.support import clusters
from tests.support.clusters import drive_to, drive_until_over, image_again, states_of, tick
from viewers_app import selectors as viewers
from viewers_app.services import layers

pytestmark = pytest.mark.django_db
A = AttemptState


@pytest.fixture
def failing():
    return clusters.memory_cluster(clusters.fail_with("BAD_INPUT"))


@pytest.fixture
def _not_processed(imaged, researcher):
    """A round of processing that waits would keep the request open."""
    rounds.set_aside(imaged.processing_requests.get(), by=researcher, reason="looked at only")


def voxel_of(run):
    return run.steps.get(name="precompute").parameters["voxel_um"]


def is_rung():
    return any(queued.func() == runs.DRIVE for queued in OrmQ.objects.all())


def refreshed(run):
    return Run.objects.get(pk=run.pk)


# Correct and complete while a run is active.


def test_corrected_values_get_a_run_of_their_own(run, imaged, imager):
    newer = image_again(imaged, by=imager, z_step_um=5.0)

    assert newer != run
    assert voxel_of(newer)[2] == 5.0


def test_the_run_with_the_old_values_is_cancelled_and_says_why(run, imaged, imager):
    image_again(imaged, by=imager, z_step_um=5.0)

    assert refreshed(run).state == RunState.CANCELLED
    event = Event.objects.get(kind="run", object_id=run.pk, to=RunState.CANCELLED)
    assert event.by is None
    assert "superseded" in event.note.lower()


def test_the_same_values_again_keep_the_active_run(run, imaged, imager):
    assert image_again(imaged, by=imager) == run


def test_a_run_that_is_being_cancelled_is_not_handed_out_again(run, imaged, endless, imager):
    drive_to(run, endless, A.RUNNING)
    runs.cancel_run(run, by=None)

    assert image_again(imaged, by=imager) != run


def test_the_new_run_begins_only_when_the_old_one_has_stopped(run, imaged, endless, imager):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.silent.add(attempt.job_id)
    newer = image_again(imaged, by=imager, z_step_um=5.0)
    for _ in range(3):
        tick(endless)
    assert states_of(newer) == {"inspect-brain_488": [], "precompute-488-left": []}

    endless.scheduler.silent.clear()
    for _ in range(3):
        tick(endless)

    assert refreshed(run).state == RunState.CANCELLED
    assert states_of(newer)["inspect-brain_488"]


def test_in_the_end_the_product_has_the_corrected_voxel_size(run, imaged, cluster, imager):
    drive_to(run, cluster, A.RUNNING)
    newer = image_again(imaged, by=imager, z_step_um=5.0)

    drive_until_over(newer, cluster)

    assert newer.state == RunState.SUCCEEDED
    assert Product.objects.get().step.run == newer


def test_a_third_correction_takes_the_place_of_the_second(run, imaged, endless, imager):
    drive_to(run, endless, A.RUNNING)
    second = image_again(imaged, by=imager, z_step_um=5.0)

    third = image_again(imaged, by=imager, z_step_um=4.0)

    assert refreshed(second).state == RunState.CANCELLED
    assert Run.objects.exclude(active_key=None).get() == third


def test_the_new_run_first_stops_what_the_old_one_had_lost(run, imaged, endless, imager):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.forgotten.add(attempt.job_id)
    clusters.let_pass(3600)
    tick(endless)
    assert states_of(run)["inspect-brain_488"] == [A.LOST, A.NEW]

    newer = image_again(imaged, by=imager, z_step_um=5.0)
    tick(endless)
    drive_to(newer, endless, A.RUNNING)

    assert endless.scheduler.cancelled == [attempt.job_id]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_complete_at_once_one_run_comes(run, imaged, imager):
    Step.objects.filter(run=run, name="precompute").update(parameters={"voxel_um": [1, 1, 1]})
    gate, found = threading.Barrier(2), []

    def start():
        gate.wait()
        found.append(runs.start_run(RAW, ImagingRequest.objects.get(pk=imaged.pk), by=None))
        connection.close()

    callers = [threading.Thread(target=start) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert found[0] == found[1] != run
    assert Run.objects.processing().count() == 2


@pytest.mark.django_db(transaction=True)
def test_corrections_while_a_driver_is_at_work_end_with_the_newest_values(run, imaged, cluster):
    done = threading.Event()

    def drive():
        while not done.is_set():
            tick(cluster)
        connection.close()

    driver = threading.Thread(target=drive)
    driver.start()
    for voxel in range(1, 6):
        Step.objects.filter(name="precompute").update(parameters={"voxel_um": [voxel] * 3})
        runs.start_run(RAW, ImagingRequest.objects.get(pk=imaged.pk), by=None)
    done.set()
    driver.join()

    newest = drive_until_over(Run.objects.order_by("-pk")[0], cluster)
    assert newest.state == RunState.SUCCEEDED
    assert Product.objects.get().step.run == newest
    assert not Run.objects.exclude(active_key=None).exists()


def test_completing_rings_for_the_driver(imaged, imager):
    clusters.deliver(imaged)
    OrmQ.objects.all().delete()

    image_again(imaged, by=imager)

    assert is_rung()


def test_withdrawing_rings_for_the_driver(run, imaged, manager):
    OrmQ.objects.all().delete()

    withdraw_request(imaged.sample.request, by=manager, reason="the brain broke")

    assert is_rung()


# Retry.


def test_a_failed_run_with_a_newer_one_is_not_retried(
    run, imaged, failing, cluster, imager, processor
):
    drive_until_over(run, failing)
    newer = image_again(imaged, by=imager, z_step_um=5.0)
    drive_until_over(newer, cluster)

    with pytest.raises(NotReady, match=f"Run {newer.pk}"):
        runs.retry_run(run, by=processor)


def test_a_run_of_re_opened_imaging_is_not_retried(run, imaged, failing, imager, processor):
    drive_until_over(run, failing)
    reopen_imaging(ImagingRequest.objects.get(pk=imaged.pk), by=imager, reason="wrong z step")

    with pytest.raises(NotReady, match="Complete it"):
        runs.retry_run(run, by=processor)


def test_a_run_of_a_withdrawn_request_is_not_retried(run, imaged, failing, manager, processor):
    drive_until_over(run, failing)
    withdraw_request(Request.objects.get(), by=manager, reason="the brain broke")

    with pytest.raises(NotReady, match="withdrawn"):
        runs.retry_run(run, by=processor)


def test_a_run_that_would_be_planned_otherwise_now_is_not_retried(run, failing, processor):
    drive_until_over(run, failing)
    step = run.steps.get(name="precompute")
    Step.objects.filter(pk=step.pk).update(parameters={**step.parameters, "voxel_um": [1, 1, 1]})

    with pytest.raises(NotReady, match="Re-open its imaging"):
        runs.retry_run(run, by=processor)


def test_the_run_page_says_why_there_is_no_retry(run, imaged, failing, imager, processor):
    drive_until_over(run, failing)
    newer = image_again(imaged, by=imager, z_step_um=5.0)

    view = selectors.overview(refreshed(run), to=processor)

    assert not view.can_retry
    assert f"Run {newer.pk}" in view.why_no_retry


@pytest.mark.usefixtures("_not_processed")
def test_a_retry_opens_a_closed_request_again(run, imaged, endless, cluster, processor):
    drive_to(run, endless, A.RUNNING)
    runs.cancel_run(run, by=processor)
    drive_until_over(run, endless)
    assert close_finished_requests() == 1

    workflows.retry_run(run, by=processor)

    request = Request.objects.get()
    assert request.state == RequestState.SUBMITTED
    assert Event.objects.filter(kind="request", came_from=RequestState.CLOSED, by=processor)


@pytest.mark.usefixtures("_not_processed")
def test_a_refused_retry_leaves_the_request_closed(run, endless, cluster, processor):
    drive_until_over(run, cluster)
    close_finished_requests()

    with pytest.raises(NotReady):
        workflows.retry_run(run, by=processor)

    assert Request.objects.get().state == RequestState.CLOSED


# What keeps a request open.


def test_a_failed_run_keeps_the_request_open(run, failing):
    drive_until_over(run, failing)

    assert has_open_work(Request.objects.get())


@pytest.mark.usefixtures("_not_processed")
def test_a_failed_run_does_not_once_a_newer_one_succeeded(run, imaged, failing, cluster, imager):
    drive_until_over(run, failing)
    drive_until_over(image_again(imaged, by=imager, z_step_um=5.0), cluster)

    assert not has_open_work(Request.objects.get())


def test_a_run_that_is_being_stopped_still_keeps_the_request_open(run, endless, processor):
    drive_to(run, endless, A.RUNNING)
    runs.cancel_run(run, by=processor)

    assert has_open_work(Request.objects.get())


# Set aside.


@pytest.mark.usefixtures("_not_processed")
def test_a_failed_run_is_set_aside_with_a_reason(run, failing, processor):
    drive_until_over(run, failing)

    runs.cancel_run(run, by=processor, reason="the brain is imaged again next week")

    assert refreshed(run).state == RunState.CANCELLED
    assert close_finished_requests() == 1
    event = Event.objects.get(kind="run", came_from=RunState.FAILED)
    assert event.note == "the brain is imaged again next week"


def test_a_failed_run_is_not_set_aside_without_a_reason(run, failing, processor):
    drive_until_over(run, failing)

    with pytest.raises(NotReady, match="why"):
        runs.cancel_run(run, by=processor)


# Products of an earlier acquisition.


@pytest.fixture
def both_sheets(imaged, cluster, imager):
    """Products of the left and the right sheet, of a run that succeeded."""
    clusters.deliver(imaged)
    clusters.deliver(imaged, sheets=2, subfolder="both")
    run = image_again(imaged, by=imager, raw_subfolder="both", right_sheet=True)
    drive_until_over(run, cluster)
    return {product.side: product for product in Product.objects.all()}


def only_right(imaged, imager):
    return image_again(imaged, by=imager, left_sheet=False, right_sheet=True, z_step_um=5.0)


def retired():
    return {product.side for product in Product.objects.exclude(retired_at=None)}


def current():
    return {product.side for product in selectors.current_products()}


def test_what_the_new_acquisition_does_not_have_is_retired(both_sheets, imaged, cluster, imager):
    drive_until_over(only_right(imaged, imager), cluster)

    assert retired() == {"left"}
    assert current() == {"right"}


def test_a_retired_product_is_no_longer_offered(both_sheets, imaged, cluster, imager, researcher):
    drive_until_over(only_right(imaged, imager), cluster)
    layers.publish_new_products()

    offered = viewers.visible_layers(to=researcher)
    assert [layer.product.side for layer in offered] == ["right"]


def test_until_the_new_run_has_succeeded_nothing_is_retired(both_sheets, imaged, failing, imager):
    drive_until_over(only_right(imaged, imager), failing)

    assert retired() == set()
    assert current() == set()


def test_products_of_finished_imaging_are_current(both_sheets):
    assert current() == {"left", "right"}
    assert selectors.is_current(both_sheets["left"])


def test_products_are_out_of_date_while_imaging_is_open_again(both_sheets, imaged, imager):
    reopen_imaging(ImagingRequest.objects.get(pk=imaged.pk), by=imager, reason="wrong z step")

    assert current() == set()
    assert retired() == set()


def test_a_product_made_again_comes_back(both_sheets, imaged, cluster, imager):
    drive_until_over(only_right(imaged, imager), cluster)
    again = image_again(imaged, by=imager, raw_subfolder="both", right_sheet=True)

    drive_until_over(again, cluster)

    assert retired() == set()
    assert current() == {"left", "right"}


def test_products_of_another_sample_stay(both_sheets, imaged, cluster, researcher, clearer, imager):
    plan = clusters.scenarios.a_plan("second")
    other = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
    clusters.deliver(other)
    drive_until_over(image_again(other, by=imager), cluster)

    assert retired() == set()


# A volume is tied to the content that was checked.


def test_the_volume_is_told_the_digest_of_what_was_checked(run, cluster):
    drive_until_over(run, cluster)

    specs = [cluster.shell.files[path] for path in cluster.shell.files if "precompute" in path
             and path.endswith("spec.json")]  # fmt: skip
    assert b'"manifest_digest": "' + b"0" * 32 in specs[0]
