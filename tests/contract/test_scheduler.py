"""What every Scheduler promises."""

import pytest

from processing_app.cluster.ports import JobState
from tests.support.clusters import reaches, wait_until


def state_of(jobs, job_id):
    return jobs.scheduler.poll([job_id])[job_id].state


def test_a_job_runs_to_its_end(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one"))

    reaches(jobs, job_id, JobState.ENDED)


@pytest.mark.parametrize("code", [0, 1, 137])
def test_the_report_of_an_ended_job_has_its_exit_code(jobs, code):
    job_id = jobs.scheduler.submit(jobs.job("one", exit_code=code))
    reaches(jobs, job_id, JobState.ENDED)

    assert jobs.scheduler.poll([job_id])[job_id].exit_code == code


def test_a_job_at_work_is_reported_as_running(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=30))

    reaches(jobs, job_id, JobState.RUNNING)


def test_every_report_says_who_gave_it(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one"))

    assert jobs.scheduler.poll([job_id])[job_id].source


def test_every_id_gets_a_report(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=30))

    reports = jobs.scheduler.poll([job_id, "never-submitted"])

    assert set(reports) == {job_id, "never-submitted"}
    assert reports["never-submitted"].state == JobState.GONE


def test_nothing_asked_is_nothing_answered(jobs):
    assert jobs.scheduler.poll([]) == {}


def test_a_job_is_found_by_its_name(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=30))

    assert jobs.scheduler.find("one") == job_id


def test_an_ended_job_is_still_found(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one"))
    reaches(jobs, job_id, JobState.ENDED)

    assert jobs.scheduler.find("one") == job_id


def test_a_job_that_was_never_submitted_is_not_found(jobs):
    jobs.job("one")

    assert jobs.scheduler.find("one") is None


def test_submitting_twice_gives_one_job(jobs):
    job = jobs.job("one", seconds=30)

    assert jobs.scheduler.submit(job) == jobs.scheduler.submit(job)


def test_submitting_an_ended_job_again_does_not_start_it_again(jobs):
    job = jobs.job("one")
    job_id = jobs.scheduler.submit(job)
    reaches(jobs, job_id, JobState.ENDED)

    jobs.scheduler.submit(job)

    assert state_of(jobs, job_id) == JobState.ENDED


def test_a_cancelled_job_stops(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, job_id, JobState.RUNNING)

    jobs.scheduler.cancel(job_id)

    reaches(jobs, job_id, JobState.ENDED)


def test_a_job_cancelled_in_the_queue_never_runs(jobs):
    jobs.limit_slots(1)
    first = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, first, JobState.RUNNING)
    second = jobs.scheduler.submit(jobs.job("two"))

    jobs.scheduler.cancel(second)
    jobs.scheduler.cancel(first)

    reaches(jobs, second, JobState.ENDED)
    assert jobs.scheduler.poll([second])[second].exit_code is None


def test_cancelling_what_is_over_changes_nothing(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one"))
    reaches(jobs, job_id, JobState.ENDED)

    jobs.scheduler.cancel(job_id)

    assert jobs.scheduler.poll([job_id])[job_id].exit_code == 0


def test_cancelling_what_never_was_is_fine(jobs):
    jobs.scheduler.cancel("never-submitted")


def test_no_more_jobs_run_than_there_are_slots(jobs):
    jobs.limit_slots(2)
    ids = [jobs.scheduler.submit(jobs.job(name, seconds=30)) for name in ("one", "two", "three")]

    def states():
        return sorted(report.state for report in jobs.scheduler.poll(ids).values())

    wait_until(lambda: states() == [JobState.QUEUED, JobState.RUNNING, JobState.RUNNING])
    assert states() == [JobState.QUEUED, JobState.RUNNING, JobState.RUNNING]


def test_a_waiting_job_begins_when_a_slot_is_free(jobs):
    jobs.limit_slots(1)
    first = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, first, JobState.RUNNING)
    second = jobs.scheduler.submit(jobs.job("two", seconds=30))

    jobs.scheduler.cancel(first)

    reaches(jobs, second, JobState.RUNNING)
