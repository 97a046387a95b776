"""manage.py doctor on clusters: real processes and disks of this machine, each broken in turn."""

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from core_app.errors import Misconfigured, Silent, Unreachable
from facility_app.doctor import cluster as checks
from facility_app.doctor import examining, job
from facility_app.doctor.findings import Verdict
from facility_app.doctor.patient import Patient
from pipeline.contract import PIPELINE_VERSION
from processing_app.cluster.direct import Direct
from processing_app.cluster.ports import (
    CommandResult,
    JobRequest,
    JobState,
    QueuePlace,
    Resources,
)
from processing_app.cluster.scheduler_memory import MemoryScheduler
from processing_app.cluster.shell_local import LocalShell
from processing_app.models import ClusterStatus, Deployment, Profile
from processing_app.services import access, clusters
from tests.support import clusters as support
from tests.support.clusters import wait_until
from tests.support.commands import answer_of

pytestmark = [pytest.mark.django_db, pytest.mark.alone]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(checks, "PAUSE_S", 0.0)
    monkeypatch.setattr(job, "STOPPING_S", 5.0)
    yield
    support.stop_all_jobs()


@pytest.fixture
def patient(row):
    """The cluster of the settings: plain processes of this host, one at a time."""
    with access.entered(row) as cluster:
        yield Patient(row, clusters.config_of(row), cluster, wait_s=20.0)


def doctor(*arguments):
    """Return what each check of the cluster found, and the exit code."""
    document, code = answer_of("doctor", "--cluster", "default", *arguments)
    return {line["check"]: line for line in document["checks"]}, code


def altered(patient, **fields):
    return replace(patient, cluster=replace(patient.cluster, **fields))


def test_a_cluster_in_order_passes_every_check_and_keeps_nothing(row, settings):
    found, code = doctor()

    assert {line["verdict"] for line in found.values()} == {"ok"}
    assert list(found)[2:] == [name for name, _ in examining.CLUSTER_CHECKS]
    assert code == 0
    assert {path.name for path in settings.CLUSTER_WORKDIR.iterdir()} <= {".direct.sh", ".slots"}
    assert list(settings.DATA_ROOT.iterdir()) == []


def test_an_unknown_cluster_is_refused(row):
    with pytest.raises(CommandError, match="no cluster nowhere"):
        call_command("doctor", "--cluster", "nowhere")


# How it fares.


def test_a_paused_cluster_is_a_warning_with_the_way_to_resume_it(row):
    now = timezone.now()
    ClusterStatus.objects.filter(cluster=row).update(paused_at=now, trouble="wrong host key")

    found, code = doctor()

    assert (found["status"]["verdict"], code) == ("warning", 0)
    assert "wrong host key" in found["status"]["found"]
    assert "resume" in found["status"]["action"]


def test_frozen_and_silent_clusters_are_warnings(row, manager):
    clusters.fell_silent(clusters.status_of("default"), "no answer")
    assert checks.fares(row).found.startswith("Silent since")
    clusters.freeze(row, by=manager, reason="new disks")
    assert "new disks" in checks.fares(row).found
    assert checks.fares(row).verdict == Verdict.WARNING


def test_a_cluster_without_a_status_is_a_failure(row):
    ClusterStatus.objects.filter(cluster=row).delete()

    assert "status-missing" in checks.fares(row).action


# The way there.


@pytest.mark.parametrize("trouble", [Silent("no connection", "down"), Misconfigured("no key", "x")])
def test_where_nobody_gets_in_nothing_more_is_said(row, monkeypatch, trouble):
    @contextmanager
    def refuse(config):
        raise trouble
        yield

    monkeypatch.setattr(access, "open_cluster", refuse)

    found, code = doctor()

    assert list(found) == ["status", "connection"]
    assert (found["connection"]["verdict"], code) == ("FAILED", 1)


@dataclass
class Altered(LocalShell):
    """This machine, with other answers to some programs."""

    answers: dict[str, str] = field(default_factory=dict)

    def run(self, argv, *, cwd, timeout):
        if argv[0] in self.answers:
            return CommandResult(0, self.answers[argv[0]], "")
        return super().run(argv, cwd=cwd, timeout=timeout)


def test_login_scripts_that_print_are_a_failure(patient):
    loud = altered(patient, shell=Altered({"printf": "Welcome to the cluster!\nlightserv"}))

    assert checks.is_quiet(loud).verdict == Verdict.FAILED
    assert "Welcome" in checks.is_quiet(loud).found


class Hearing(LocalShell):
    """This machine, as one whose shell cuts off what login scripts print."""

    def noise(self):
        return "Welcome to the cluster!\n"


def test_login_scripts_whose_words_are_cut_off_are_a_failure_too(patient):
    found = checks.is_quiet(altered(patient, shell=Hearing()))

    assert found.verdict == Verdict.FAILED
    assert "Welcome to the cluster!" in found.found
    assert "only if the shell is interactive" in found.action
    assert "SFTP" in found.action


@pytest.mark.parametrize(("seconds", "words"), [(3700, "ahead"), (-3700, "behind")])
def test_a_wrong_clock_is_a_warning(patient, seconds, words):
    wrong = altered(patient, shell=Altered({"date": f"{time.time() + seconds:.0f}\n"}))

    assert checks.clock(wrong).verdict == Verdict.WARNING
    assert words in checks.clock(wrong).found


# Folders.


def test_a_work_folder_that_cannot_be_written_fails_and_the_other_checks_go_on(
    row, settings, tiny_disk
):
    settings.CLUSTER_WORKDIR = tiny_disk
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)

    found, code = doctor()

    assert code == 1
    assert found["work folder"]["verdict"] == "FAILED"
    assert "Read-only" in found["work folder"]["found"]
    assert found["job"]["verdict"] == "FAILED"
    assert found["python"]["verdict"] == found["data root"]["verdict"] == "ok"


def test_a_work_folder_that_cannot_be_made_is_named_with_what_to_do(patient):
    broken = altered(patient, workdir="/proc/none/jobs")

    for look in (checks.work_folder, checks.space):
        found = look(broken)
        assert found.verdict == Verdict.FAILED
        assert found.found.startswith("/proc/none/jobs: ")
        assert found.action.startswith("Make the work folder there")


def test_a_full_work_folder_fails_and_keeps_nothing_of_the_doctor(row, settings, tiny_disk):
    settings.CLUSTER_WORKDIR = tiny_disk
    size = 256 * 1024
    with (tiny_disk / "noise").open("wb", buffering=0) as file:
        while size and (written := _write_some(file, size)):
            size -= written

    found, code = doctor()

    assert (found["work folder"]["verdict"], found["space"]["verdict"], code) == (
        "FAILED", "FAILED", 1,
    )  # fmt: skip
    assert [path.name for path in tiny_disk.iterdir() if "doctor" in path.name] == []


def _write_some(file, size):
    try:
        return file.write(b"x" * size)
    except OSError:
        return 0


def test_storage_that_is_another_one_there_is_a_failure(patient, tmp_path):
    elsewhere = altered(patient, data_root=str(tmp_path / "other"))

    assert checks.sees_data(elsewhere).verdict == Verdict.FAILED
    assert checks.sees_data(patient).verdict == Verdict.OK


def test_storage_that_may_only_be_read_here_is_compared_by_names(patient, settings, tiny_disk):
    (tiny_disk / "researcher").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    settings.DATA_ROOT = tiny_disk

    assert checks.sees_data(altered(patient, data_root=str(tiny_disk))).verdict == Verdict.OK
    assert checks.sees_data(altered(patient, data_root="/usr")).verdict == Verdict.FAILED


# Python and pipeline.


def test_a_python_that_is_not_there_is_a_failure(row, settings):
    settings.CLUSTER_PYTHON = "/opt/none/bin/python3"

    found, _ = doctor()

    assert found["python"]["verdict"] == "FAILED"
    assert "/opt/none/bin/python3 does not run" in found["python"]["found"]
    assert "3.11 or newer" in found["python"]["action"]
    assert "/opt/none" not in found["scheduler"]["found"]
    assert "Python does not run" in found["job"]["found"]


def test_a_python_that_is_too_old_is_a_failure(patient):
    old = altered(patient, shell=Altered({"python3": "3.9.2\n"}), python="python3")

    assert checks.python(old).found == "python3 is 3.9.2."


def test_a_pipeline_that_is_not_deployed_is_a_failure(patient):
    found = checks.pipeline(altered(patient, python_path=""))

    assert found.verdict == Verdict.FAILED
    assert "manage.py deploy_pipeline --cluster default" in found.action


@pytest.fixture
def deployed(patient, settings):
    """The site's own package, as if it had been deployed."""
    folder = Path(patient.cluster.workdir) / "pipelines" / "x"
    folder.mkdir(parents=True)
    (folder / "deployed.json").write_text('{"digest": "aa"}')
    (folder / "pipeline").symlink_to(settings.BASE_DIR / "pipeline")
    Deployment.objects.create(
        cluster=patient.row, version=PIPELINE_VERSION, digest="aa", folder=str(folder),
        python=sys.executable,
    )  # fmt: skip
    return folder


def test_a_deployed_pipeline_is_checked_where_it_is(patient, deployed):
    away = altered(patient, python_path="")
    assert checks.pipeline(away).verdict == Verdict.OK

    (deployed / "pipeline").unlink()
    assert checks.pipeline(away).verdict == Verdict.FAILED
    assert "No module named pipeline" in checks.pipeline(away).found


def test_a_deployment_that_was_replaced_is_a_failure(patient, deployed):
    (deployed / "deployed.json").write_text('{"digest": "bb"}')

    assert "was replaced" in checks.pipeline(altered(patient, python_path="")).found


# Scheduler and job.


@dataclass
class Part:
    name: str
    is_up: bool = True


@dataclass
class Facts:
    version: str = "22.05.8"
    has_accounting: bool = True
    accounting_trouble: str = ""
    partitions: tuple[Part, ...] = (Part("all"), Part("gpu", is_up=False))


@dataclass
class Described(MemoryScheduler):
    facts: Facts = field(default_factory=Facts)

    def describe(self):
        return self.facts


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (Facts(), Verdict.OK, "Slurm 22.05.8, with accounting, partitions all;"),
        (Facts(has_accounting=False), Verdict.OK, "without accounting"),
        (Facts(accounting_trouble="slurmdbd is down"), Verdict.WARNING, "slurmdbd is down"),
        (Facts(partitions=(Part("all", is_up=False),)), Verdict.FAILED, "no partition is up"),
    ],
)
def test_a_batch_system_says_what_it_is_like(patient, facts, verdict, words):
    usual = support.memory_cluster()
    scheduler = Described(usual.shell, support.succeed, facts=facts)

    found = checks.scheduler(altered(patient, scheduler=scheduler))

    assert found.verdict == verdict
    assert words in found.found


class Unaccounted(Described):
    """Without its accounts, Slurm cannot name all jobs."""

    def jobs(self):
        raise Unreachable("no answer of Slurm", "sacct failed (1): Connection refused")

    def usage(self, ids):
        raise Unreachable("no answer of Slurm", "sacct failed (1): Connection refused")


def test_without_an_answer_of_accounting_jobs_are_said_to_run_meanwhile(patient):
    usual = support.memory_cluster()
    facts = Facts(accounting_trouble="sacct failed (1): Connection refused")
    scheduler = Unaccounted(usual.shell, support.succeed, facts=facts)

    found = checks.scheduler(altered(patient, scheduler=scheduler))

    assert found.verdict == Verdict.WARNING
    assert "accounting does not answer" in found.found
    assert found.action.endswith("mend slurmdbd; jobs run meanwhile.")


class DirectUnaccounted(Direct):
    """Plain processes of which accounting tells nothing, nor anybody once they are over."""

    def usage(self, ids):
        raise Unreachable("no answer of Slurm", "Connection refused")


def test_a_job_is_followed_without_an_answer_of_accounting(patient):
    shell, workdir = patient.cluster.shell, patient.cluster.workdir

    found = job.runs(altered(patient, scheduler=DirectUnaccounted(shell, workdir)))

    assert found.verdict == Verdict.OK
    assert "accounting gives no answer" in found.found


def a_job_at_work(patient):
    """Take the only slot, with a job that goes on until it is stopped."""
    folder = Path(patient.cluster.workdir) / "busy"
    folder.mkdir()
    (folder / "job.sh").write_text("sleep 60\n")
    job_id = patient.cluster.scheduler.submit(JobRequest("busy", str(folder), "job.sh"))
    asked = patient.cluster.scheduler
    wait_until(lambda: asked.poll([job_id])[job_id].state == JobState.RUNNING)


def test_a_job_that_only_waits_is_a_warning_with_its_place(patient, settings):
    a_job_at_work(patient)

    found = job.runs(replace(patient, wait_s=0.5))

    assert found.verdict == Verdict.WARNING
    assert "still waits after 0 s, at place 1 of 1" in found.found.replace("after 1 s", "after 0 s")
    assert not list(settings.CLUSTER_WORKDIR.glob("ls-doctor-*"))


def test_the_wait_is_an_option(row, patient):
    a_job_at_work(patient)

    found, code = doctor("--wait", "0.3")

    assert (found["job"]["verdict"], code) == ("warning", 0)


def test_a_job_whose_computer_does_not_see_the_storage_is_a_failure(patient):
    found = job.runs(altered(patient, data_root="/nowhere/at all"))

    assert found.verdict == Verdict.FAILED
    assert "there is no /nowhere/at all" in found.found


def test_a_prelude_that_fails_is_a_failure_with_its_words(patient):
    found = job.runs(altered(patient, prelude="echo no such module: elastix >&2; false"))

    assert found.verdict == Verdict.FAILED
    assert "no such module: elastix" in found.found
    assert found.action == "Correct the prelude."


@pytest.mark.parametrize(
    ("lines", "said"),
    [("if then fi", "yntax error"), ("echo no license; trap - EXIT; exit 3", "no license")],
)
def test_a_prelude_that_ends_the_shell_is_told_at_once(patient, lines, said):
    begun = time.monotonic()

    found = job.runs(altered(patient, prelude=lines))

    assert time.monotonic() - begun < patient.wait_s / 2
    assert said in found.found
    assert found.action == "Correct the prelude."


def test_a_prelude_that_changes_the_folder_does_no_harm(patient):
    assert job.runs(altered(patient, prelude="cd /usr && export A=b")).verdict == Verdict.OK


# Profiles.


def a_profile(row, name, **fields):
    return Profile.objects.create(cluster=row, name=name, **fields)


def test_the_lines_of_the_usual_profile_are_tried(row, patient):
    a_profile(row, "cpu", is_usual=True, prelude="echo no such module: cuda; false")

    found = job.runs(patient)

    assert "no such module: cuda" in found.found
    assert found.verdict == Verdict.FAILED


def test_each_further_profile_has_a_job_of_its_own(row):
    a_profile(row, "cpu", is_usual=True)
    a_profile(row, "gpu", prelude="echo no such module: cuda; false")
    a_profile(row, "large")

    found, code = doctor()

    assert [name for name in found if name.startswith("job")] == [
        "job", "job (profile gpu)", "job (profile large)",
    ]  # fmt: skip
    assert (found["job"]["verdict"], found["job (profile large)"]["verdict"]) == ("ok", "ok")
    assert "no such module: cuda" in found["job (profile gpu)"]["found"]
    assert code == 1


def test_further_profiles_can_be_left_out(row):
    a_profile(row, "gpu", prelude="false")

    found, code = doctor("--quick")

    assert [name for name in found if name.startswith("job")] == ["job"]
    assert code == 0


def test_a_tiny_job_asks_for_what_the_profile_says_and_else_for_little(row, patient):
    profile = a_profile(
        row, "gpu", is_usual=True, partition="gpu", memory_mb=900, options="--gres=gpu:1"
    )
    slurm = replace(patient, config=replace(patient.config, kind="slurm-local"))

    assert job._resources(slurm, profile) == Resources(
        cpus=1, memory_mb=900, minutes=5, partition="gpu", options=("--gres=gpu:1",)
    )


class Nameless(Direct):
    """A scheduler that does not find its jobs by name."""

    def find(self, name):
        return None


def test_a_job_that_is_not_found_by_name_is_a_failure(patient):
    shell, workdir = patient.cluster.shell, patient.cluster.workdir
    nameless = altered(patient, scheduler=Nameless(shell, workdir))

    found = job.runs(replace(nameless, wait_s=0.3))

    assert found.verdict == Verdict.FAILED
    assert "not found by its name" in found.found


def test_a_job_that_leaves_no_mark_is_a_failure(patient, monkeypatch):
    leave_no_mark(monkeypatch)

    found = job.runs(replace(patient, wait_s=0.5))

    assert found.verdict == Verdict.FAILED
    assert "left no mark of its end after" in found.found


def leave_no_mark(monkeypatch):
    text = "echo killed >before.log\n"
    monkeypatch.setattr(job, "_files", lambda folder, *_: {folder.script: text})


def test_a_job_that_is_over_without_a_mark_is_not_waited_for_longer(patient, monkeypatch):
    leave_no_mark(monkeypatch)
    monkeypatch.setattr(job, "GRACE_S", 0.3)
    begun = time.monotonic()

    found = job.runs(patient)

    assert time.monotonic() - begun < patient.wait_s / 2
    assert found.verdict == Verdict.FAILED
    assert "left no mark of its end; it is over (gone). killed" in found.found


class Waiting(MemoryScheduler):
    """A scheduler that tells why jobs wait."""

    def queue(self, ids):
        return {one: QueuePlace(4, 9, why="Priority") for one in ids}


def test_why_a_job_waits_is_passed_on(patient):
    usual = support.memory_cluster(support.goes_on)
    waiting = Waiting(usual.shell, support.goes_on, slots=0)

    found = job.runs(replace(altered(patient, scheduler=waiting), wait_s=0.2))

    assert found.verdict == Verdict.WARNING
    assert "at place 4 of 9 (Priority)" in found.found


def test_a_cluster_in_memory_runs_nothing(row, settings):
    settings.CLUSTER = "memory"

    found, code = doctor()

    assert (found["connection"]["verdict"], code) == ("warning", 0)
