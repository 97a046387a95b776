"""Jobs of a real Slurm, in the test's own folder, and some that need longer than a test."""

import pytest

from processing_app.cluster.ports import JobState
from tests.support.clusters import SlurmJobs, reaches


@pytest.fixture(scope="session")
def overdue(slurm, tmp_path_factory):
    """A job past its time. Slurm looks at that every half minute, so the job is sent ahead."""
    jobs = SlurmJobs(slurm, tmp_path_factory.mktemp("overdue"))
    job_id = jobs.scheduler.submit(jobs.job("overdue", seconds=300))
    reaches(jobs, job_id, JobState.RUNNING)
    slurm.call("scontrol", "update", f"jobid={job_id}", "endtime=now+1seconds")
    yield jobs, job_id
    jobs.stop_all()


@pytest.fixture(scope="session")
def over_long_ago(slurm_without_accounting, tmp_path_factory):
    """A job that is over. This Slurm forgets it after some seconds, so it is sent ahead."""
    jobs = SlurmJobs(slurm_without_accounting, tmp_path_factory.mktemp("over"))
    job_id = jobs.scheduler.submit(jobs.job("over"))
    reaches(jobs, job_id, JobState.ENDED)
    return jobs, job_id


@pytest.fixture
def jobs(slurm, overdue, tmp_path):
    """Asks for the overdue job only so that its time passes while other tests run."""
    jobs = SlurmJobs(slurm, tmp_path)
    yield jobs
    jobs.stop_all()


@pytest.fixture
def forgetful_jobs(slurm_without_accounting, over_long_ago, tmp_path):
    """Asks for the job that is over only so that it is forgotten while other tests run."""
    jobs = SlurmJobs(slurm_without_accounting, tmp_path)
    yield jobs
    jobs.stop_all()
