"""What every Scheduler promises."""

import pytest

from processing_app.cluster.ports import JobState
from tests.support.clusters import reaches, wait_until


def test_a_job_runs_to_its_end(jobs):
    job_id = jobs.scheduler.submit(jobs.job("one"))

    reaches(jobs, job_id, JobState.ENDED)


@pytest.mark.parametrize("code", [0, 1, 42])
def test_the_report_of_an_ended_job_has_its_exit_code(jobs, code):
    job_id = jobs.scheduler.submit(jobs.job("one", exit_code=code))

    def told():
        report = jobs.scheduler.poll([job_id])[job_id]
        return report.state == JobState.ENDED and report.exit_code == code

    # Of two sources one may lag, and speak of a running job again.
    wait_until(told)


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
    job = jobs.job("one", seconds=30)
    job_id = jobs.scheduler.submit(job)

    assert jobs.scheduler.find(job.name) == job_id


def test_an_ended_job_is_still_found(jobs):
    job = jobs.job("one")
    job_id = jobs.scheduler.submit(job)
    reaches(jobs, job_id, JobState.ENDED)

    assert jobs.scheduler.find(job.name) == job_id


def test_a_job_that_was_never_submitted_is_not_found(jobs):
    job = jobs.job("one")

    assert jobs.scheduler.find(job.name) is None


def test_the_work_of_a_job_handed_in_twice_is_done_once(jobs):
    job = jobs.job("one")

    ids = [jobs.scheduler.submit(job), jobs.scheduler.submit(job)]

    for job_id in ids:
        reaches(jobs, job_id, JobState.ENDED)
    assert jobs.times_worked(job) == 1


def test_the_work_of_an_ended_job_is_not_done_again(jobs):
    job = jobs.job("one")
    reaches(jobs, jobs.scheduler.submit(job), JobState.ENDED)

    again = jobs.scheduler.submit(job)

    reaches(jobs, again, JobState.ENDED)
    assert jobs.times_worked(job) == 1


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


def test_waiting_jobs_know_their_place_in_the_queue(jobs):
    jobs.limit_slots(1)
    first = jobs.scheduler.submit(jobs.job("one", seconds=30))
    reaches(jobs, first, JobState.RUNNING)
    second = jobs.scheduler.submit(jobs.job("two", seconds=30))
    third = jobs.scheduler.submit(jobs.job("three", seconds=30))

    def places():
        return {key: place.position for key, place in jobs.scheduler.queue(ids).items()}

    ids = [first, second, third]
    wait_until(lambda: places() == {second: 1, third: 2})
    assert jobs.scheduler.queue([third])[third].waiting == 2


def test_what_a_job_has_used_is_told_for_known_jobs_only(jobs):
    assert jobs.scheduler.usage(["never-submitted"]) == {}


def test_all_jobs_of_the_work_folder_are_listed(jobs):
    job = jobs.job("one", seconds=30)
    job_id = jobs.scheduler.submit(job)
    reaches(jobs, job_id, JobState.RUNNING)

    (seen,) = [seen for seen in jobs.scheduler.jobs() if seen.id == job_id]

    assert (seen.name, seen.state, seen.folder) == (job.name, JobState.RUNNING, job.folder)
