"""doctor and reconcile on a real Slurm, with accounting and without."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from facility_app.doctor import examining, job
from processing_app.cluster.config import SLURM_LOCAL
from processing_app.cluster.slurm import Slurm
from processing_app.models import Attempt
from processing_app.services import access
from processing_app.states import AttemptState
from tests.support import clusters, slurm
from tests.support.commands import answer_of

pytestmark = pytest.mark.django_db(transaction=True)
STRAY = "ls-r99-65a0b1c2-precompute-488-left-a1"


@pytest.fixture(params=slurm.BOTH)
def slurm_in_use(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def cluster(slurm_in_use, monkeypatch, settings):
    """The cluster of the settings, as the commands enter it."""
    usual = clusters.real_cluster(heartbeat_limit_s=20.0)
    scheduler = Slurm(usual.shell, usual.workdir, environment=slurm_in_use.environment)
    cluster = replace(usual, scheduler=scheduler)
    settings.CLUSTER = SLURM_LOCAL
    monkeypatch.setattr(access, "open_cluster", lambda config: nullcontext(cluster))
    yield cluster
    slurm_in_use.kill(seen.id for seen in scheduler.jobs())


@pytest.fixture
def drained(slurm_in_use):
    """Nothing begins: whatever is handed in waits."""
    slurm_in_use.drain()
    yield slurm_in_use
    slurm_in_use.resume()


@pytest.fixture
def run(researcher, clearer, imager):
    imaged = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager)
    clusters.deliver(imaged)
    return clusters.a_planned_run(imaged)


def doctor(*arguments):
    document, code = answer_of("doctor", "--cluster", "default", *arguments)
    return {line["check"]: line for line in document["checks"]}, code


def reconcile(*arguments):
    document, code = answer_of("reconcile", *arguments)
    (report,) = document["clusters"]
    found = [(one["kind"], one["outcome"]["word"]) for one in report["differences"]]
    return found, report["trouble"], code


def past_the_site(cluster, name):
    """Return the command by which somebody else would hand in a job of this name."""
    folder = f"{cluster.workdir}/{name}"
    cluster.shell.make_folder(folder)
    cluster.shell.write(f"{folder}/job.sh", b"#!/bin/sh\nsleep 60\n")
    return ["sbatch", "--parsable", f"--job-name={name}", f"--chdir={folder}", f"{folder}/job.sh"]


def test_a_slurm_in_order_passes_every_check(cluster, settings):
    found, code = doctor()

    assert {name for name, line in found.items() if line["verdict"] != "ok"} == set()
    assert list(found)[2:] == [name for name, _ in examining.CLUSTER_CHECKS]
    assert "accounting" in found["scheduler"]["found"]
    assert "was found by name and ended" in found["job"]["found"]
    assert code == 0
    assert not list(settings.CLUSTER_WORKDIR.glob("*doctor*"))


def test_a_job_that_only_waits_is_a_warning(cluster, drained, settings):
    found, code = doctor("--wait", "1")

    assert (found["job"]["verdict"], code) == ("warning", 0)
    assert "still waits" in found["job"]["found"]
    assert not list(settings.CLUSTER_WORKDIR.glob("*doctor*"))
    assert not [job for job in cluster.scheduler.jobs() if job.state == "queued"]


def test_strays_and_twins_are_cancelled_and_the_recorded_job_stays(cluster, drained, run):
    attempt = clusters.drive_to(run, cluster, AttemptState.QUEUED)
    drained.call(*past_the_site(cluster, attempt.job_name))
    drained.call(*past_the_site(cluster, STRAY))
    past = timezone.now() - timedelta(hours=1)
    Attempt.objects.update(state_since=past, submitted_at=past)

    found, _, code = reconcile("--repair", "all")

    assert found == [("job-without-attempt", "repaired"), ("several-jobs", "repaired")]
    assert code == 0
    left = [job.id for job in cluster.scheduler.jobs() if job.state == "queued"]
    assert left == [attempt.job_id]


def test_a_prelude_that_no_shell_can_read_is_told_at_once(cluster, monkeypatch):
    broken = replace(cluster, prelude="if then fi")
    monkeypatch.setattr(access, "open_cluster", lambda config: nullcontext(broken))

    found, code = doctor("--wait", "60")

    assert (found["job"]["verdict"], code) == ("FAILED", 1)
    assert "yntax error" in found["job"]["found"]
    assert found["job"]["action"] == "Correct the prelude."
    assert found["job"]["seconds"] < 30


def test_a_job_that_slurm_calls_failed_is_not_waited_for(cluster, monkeypatch):
    monkeypatch.setattr(job, "GRACE_S", 1.0)
    text = "#!/bin/sh\necho no disk; exit 7\n"
    monkeypatch.setattr(job, "_files", lambda folder, *_: {folder.script: text})

    found, _ = doctor("--wait", "60")

    assert "it is over (FAILED, exit code 7). no disk" in found["job"]["found"]
    assert found["job"]["seconds"] < 30


def test_without_slurmdbd_jobs_run_and_it_is_told(cluster, slurm_in_use):
    if not slurm_in_use.accounting:
        pytest.skip("This Slurm keeps no accounts.")
    slurm_in_use.stop_slurmdbd()
    try:
        found, code = doctor("--wait", "60")
    finally:
        slurm_in_use.start_slurmdbd()

    assert (found["scheduler"]["verdict"], found["job"]["verdict"], code) == ("warning", "ok", 0)
    assert "jobs run meanwhile" in found["scheduler"]["action"]
    assert "accounting gives no answer" in found["job"]["found"]


def test_a_slurm_that_does_not_answer_is_not_one_without_jobs(cluster, slurm_in_use, run):
    clusters.drive_to(run, cluster, AttemptState.QUEUED)
    slurm_in_use.stop_slurmctld()
    try:
        found, trouble, code = reconcile("--repair", "all")
        checks, _ = doctor("--wait", "1")
    finally:
        slurm_in_use.start_slurmctld()

    assert (found, code) == ([], 1)
    assert trouble
    assert checks["scheduler"]["verdict"] == checks["job"]["verdict"] == "FAILED"
    assert checks["python"]["verdict"] == "ok"
