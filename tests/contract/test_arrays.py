"""What a Scheduler promises of arrays: one job with many tasks, one id, one report."""

from pathlib import Path

import pytest

from processing_app.cluster.ports import JobState
from tests.support.clusters import reaches, wait_until


@pytest.fixture
def jobs(slurm_jobs):
    return slurm_jobs


def report_of(jobs, job_id):
    return jobs.scheduler.poll([job_id])[job_id]


def test_each_task_runs_once_with_its_number(jobs):
    job = jobs.job_of("four", "echo $SLURM_ARRAY_TASK_ID >>numbers", tasks=[0, 1, 2, 5])

    reaches(jobs, jobs.scheduler.submit(job), JobState.ENDED)

    numbers = (Path(job.folder) / "numbers").read_text().split()
    assert sorted(numbers) == ["0", "1", "2", "5"]


def test_the_report_counts_the_tasks_by_their_state(jobs):
    jobs.limit_slots(2)
    job_id = jobs.scheduler.submit(jobs.job("four", seconds=30, tasks=range(4)))

    wait_until(lambda: report_of(jobs, job_id).counts == {"running": 2, "queued": 2})

    assert report_of(jobs, job_id).state == JobState.RUNNING


def test_an_array_none_of_which_runs_is_queued(jobs):
    jobs.limit_slots(1)
    first = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, first, JobState.RUNNING)
    job_id = jobs.scheduler.submit(jobs.job("four", tasks=range(4)))

    reaches(jobs, job_id, JobState.QUEUED)

    assert report_of(jobs, job_id).counts == {"queued": 4}


def test_one_task_that_fails_shows_in_the_exit_code_of_the_whole(jobs):
    job = jobs.job_of("four", "[ $SLURM_ARRAY_TASK_ID != 2 ] || exit 7", tasks=range(4))
    job_id = jobs.scheduler.submit(job)

    reaches(jobs, job_id, JobState.ENDED)

    report = report_of(jobs, job_id)
    assert (report.exit_code, report.reason, report.counts) == (7, "", {"ended": 4})


def test_an_array_has_not_ended_while_a_task_still_works(jobs):
    command = "[ $SLURM_ARRAY_TASK_ID = 3 ] && sleep 30; exit 0"
    job_id = jobs.scheduler.submit(jobs.job_of("four", command, tasks=range(4)))

    wait_until(lambda: report_of(jobs, job_id).counts == {"ended": 3, "running": 1})

    assert report_of(jobs, job_id).state == JobState.RUNNING


def test_no_more_tasks_run_at_a_time_than_were_asked_for(jobs):
    job = jobs.job("four", seconds=30, tasks=range(4), at_once=1)
    job_id = jobs.scheduler.submit(job)

    reaches(jobs, job_id, JobState.RUNNING)

    assert report_of(jobs, job_id).counts == {"running": 1, "queued": 3}


def test_an_array_is_cancelled_as_a_whole(jobs):
    jobs.limit_slots(2)
    job_id = jobs.scheduler.submit(jobs.job("four", seconds=30, tasks=range(4)))
    reaches(jobs, job_id, JobState.RUNNING)

    jobs.scheduler.cancel(job_id)

    reaches(jobs, job_id, JobState.ENDED)
    assert report_of(jobs, job_id).reason == "CANCELLED"


def test_an_array_is_found_by_its_name(jobs):
    job = jobs.job("four", seconds=30, tasks=range(4))
    job_id = jobs.scheduler.submit(job)

    assert jobs.scheduler.find(job.name) == job_id


def test_an_array_is_one_in_the_list_of_jobs(jobs):
    job = jobs.job("four", seconds=30, tasks=range(4))
    job_id = jobs.scheduler.submit(job)
    reaches(jobs, job_id, JobState.RUNNING)

    assert [seen.id for seen in jobs.scheduler.jobs()] == [job_id]
