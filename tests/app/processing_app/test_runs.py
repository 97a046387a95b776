"""Begin, cancel and retry runs."""

import threading

import pytest
from django.db import connection, transaction

from core_app.errors import NotAllowed, NotReady
from core_app.models import Event
from processing_app.cluster.ports import JobState
from processing_app.models import Product, Run
from processing_app.pipelines import RAW
from processing_app.services import requests, runs
from processing_app.states import AttemptState, RunState
from requests_app.workflows import withdraw_request
from tests.support import clusters
from tests.support.clusters import drive_to, drive_until_over, only_attempt, states_of, tick

pytestmark = pytest.mark.django_db
A = AttemptState


@pytest.fixture
def failed_run(run):
    """A run whose first step succeeded and whose second did not."""
    return drive_until_over(run, clusters.memory_cluster(fail_precompute))


def fail_precompute(job, shell):
    work = clusters.fail_with("BAD_INPUT") if "precompute" in job.name else clusters.succeed
    return work(job, shell)


# Begin.


def test_a_run_has_its_steps_from_the_beginning(run):
    assert list(run.steps.values_list("key", flat=True)) == [
        "inspect-brain_488", "precompute-488-left",
    ]  # fmt: skip


def test_a_run_remembers_who_asked_for_it_and_with_which_version(imaged, imager):
    run = runs.start_run(RAW, imaged, by=imager)

    assert run.requested_by == imager
    assert run.pipeline_version
    assert Event.objects.filter(kind="run", object_id=run.pk, verb="created", by=imager).exists()


def test_a_second_caller_gets_the_active_run(run, imaged):
    assert runs.start_run(RAW, imaged, by=None) == run
    assert Run.objects.processing().count() == 1


def test_a_run_vanishes_with_the_transaction_of_its_caller(imaged):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        runs.start_run(RAW, imaged, by=None)
        1 / 0  # noqa: B018

    assert not Run.objects.exists()


def test_nothing_entered_means_nothing_to_run(researcher, clearer, imager):
    imaged = clusters.scenarios.a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    assert runs.start_run(RAW, imaged, by=None) is None


def test_a_tiled_channel_is_checked_only(researcher, clearer, imager):
    tiled = clusters.an_imaged_sample(
        researcher, clearer=clearer, imager=imager, tile_columns=2, tile_rows=2, tile_overlap=0.1
    )

    run = runs.start_run(RAW, tiled, by=None)

    assert list(run.steps.values_list("name", flat=True)) == ["inspect_raw"]


@pytest.mark.django_db(transaction=True)
def test_two_callers_at_once_start_one_run(imaged):
    gate, found = threading.Barrier(2), []

    def start():
        gate.wait()
        found.append(runs.start_run(RAW, imaged, by=None))
        connection.close()

    callers = [threading.Thread(target=start) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert found[0] == found[1]
    assert Run.objects.processing().count() == 1


# Cancel.


def test_a_planned_run_is_cancelled_at_once(run, processor):
    runs.cancel_run(run, by=processor, reason="wrong sample")

    run.refresh_from_db()
    assert (run.state, run.active_key) == (RunState.CANCELLED, None)
    assert Event.objects.get(kind="run", to=RunState.CANCELLED).note == "wrong sample"


def test_a_running_job_is_asked_to_stop_and_the_run_waits_for_it(run, endless, processor):
    attempt = drive_to(run, endless, A.RUNNING)

    runs.cancel_run(run, by=processor)

    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    drive_until_over(run, endless)
    assert run.state == RunState.CANCELLED
    assert attempt.job_id in endless.scheduler.cancelled
    assert states_of(run) == {"inspect-brain_488": [A.CANCELLED], "precompute-488-left": []}


def test_a_job_that_is_not_handed_in_yet_never_is(run, endless, processor):
    endless.shell.failures.extend([runs_down()] * 2)
    tick(endless)
    runs.cancel_run(run, by=processor)
    endless.shell.failures.clear()

    drive_until_over(run, endless)

    assert run.state == RunState.CANCELLED
    assert endless.scheduler.submissions == []


def runs_down():
    from core_app.errors import Unreachable

    return Unreachable("timed out")


def test_work_that_finished_before_the_cancel_arrived_counts(run, endless, processor):
    attempt = drive_to(run, endless, A.RUNNING)
    runs.cancel_run(run, by=processor)
    job = endless.scheduler.jobs_by_name[attempt.job_id]
    clusters.succeed(job.request, endless.shell)
    endless.shell.write(f"{job.request.folder}/exit_code", b"0")
    job.state, job.exit_code = JobState.ENDED, 0

    drive_until_over(run, endless)

    assert states_of(run)["inspect-brain_488"] == [A.SUCCEEDED]
    assert run.state == RunState.CANCELLED


def test_work_that_finishes_while_it_is_being_stopped_counts(run, endless, processor):
    attempt = drive_to(run, endless, A.RUNNING)
    runs.cancel_run(run, by=processor)
    job = endless.scheduler.jobs_by_name[attempt.job_id]
    drive_to(run, endless, A.CANCELLING, ticks=1)
    clusters.succeed(job.request, endless.shell)
    endless.shell.write(f"{job.request.folder}/exit_code", b"0")

    drive_until_over(run, endless)

    assert states_of(run)["inspect-brain_488"] == [A.SUCCEEDED]


def test_a_cancel_waits_for_a_silent_cluster(run, endless, processor):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.silent.add(attempt.job_id)
    runs.cancel_run(run, by=processor)

    for _ in range(5):
        tick(endless)

    assert only_attempt(run).state == A.CANCELLING
    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def test_cancelling_twice_is_no_harm(run, endless, processor):
    drive_to(run, endless, A.RUNNING)
    runs.cancel_run(run, by=processor)
    runs.cancel_run(run, by=processor)

    drive_until_over(run, endless)

    assert run.state == RunState.CANCELLED


def test_a_finished_run_cannot_be_cancelled(run, cluster, processor):
    drive_until_over(run, cluster)

    with pytest.raises(NotReady, match="nothing to cancel"):
        runs.cancel_run(run, by=processor)


@pytest.mark.parametrize("act", [runs.cancel_run, runs.retry_run])
@pytest.mark.parametrize("person", ["researcher", "stranger", "imager", "labmate"])
def test_only_processing_staff_may_cancel_or_retry(act, person, run, request):
    with pytest.raises(NotAllowed):
        act(run, by=request.getfixturevalue(person))


def test_a_withdrawn_request_takes_its_runs_along(run, imaged, endless, manager):
    drive_to(run, endless, A.RUNNING)

    withdraw_request(imaged.sample.request, by=manager, reason="the brain broke")

    drive_until_over(run, endless)
    assert run.state == RunState.CANCELLED


# Retry.


def test_a_retry_keeps_what_succeeded(failed_run, cluster, processor):
    runs.retry_run(failed_run, by=processor)

    drive_until_over(failed_run, cluster)

    assert failed_run.state == RunState.SUCCEEDED
    assert states_of(failed_run) == {
        "inspect-brain_488": [A.SUCCEEDED],
        "precompute-488-left": [A.FAILED, A.SUCCEEDED],
    }


def test_a_retry_of_what_is_still_wrong_fails_again(failed_run, processor):
    runs.retry_run(failed_run, by=processor)

    drive_until_over(failed_run, clusters.memory_cluster(fail_precompute))

    assert failed_run.state == RunState.FAILED
    assert states_of(failed_run)["precompute-488-left"] == [A.FAILED, A.FAILED]


def test_a_cancelled_run_can_be_taken_up_again(run, endless, cluster, processor):
    drive_to(run, endless, A.RUNNING)
    runs.cancel_run(run, by=processor)
    drive_until_over(run, endless)

    runs.retry_run(run, by=processor)

    drive_until_over(run, cluster)
    assert run.state == RunState.SUCCEEDED


def test_a_run_that_did_not_fail_cannot_be_retried(run, processor):
    with pytest.raises(NotReady, match="planned"):
        runs.retry_run(run, by=processor)


def test_a_retry_gives_way_to_a_newer_run(failed_run, imaged, processor):
    newer = runs.start_run(RAW, imaged, by=None)

    with pytest.raises(NotReady, match=f"Run {newer.pk}"):
        runs.retry_run(failed_run, by=processor)

    failed_run.refresh_from_db()
    assert failed_run.state == RunState.FAILED


def test_a_rerun_replaces_the_product(run, cluster, imaged):
    drive_until_over(run, cluster)
    first = Product.objects.get()

    again = runs.start_run(RAW, imaged, by=None)
    drive_until_over(again, cluster)

    product = Product.objects.get()
    assert product.pk == first.pk
    assert product.step.run == again


# Rounds of processing.


@pytest.mark.parametrize(
    ("fit_for", "pipeline"),
    [
        (["lightsheet"], "lightsheet"),
        (["smartspim"], "correction"),
        (["elsewhere"], None),
        ([], None),
    ],
)
def test_an_objective_names_the_pipeline_of_its_images(imaged, fit_for, pipeline):
    objective = imaged.resolutions.get().objective
    objective.pipelines = fit_for

    assert requests.processing_pipeline_for(objective) == pipeline


def test_a_round_needs_finished_imaging(imaged, researcher):
    with pytest.raises(NotReady, match="not finished"):
        requests.open_processing_request(imaged, by=researcher)


def test_a_stranger_cannot_ask_for_processing(imaged, stranger):
    with pytest.raises(NotAllowed):
        requests.open_processing_request(imaged, by=stranger)
