"""What a real Slurm does with what the site hands in, where only Slurm can tell."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from processing_app.cluster.ports import JobRequest, JobState, Resources
from processing_app.cluster.slurm import Slurm
from tests.support.clusters import SlurmJobs, reaches, wait_until


def report_of(jobs, job_id):
    return jobs.scheduler.poll([job_id])[job_id]


def environment_of(job):
    lines = (Path(job.folder) / "environment").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_a_job_gets_what_it_asks_for(jobs):
    job = jobs.job_of("one", "env >environment; pwd >place")
    wants = Resources(cpus=3, memory_mb=70, minutes=1, partition="short", account="imaging")
    job = JobRequest(job.name, job.folder, job.script, wants)

    reaches(jobs, jobs.scheduler.submit(job), JobState.ENDED)

    seen = environment_of(job)
    assert (seen["SLURM_CPUS_PER_TASK"], seen["SLURM_MEM_PER_NODE"]) == ("3", "70")
    assert (seen["SLURM_JOB_PARTITION"], seen["SLURM_JOB_ACCOUNT"]) == ("short", "imaging")
    assert (Path(job.folder) / "place").read_text().strip() == job.folder


def test_a_job_knows_nothing_of_the_variables_of_who_handed_it_in(jobs):
    variables = {**jobs.slurm.environment, "SECRET_KEY": "do-not-tell"}
    scheduler = Slurm(jobs.shell, jobs.workdir, environment=variables)
    job = jobs.job_of("one", "env >environment")

    reaches(jobs, scheduler.submit(job), JobState.ENDED)

    assert "SECRET_KEY" not in environment_of(job)


def test_folders_and_names_may_be_long_and_hold_blanks_and_percent_signs(slurm, tmp_path):
    folder = tmp_path / "50% of the jobs"
    folder.mkdir()
    jobs = SlurmJobs(slurm, folder)
    job = jobs.job_of("ls-r4242-6923a1f0-precompute-488-left-" + "a" * 60, "echo words; sleep 60")
    job_id = jobs.scheduler.submit(job)

    wait_until((Path(job.folder) / "slurm.log").exists)

    assert jobs.scheduler.find(job.name) == job_id
    assert [(seen.id, seen.folder) for seen in jobs.scheduler.jobs()] == [(job_id, job.folder)]
    jobs.stop_all()


def test_what_a_job_used_is_known_when_it_is_over(jobs):
    job = jobs.job_of("one", "head -c 20M /dev/zero | tail -c 20M | (sleep 2; wc -c); exit 3")
    job_id = jobs.scheduler.submit(job)
    assert jobs.scheduler.usage([job_id]) == {}
    reaches(jobs, job_id, JobState.ENDED)
    wait_until(lambda: jobs.scheduler.usage([job_id]))

    used = jobs.scheduler.usage([job_id])[job_id]

    assert used.peak_memory_bytes > 20_000_000
    assert 2 <= used.elapsed_s < 30
    assert (used.exit_code, used.node) == (3, "node")


def test_without_accounts_nothing_is_said_of_usage(forgetful_jobs):
    job_id = forgetful_jobs.scheduler.submit(forgetful_jobs.job("one"))

    assert forgetful_jobs.scheduler.usage([job_id]) == {}


def test_a_job_that_does_not_listen_is_killed_by_slurm_in_the_end(jobs):
    job = jobs.job_of("deaf", "trap '' TERM; touch deaf; while :; do sleep 0.1; done")
    job_id = jobs.scheduler.submit(job)
    wait_until((Path(job.folder) / "deaf").exists)

    jobs.scheduler.cancel(job_id)

    reaches(jobs, job_id, JobState.ENDED)
    assert report_of(jobs, job_id).reason == "CANCELLED"


def test_a_held_job_says_so(jobs):
    job_id = jobs.scheduler.submit(jobs.job_of("one", "exit 0", options=["--hold"]))

    assert "held" in report_of(jobs, job_id).detail


def test_a_job_that_begins_later_says_when_whatever_the_time_zone(jobs):
    options = [f"--begin=now+{3600}"]
    job_id = jobs.scheduler.submit(jobs.job_of("one", "exit 0", options=options))
    in_tokyo = Slurm(
        jobs.shell, jobs.workdir, environment={**jobs.slurm.environment, "TZ": "Asia/Tokyo"}
    )

    start = in_tokyo.queue([job_id])[job_id].expected_start

    assert abs(start - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)


def test_a_named_cluster_is_part_of_the_id(jobs):
    scheduler = Slurm(
        jobs.shell, jobs.workdir, cluster="lightserv", environment=jobs.slurm.environment
    )
    job = jobs.job("one", seconds=60)

    job_id = scheduler.submit(job)

    assert job_id.endswith(";lightserv")
    wait_until(lambda: scheduler.poll([job_id])[job_id].state == JobState.RUNNING)
    assert scheduler.find(job.name) == job_id
    assert [seen.id for seen in scheduler.jobs()] == [job_id]
    scheduler.cancel(job_id)
    wait_until(lambda: scheduler.poll([job_id])[job_id].reason == "CANCELLED")
    wait_until(lambda: scheduler.usage([job_id]).keys() == {job_id})


def test_slurm_says_what_it_is_like(jobs, forgetful_jobs):
    facts = jobs.scheduler.describe()

    assert facts.version[0].isdigit()
    assert (facts.has_accounting, facts.accounting_trouble) == (True, "")
    assert [(one.name, one.is_default, one.nodes) for one in facts.partitions] == [
        ("normal", True, 1),
        ("short", False, 1),
    ]
    assert not forgetful_jobs.scheduler.describe().has_accounting
