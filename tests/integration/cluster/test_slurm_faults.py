"""What goes wrong on a real Slurm, and what is said of the jobs meanwhile."""

import pytest

from core_app.errors import Rejected, Silent, Unreachable
from processing_app.cluster.ports import JobState
from processing_app.cluster.shell_local import LocalShell
from processing_app.cluster.slurm import Slurm
from tests.support.clusters import reaches, wait_until

# Needs 200 MB where the job may have 40.
TOO_MUCH = "head -c 200M /dev/zero | tail -c 200M >/dev/null"


def report_of(jobs, job_id):
    return jobs.scheduler.poll([job_id])[job_id]


@pytest.fixture
def controller_down(jobs):
    """A job is running when the controller stops."""
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=60))
    # Without the controller the accounts alone answer, which lag.
    asked = ("sacct", "-X", "-n", "-j", job_id.partition(";")[0], "-o", "State")
    wait_until(lambda: jobs.slurm.call(*asked).strip() == "RUNNING")
    jobs.slurm.stop_slurmctld()
    yield job_id
    jobs.slurm.start_slurmctld()


def test_a_controller_that_is_down_is_silence_and_ends_no_job(jobs, controller_down):
    job_id = controller_down

    with pytest.raises(Silent):
        jobs.scheduler.submit(jobs.job("two"))
    with pytest.raises(Silent):
        jobs.scheduler.cancel(job_id)
    reports = jobs.scheduler.poll([job_id, "1"])
    assert reports[job_id].state == JobState.RUNNING
    assert reports["1"].state == JobState.UNKNOWN

    jobs.slurm.start_slurmctld()
    jobs.scheduler.cancel(job_id)
    reaches(jobs, job_id, JobState.ENDED)


def test_without_accounts_a_controller_that_is_down_leaves_nothing_known(forgetful_jobs):
    jobs = forgetful_jobs
    job = jobs.job("one", seconds=60)
    job_id = jobs.scheduler.submit(job)
    reaches(jobs, job_id, JobState.RUNNING)

    jobs.slurm.stop_slurmctld()
    with pytest.raises(Silent):
        jobs.scheduler.poll([job_id])
    with pytest.raises(Silent):
        jobs.scheduler.find(job.name)
    jobs.slurm.start_slurmctld()

    assert report_of(jobs, job_id).state == JobState.RUNNING


def test_while_the_database_is_down_jobs_go_on_and_none_is_gone(jobs):
    job = jobs.job("one", seconds=1)
    job_id = jobs.scheduler.submit(job)
    jobs.slurm.stop_slurmdbd()

    reaches(jobs, job_id, JobState.ENDED)
    reports = jobs.scheduler.poll([job_id, "1"])
    assert reports[job_id].source == "squeue"
    assert reports["1"].state == JobState.UNKNOWN
    with pytest.raises(Unreachable):
        jobs.scheduler.find("never-handed-in")

    jobs.slurm.start_slurmdbd()
    wait_until(lambda: report_of(jobs, job_id).source == "sacct")
    reaches(jobs, job_id, JobState.ENDED)
    assert jobs.scheduler.find(job.name) == job_id
    assert jobs.scheduler.find("never-handed-in") is None


def test_a_job_over_its_memory_is_told_as_such(jobs):
    job_id = jobs.scheduler.submit(jobs.job_of("big", TOO_MUCH, options=["--mem=40M"]))

    reaches(jobs, job_id, JobState.ENDED)

    assert report_of(jobs, job_id).reason == "OUT_OF_MEMORY"


def test_a_job_on_a_node_that_fails_is_told_as_such(forgetful_jobs):
    jobs = forgetful_jobs
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=60))
    reaches(jobs, job_id, JobState.RUNNING)

    jobs.slurm.kill_slurmd()
    jobs.slurm.fail_node()

    reaches(jobs, job_id, JobState.ENDED)
    assert report_of(jobs, job_id).reason == "NODE_FAIL"
    jobs.slurm.start_slurmd()
    jobs.slurm.resume()


def test_a_drained_node_lets_its_job_end_and_the_next_one_wait(forgetful_jobs):
    jobs = forgetful_jobs
    first = jobs.scheduler.submit(jobs.job("one", seconds=60))
    reaches(jobs, first, JobState.RUNNING)
    jobs.slurm.drain()
    second = jobs.scheduler.submit(jobs.job("two", seconds=60))

    wait_until(lambda: "DRAINED" in report_of(jobs, second).detail)
    assert report_of(jobs, first).state == JobState.RUNNING
    assert report_of(jobs, second).state == JobState.QUEUED

    jobs.slurm.resume()
    reaches(jobs, second, JobState.RUNNING)


def test_a_job_cancelled_by_somebody_else_is_told_as_such(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=60))
    reaches(jobs, job_id, JobState.RUNNING)

    jobs.slurm.call("scancel", job_id)

    reaches(jobs, job_id, JobState.ENDED)
    assert report_of(jobs, job_id).reason == "CANCELLED"


class LosesAnswers(LocalShell):
    """Runs commands, and never hears what they said."""

    def run(self, argv, *, cwd, timeout):
        super().run(argv, cwd=cwd, timeout=timeout)
        raise Unreachable("timed out", argv[0])


def test_a_job_whose_id_was_lost_on_the_way_is_found_once(jobs):
    job = jobs.job("one", seconds=60)
    deaf = Slurm(LosesAnswers(), jobs.workdir, environment=jobs.slurm.environment)

    with pytest.raises(Unreachable):
        deaf.submit(job)

    found = jobs.scheduler.find(job.name)
    assert [seen.id for seen in jobs.scheduler.jobs()] == [found]


@pytest.mark.parametrize(
    "option",
    [
        "--partition=nope", "--account=nope", "--qos=nope", "--mem=999999999M",
        "--gres=gpu:1", "--constraint=nope", "--licenses=nope", "--time=never", "--nonsense",
    ],
)  # fmt: skip
def test_what_the_cluster_does_not_have_is_refused_in_its_words(jobs, option):
    with pytest.raises(Rejected) as caught:
        jobs.scheduler.submit(jobs.job_of("one", "exit 0", options=[option]))

    assert "sbatch: " in caught.value.detail


def test_a_job_without_a_script_is_refused(jobs):
    job = jobs.job("one")
    (jobs.slurm.folder / job.script).unlink()

    with pytest.raises(Rejected):
        jobs.scheduler.submit(job)


def test_a_limit_that_is_reached_is_waited_for(jobs):
    options = ["--account=imaging", "--qos=tight"]
    jobs.scheduler.submit(jobs.job_of("one", "sleep 60", options=options))

    with pytest.raises(Unreachable) as caught:
        jobs.scheduler.submit(jobs.job_of("two", "sleep 60", options=options))

    assert caught.value.reason == "a limit of the cluster is reached"


def test_without_accounts_a_job_that_the_controller_forgot_is_gone(over_long_ago):
    jobs, job_id = over_long_ago

    reaches(jobs, job_id, JobState.GONE)


def test_a_job_past_its_time_is_told_as_such(overdue):
    jobs, job_id = overdue

    wait_until(lambda: report_of(jobs, job_id).state == JobState.ENDED, limit_s=70)

    assert report_of(jobs, job_id).reason == "TIME_LIMIT"
