"""What only a scheduler of plain processes has to get right."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from core_app.errors import Rejected
from processing_app.cluster.ports import JobRequest, JobState
from tests.support.clusters import DirectJobs, reaches, wait_until


@pytest.fixture
def jobs(tmp_path):
    jobs = DirectJobs(tmp_path)
    yield jobs
    jobs.stop_all()


def pid_of(jobs, name):
    return int((Path(jobs.workdir) / name / "pid").read_text().split()[0])


def report_of(jobs, job_id):
    return jobs.scheduler.poll([job_id])[job_id]


def stubborn(jobs, name):
    """A job that does not listen to a polite request."""
    job = jobs.job(name)
    jobs.shell.write(job.script, b"trap '' TERM; touch deaf; while :; do sleep 0.1; done\n")
    job_id = jobs.scheduler.submit(job)
    wait_until((Path(job.folder) / "deaf").exists)
    return job_id


def test_an_exit_code_that_tells_of_a_signal_is_kept(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", exit_code=137))
    reaches(jobs, job_id, JobState.ENDED)

    assert report_of(jobs, job_id).exit_code == 137


def test_a_killed_job_is_gone(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, job_id, JobState.RUNNING)

    os.killpg(pid_of(jobs, "one"), signal.SIGKILL)

    reaches(jobs, job_id, JobState.GONE)


def test_a_recycled_process_number_is_not_taken_for_the_job(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one"))
    reaches(jobs, job_id, JobState.ENDED)
    stranger = subprocess.Popen(["sleep", "30"], start_new_session=True)
    file = Path(jobs.workdir) / "one" / "pid"
    (Path(jobs.workdir) / "one" / "exit_code").unlink()
    _, start, boot = file.read_text().split()
    file.write_text(f"{stranger.pid} {start} {boot}\n")

    jobs.scheduler.cancel(job_id)

    assert report_of(jobs, job_id).state in {JobState.GONE, JobState.ENDED}
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_process_of_before_a_reboot_is_not_taken_for_the_job(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, job_id, JobState.RUNNING)
    file = Path(jobs.workdir) / "one" / "pid"
    truth = file.read_text()
    file.write_text(" ".join([*truth.split()[:2], "another-boot"]))

    assert report_of(jobs, job_id).state == JobState.GONE

    file.write_text(truth)


def test_a_job_has_a_session_of_its_own(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, job_id, JobState.RUNNING)

    assert os.getsid(pid_of(jobs, "one")) == pid_of(jobs, "one")


def test_a_job_that_does_not_listen_is_killed_in_the_end(jobs):
    job_id = stubborn(jobs, "one")
    jobs.scheduler.cancel(job_id)
    time.sleep(0.2)
    assert report_of(jobs, job_id).state == JobState.RUNNING

    def ask_again():
        jobs.scheduler.cancel(job_id)
        return report_of(jobs, job_id).state == JobState.ENDED

    wait_until(ask_again)


def test_what_a_killed_leader_left_behind_is_stopped(jobs):
    job = jobs.job("one")
    jobs.shell.write(job.script, b"sleep 30 & echo $! >.x; mv .x child; wait\n")
    job_id = jobs.scheduler.submit(job)
    wait_until((Path(job.folder) / "child").exists)
    child = (Path(job.folder) / "child").read_text().strip()
    os.kill(pid_of(jobs, "one"), signal.SIGKILL)
    reaches(jobs, job_id, JobState.GONE)

    jobs.scheduler.cancel(job_id)

    wait_until(lambda: not has_life(child))


def has_life(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_slot_of_a_killed_job_is_free_again(jobs):
    jobs.limit_slots(1)
    first = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, first, JobState.RUNNING)
    second = jobs.scheduler.submit(jobs.job("two", seconds=30))

    os.killpg(pid_of(jobs, "one"), signal.SIGKILL)

    reaches(jobs, second, JobState.RUNNING)


def test_a_job_without_a_folder_is_refused(jobs):
    with pytest.raises(Rejected):
        jobs.scheduler.submit(JobRequest("none", f"{jobs.workdir}/none", "job.sh"))


def test_what_a_job_leaves_is_not_for_everybody(jobs):
    job = jobs.job("one")
    reaches(jobs, jobs.scheduler.submit(job), JobState.ENDED)

    left = [Path(job.folder), *Path(job.folder).iterdir()]

    assert [path.name for path in left if path.stat().st_mode & 0o007] == []


def test_jobs_know_nothing_of_the_site_s_secrets(jobs, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "do-not-tell")
    job = jobs.job("one")
    jobs.shell.write(job.script, b"env >environment; echo 0 >exit_code\n")

    reaches(jobs, jobs.scheduler.submit(job), JobState.ENDED)

    assert "do-not-tell" not in (Path(job.folder) / "environment").read_text()
