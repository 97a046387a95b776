"""What must not keep a run for ever, nor end it while its job is still at work."""

from dataclasses import replace

import pytest

from core_app.errors import Misconfigured, Unreachable
from processing_app import workflows
from processing_app.cluster.ports import JobReport, JobState
from processing_app.models import Attempt, ClusterStatus
from processing_app.services import clusters as services
from processing_app.services import driving, runs
from processing_app.states import AttemptState, RunState
from tests.support import clusters
from tests.support.clusters import drive_to, drive_until_over, only_attempt, tick

pytestmark = pytest.mark.django_db
A = AttemptState


# A cluster that is frozen, paused or in trouble.


def test_a_run_whose_job_was_never_handed_in_is_cancelled_on_a_frozen_cluster(
    run, cluster, default, operator, processor
):
    services.freeze(default, by=operator, reason="maintenance")
    tick(cluster)
    assert only_attempt(run).state == A.NEW
    runs.cancel_run(run, by=processor)

    drive_until_over(run, cluster, ticks=3)

    assert run.state == RunState.CANCELLED
    assert cluster.scheduler.submissions == []


def test_a_run_whose_job_was_never_handed_in_is_cancelled_on_a_paused_cluster(
    run, default, processor
):
    services.pause(services.status_of("default"), "the key is refused")
    workflows.drive(clusters.BUDGET)
    assert only_attempt(run).state == A.NEW
    runs.cancel_run(run, by=processor)

    workflows.drive(clusters.BUDGET)

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_a_job_whose_id_was_not_saved_is_watched_on_a_frozen_cluster(
    run, endless, default, operator
):
    attempt = drive_to(run, endless, A.RUNNING)
    Attempt.objects.filter(pk=attempt.pk).update(state=A.SUBMITTING, job_id="")
    services.freeze(default, by=operator, reason="maintenance")

    tick(endless)
    tick(endless)

    assert only_attempt(run).state == A.RUNNING
    assert len(endless.scheduler.submissions) == 1


def test_a_job_that_never_arrived_is_not_handed_in_on_a_frozen_cluster(
    run, endless, default, operator
):
    attempt = drive_to(run, endless, A.RUNNING)
    Attempt.objects.filter(pk=attempt.pk).update(state=A.SUBMITTING, job_id="")
    endless.scheduler.jobs_by_name.clear()
    services.freeze(default, by=operator, reason="maintenance")

    tick(endless)

    assert only_attempt(run).state == A.SUBMITTING
    assert len(endless.scheduler.submissions) == 1


def test_files_that_cannot_be_read_are_the_trouble_of_the_cluster(run, endless, default):
    drive_to(run, endless, A.RUNNING)
    endless.shell.failures = [Unreachable("file system", "stale handle")]

    summary = tick(endless)

    status = ClusterStatus.objects.get(cluster=default)
    assert "stale handle" in status.trouble
    assert any("stale handle" in trouble for trouble in summary.troubles)
    assert only_attempt(run).state == A.RUNNING


def test_a_cluster_that_our_own_mistake_keeps_from_being_served_shows_it(run, default, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a mistake")

    workflows.drive(clusters.BUDGET)
    monkeypatch.setattr(driving, "serve", broken)

    workflows.drive(clusters.BUDGET)

    status = ClusterStatus.objects.get(cluster=default)
    assert status.silent_since is not None
    assert "ZeroDivisionError" in status.trouble


def test_a_cluster_that_cannot_be_opened_for_a_wrong_key_is_paused(run, default, monkeypatch):
    def broken(*_):
        raise Misconfigured("no key", "/etc/lightserv/key is missing")

    monkeypatch.setattr(workflows, "open_cluster", broken)

    workflows.drive(clusters.BUDGET)

    assert ClusterStatus.objects.get(cluster=default).paused_at is not None


# Jobs under other ids, and ids of other jobs.


def test_an_id_that_now_belongs_to_another_job_says_nothing_about_ours(run, endless, monkeypatch):
    attempt = drive_to(run, endless, A.RUNNING)
    report = JobReport(JobState.RUNNING, "slurm", name="ls-r9-1234abcd-other-a1")
    monkeypatch.setattr(type(endless.scheduler), "poll", lambda *_: {attempt.job_id: report})
    clusters.let_pass(3600)

    tick(endless)

    attempt.refresh_from_db()
    assert attempt.state == A.LOST
    tick(endless)
    assert only_attempt(run).number == 2
    assert endless.scheduler.cancelled == []


def test_a_job_under_another_id_is_stopped_before_its_cancel_is_confirmed(run, endless, processor):
    attempt = drive_to(run, endless, A.RUNNING)
    scheduler = endless.scheduler
    double = replace(scheduler.jobs_by_name[attempt.job_name], state=JobState.ENDED)
    scheduler.jobs_by_name["double"] = double
    Attempt.objects.filter(pk=attempt.pk).update(job_id="double")
    runs.cancel_run(run, by=processor)

    drive_until_over(run, endless, ticks=6)

    assert run.state == RunState.CANCELLED
    assert attempt.job_name in scheduler.cancelled


# Clocks and many tasks.


def test_tries_are_counted_although_another_clock_is_ahead(run, cluster):
    failing = clusters.memory_cluster(clusters.fail_with("BAD_INPUT"))
    begin = runs.begin

    def ahead(run):
        begin(run)
        run.state_since += clusters.timedelta(minutes=5)
        run.save(update_fields=["state_since"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "begin", ahead)
        drive_until_over(run, failing)

    assert run.state == RunState.FAILED
    assert Attempt.objects.filter(step__run=run).count() == 1


def test_the_heartbeat_of_any_task_keeps_an_array_alive(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    Attempt.objects.filter(pk=attempt.pk).update(tasks=list(range(20)))
    endless.scheduler.forgotten = {attempt.job_id}
    for number in range(20):
        folder = f"/jobs/{attempt.job_name}/task-{number}"
        endless.shell.make_folder(folder)
        endless.shell.write(f"{folder}/heartbeat", b"1700000000\n")
    tick(endless)
    clusters.let_pass(3600)
    endless.shell.write(f"/jobs/{attempt.job_name}/task-19/heartbeat", b"1700000099\n")

    tick(endless)

    attempt.refresh_from_db()
    assert attempt.state == A.RUNNING
