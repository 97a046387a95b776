"""manage.py reconcile: every difference is listed, and only what is chosen is repaired."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from core_app.errors import Silent, Unreachable
from core_app.models import Event
from processing_app.cluster.ports import CommandResult, JobId, JobRequest, JobSeen, JobState
from processing_app.cluster.scheduler_memory import MemoryJob, MemoryScheduler
from processing_app.cluster.shell_local import LocalShell
from processing_app.job_folders import split
from processing_app.models import Attempt, ClusterStatus, Deployment
from processing_app.services import deploying, repairs
from processing_app.states import AttemptState, RunState
from tests.app.processing_app.test_deploy import a_cluster
from tests.support import clusters
from tests.support.clusters import drive_to, drive_until_over, only_attempt
from tests.support.commands import answer_of

pytestmark = pytest.mark.django_db
A = AttemptState
STRAY = "ls-r99-65a0b1c2-precompute-488-left-a1"


class Shelf:
    """The commands that reconcile gives, on the folders of a memory shell."""

    def __init__(self, shell):
        self.shell, self.commands = shell, []

    def find(self, argv, cwd):
        self.commands.append(argv)
        below = [path.removeprefix("/jobs/") for path in self.shell.folders if path != "/jobs"]
        return CommandResult(0, "".join(f"{path}\n" for path in below), "")

    def remove(self, argv, cwd):
        self.commands.append(argv)
        self.shell.folders -= set(argv[4:])
        return CommandResult(0, "", "")


@pytest.fixture
def cluster(enter, db):
    made = clusters.memory_cluster(clusters.goes_on)
    shelf = Shelf(made.shell)
    made.shell.commands |= {"find": shelf.find, "rm": shelf.remove}
    return enter(made)


@pytest.fixture
def running(run, cluster):
    attempt = drive_to(run, cluster, A.RUNNING)
    _long_ago()
    return attempt


def _long_ago():
    """As if everything had been so for an hour: what moves just now is left out."""
    past = timezone.now() - timedelta(hours=1)
    Attempt.objects.update(state_since=past)
    Attempt.objects.exclude(submitted_at=None).update(submitted_at=past)


def reconcile(*arguments):
    """Return what was found, as pairs of kind and outcome, and the exit code."""
    document, code = answer_of("reconcile", *arguments)
    (report,) = document["clusters"]
    return [(one["kind"], one["outcome"]["word"]) for one in report["differences"]], code


def notes(attempt):
    return Event.objects.filter(kind="attempt", object_id=attempt.pk, verb="reconciled").count()


def a_stray(cluster, name=STRAY):
    cluster.shell.make_folder(f"/jobs/{name}")
    job = JobRequest(name, f"/jobs/{name}", f"/jobs/{name}/job.sh")
    cluster.scheduler.jobs_by_name[name] = MemoryJob(job, JobState.RUNNING)


def test_nothing_differs_while_a_job_runs(running):
    assert reconcile() == ([], 0)


def test_nothing_is_done_without_being_asked(running, cluster):
    a_stray(cluster)

    assert reconcile() == ([("job-without-attempt", "listed")], 1)
    assert cluster.scheduler.cancelled == []


def test_a_dry_run_says_what_would_be_done_and_does_nothing(running, cluster):
    a_stray(cluster)

    assert reconcile("--repair", "all", "--dry-run") == ([("job-without-attempt", "planned")], 1)
    assert cluster.scheduler.cancelled == []


def test_a_job_without_attempt_is_cancelled_then_its_folder_removed(running, cluster, row):
    a_stray(cluster)

    assert reconcile("--repair", "all") == ([("job-without-attempt", "repaired")], 0)
    assert cluster.scheduler.cancelled == [STRAY]
    assert reconcile("--repair", "all") == ([("folder-without-attempt", "repaired")], 0)
    assert f"/jobs/{STRAY}" not in cluster.shell.folders
    assert f"/jobs/{running.job_name}" in cluster.shell.folders
    assert Event.objects.filter(kind="cluster", object_id=row.pk, verb="reconciled").count() == 2


def test_the_job_of_an_attempt_that_is_over_is_cancelled(running, cluster):
    Attempt.objects.filter(pk=running.pk).update(**{"state": A.LOST, "reason": "LOST"})

    assert reconcile("--repair", "job-without-attempt")[0] == [("job-without-attempt", "repaired")]
    assert cluster.scheduler.cancelled == [running.job_name]
    assert notes(running) == 1


def test_a_job_is_not_cancelled_if_its_attempt_lives_again(running, cluster, row):
    (lost,) = [running.job_name]
    stale = repairs.Difference(repairs.Kind.JOB_WITHOUT_ATTEMPT, lost, "", jobs=(JobId(lost),))

    done = repairs.carry_out([stale], row, cluster, {stale.kind})

    assert done == [(stale, repairs.GONE)]
    assert cluster.scheduler.cancelled == []


def test_an_id_that_was_not_saved_is_saved(running, cluster):
    Attempt.objects.filter(pk=running.pk).update(job_id="")

    assert reconcile("--repair", "id-not-saved") == ([("id-not-saved", "repaired")], 0)
    running.refresh_from_db()
    assert running.job_id == running.job_name
    assert notes(running) == 1


def test_an_id_that_a_driver_saved_meanwhile_is_left_alone(running, cluster, row):
    stale = repairs.Difference(
        repairs.Kind.ID_NOT_SAVED, running.job_name, "", running.pk, (JobId(running.job_name),)
    )

    assert repairs.carry_out([stale], row, cluster, {stale.kind}) == [(stale, repairs.GONE)]


class Doubled(MemoryScheduler):
    """A scheduler that took one job twice."""

    def jobs(self):
        return [*super().jobs(), JobSeen(JobId("twin"), self.submissions[0], JobState.RUNNING, "")]


def test_of_two_jobs_the_one_that_is_not_recorded_is_cancelled(run, enter):
    usual = clusters.memory_cluster(clusters.goes_on)
    scheduler = Doubled(usual.shell, clusters.goes_on)
    cluster = enter(clusters.memory_cluster(shell=usual.shell, scheduler=scheduler))
    usual.shell.commands["find"] = Shelf(usual.shell).find
    drive_to(run, cluster, A.RUNNING)
    _long_ago()

    assert reconcile("--repair", "several-jobs") == ([("several-jobs", "repaired")], 0)
    assert scheduler.cancelled == ["twin"]


def test_a_job_that_is_gone_is_looked_at_now_and_not_ended(running, cluster):
    cluster.scheduler.forgotten.add(running.job_name)
    later = timezone.now() + timedelta(minutes=5)
    Attempt.objects.filter(pk=running.pk).update(next_look_at=later)

    assert reconcile("--repair", "all") == ([("job-gone", "repaired")], 0)
    running.refresh_from_db()
    assert running.state == A.RUNNING
    assert running.next_look_at <= timezone.now()


def test_a_job_about_which_nothing_is_known_is_not_gone(running, cluster):
    cluster.scheduler.forgotten.add(running.job_name)
    cluster.scheduler.silent.add(running.job_name)

    assert reconcile() == ([], 0)


def test_work_that_nobody_saw_end_is_looked_at_now(running, cluster):
    cluster.shell.write(f"/jobs/{running.job_name}/exit_code", b"0")
    later = timezone.now() + timedelta(minutes=5)
    Attempt.objects.filter(pk=running.pk).update(next_look_at=later)

    assert reconcile("--repair", "finished-unseen") == ([("finished-unseen", "repaired")], 0)
    running.refresh_from_db()
    assert running.next_look_at <= timezone.now()
    assert notes(running) == 1


def test_a_missing_folder_is_said_on_the_attempt(running, cluster):
    cluster.shell.folders.remove(f"/jobs/{running.job_name}")

    assert reconcile("--repair", "all") == ([("folder-missing", "repaired")], 0)
    running.refresh_from_db()
    assert "folder is not on the cluster" in running.trouble
    assert running.state == A.RUNNING


@pytest.fixture
def late(run, cluster):
    """A run that was given up, and whose result turned up afterwards."""
    failed = drive_until_over(run, _with_commands(cluster, clusters.fail_with("STEP_ERROR")))
    assert failed.state == RunState.FAILED
    attempt = only_attempt(run)
    clusters.succeed(JobRequest(attempt.job_name, f"/jobs/{attempt.job_name}", ""), cluster.shell)
    _long_ago()
    return attempt


def _with_commands(cluster, work):
    cluster.scheduler.work = work
    return cluster


def test_a_result_that_came_late_is_listed_and_not_part_of_all(late):
    assert reconcile("--repair", "all") == ([("late-result", "listed")], 1)


def test_a_run_is_retried_where_that_is_asked_for_by_name(late, run):
    assert reconcile("--repair", "late-result") == ([("late-result", "repaired")], 0)
    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def test_a_run_that_may_not_be_retried_is_left_with_the_reason(late, run, imager):
    clusters.image_again(run.imaging_request, by=imager, z_step_um=12.0)

    found, code = reconcile("--repair", "late-result")

    assert ("late-result", "left") in found
    assert code == 1


def test_a_deployment_that_is_not_there_is_noted_as_removed(cluster, row):
    values = {"version": "1.0", "python": "/jobs/pipelines/1.0-aa/bin/python"}
    folder = "/jobs/pipelines/1.0-aa"
    gone = Deployment.objects.create(cluster=row, digest="aa", folder=folder, **values)
    there = Deployment.objects.create(
        cluster=row, digest="bb", folder="/jobs/pipelines/x", **values
    )
    cluster.shell.make_folder("/jobs/pipelines/x")
    cluster.shell.write("/jobs/pipelines/x/deployed.json", b'{"digest": "bb"}')
    cluster.shell.make_folder("/jobs/pipelines/pipeline-0.9-0123abcd")

    found = reconcile("--repair", "all")

    assert found == ([("deployment-missing", "repaired"), ("deployment-unknown", "listed")], 1)
    gone.refresh_from_db()
    there.refresh_from_db()
    assert gone.removed_at is not None
    assert there.removed_at is None


def test_a_cluster_without_a_status_gets_one(cluster, row):
    ClusterStatus.objects.filter(cluster=row).delete()

    assert reconcile() == ([("status-missing", "listed")], 1)
    assert reconcile("--repair", "all") == ([("status-missing", "repaired")], 0)
    assert ClusterStatus.objects.filter(cluster=row).exists()


def test_a_cluster_that_gives_no_answer_is_not_one_without_jobs(running, cluster):
    cluster.scheduler.failures = [Unreachable("no answer of Slurm", "timed out")]
    out = StringIO()

    with pytest.raises(SystemExit):
        call_command("reconcile", "--repair", "all", stdout=out)

    assert "could not be asked, so nothing is known" in out.getvalue()
    running.refresh_from_db()
    assert running.state == A.RUNNING


class Falling(MemoryScheduler):
    """A scheduler that answers questions, and falls silent at the first cancel."""

    def cancel(self, job_id):
        self.cancelled.append(job_id)
        raise Silent("no connection", "10.0.0.1 does not answer")


def test_what_could_not_be_repaired_is_left_and_a_silent_cluster_is_asked_once(cluster, enter):
    scheduler = Falling(cluster.shell, clusters.goes_on)
    silent = enter(clusters.memory_cluster(shell=cluster.shell, scheduler=scheduler))
    a_stray(silent)
    a_stray(silent, STRAY.replace("r99", "r98"))

    assert reconcile("--repair", "all") == ([("job-without-attempt", "left")] * 2, 1)
    assert len(scheduler.cancelled) == 1


def test_a_folder_that_got_an_attempt_meanwhile_stays(running, cluster, row):
    name = running.job_name
    stale = repairs.Difference(repairs.Kind.FOLDER_WITHOUT_ATTEMPT, name, "")

    assert repairs.carry_out([stale], row, cluster, {stale.kind}) == [(stale, repairs.GONE)]
    assert f"/jobs/{name}" in cluster.shell.folders


def test_a_thousand_stray_folders_take_few_commands(enter, db):
    cluster = enter(clusters.memory_cluster(clusters.goes_on))
    shelf = Shelf(cluster.shell)
    cluster.shell.commands |= {"find": shelf.find, "rm": shelf.remove}
    for number in range(1000):
        cluster.shell.make_folder(f"/jobs/ls-r{number + 500}-65a0b1c2-precompute-a1")

    found, code = reconcile("--repair", "folder-without-attempt")

    assert (len(found), code) == (1000, 0)
    assert len(shelf.commands) <= 11
    left, _ = split("\n".join(path.removeprefix("/jobs/") for path in cluster.shell.folders))
    assert not left


def test_an_unknown_cluster_is_refused(cluster):
    with pytest.raises(CommandError, match="no cluster nowhere"):
        call_command("reconcile", "--cluster", "nowhere")


def test_real_folders_and_processes_are_compared(run, settings):
    """The settings' own cluster: processes of this host."""
    cluster = clusters.real_cluster()
    drive_until_over(run, cluster, ticks=400, pause_s=0.05)
    _long_ago()
    stray = settings.CLUSTER_WORKDIR / STRAY
    stray.mkdir()
    (stray / "spec.json").write_text("{}")
    (settings.CLUSTER_WORKDIR / "somebody-elses").mkdir()

    assert reconcile() == ([("folder-without-attempt", "listed")], 1)
    assert reconcile("--repair", "all") == ([("folder-without-attempt", "repaired")], 0)
    assert not stray.exists()
    assert (settings.CLUSTER_WORKDIR / "somebody-elses").is_dir()
    assert reconcile() == ([], 0)


def test_what_deploy_pipeline_makes_agrees_until_somebody_removes_it(enter, tmp_path):
    row = a_cluster(tmp_path / "work")
    done = deploying.deploy(row, shell=LocalShell())
    (tmp_path / "work" / "pipelines" / "env-0123456789ab-65a0b1c2-aabbcc").mkdir()
    shell = LocalShell()
    workdir = str(tmp_path / "work")
    enter(clusters.memory_cluster(name="hpc", shell=shell, workdir=workdir, python_path=""))

    assert reconcile("--cluster", "hpc") == ([], 0)
    (Path(done.folder) / "deployed.json").unlink()
    repaired = [("deployment-missing", "repaired")]
    assert reconcile("--cluster", "hpc", "--repair", "all") == (repaired, 0)
    assert reconcile("--cluster", "hpc") == ([("deployment-unknown", "listed")], 1)
