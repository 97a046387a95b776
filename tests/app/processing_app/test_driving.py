"""The driver: once is enough, twice changes nothing, silence ends nothing."""

import threading
from dataclasses import replace

import pytest
from django.db import connection
from django.utils import timezone

from core_app.errors import InvalidTransition, Rejected, Unreachable
from core_app.models import Event
from processing_app.cluster import scheduler_memory
from processing_app.cluster.ports import JobReport, JobState
from processing_app.models import Attempt, Product
from processing_app.pipelines import RAW
from processing_app.services import attempts, claims, collecting, driving, handing_in, looking, runs
from processing_app.services.demands import Demands
from processing_app.services.guarding import Guard
from processing_app.states import AttemptState, RunState
from tests.support import clusters
from tests.support.clusters import (
    drive_to,
    drive_until_over,
    let_pass,
    only_attempt,
    states_of,
    tick,
)

pytestmark = pytest.mark.django_db
A = AttemptState
DOWN = Unreachable("timed out", "no answer within 20 s")


def test_each_step_is_submitted_once(run, cluster):
    drive_until_over(run, cluster)

    assert len(cluster.scheduler.submissions) == 2
    assert len(set(cluster.scheduler.submissions)) == 2


def test_all_jobs_are_asked_about_in_one_call(run, cluster, endless, researcher):
    drive_to(run, endless, A.RUNNING)
    before = endless.scheduler.polls

    tick(endless)

    assert endless.scheduler.polls == before + 1


def test_every_move_leaves_an_event(run, cluster):
    drive_until_over(run, cluster)

    attempt = only_attempt(run)
    moves = Event.objects.filter(kind="attempt", object_id=attempt.pk).values_list("to", flat=True)
    assert list(moves) == [
        A.NEW,
        A.STAGED,
        A.SUBMITTING,
        A.QUEUED,
        A.RUNNING,
        A.COLLECTING,
        A.SUCCEEDED,
    ]


def test_an_attempt_records_what_its_job_cost(run, cluster):
    drive_until_over(run, cluster)

    attempt = only_attempt(run)
    assert (attempt.exit_code, attempt.elapsed_s, attempt.peak_memory_bytes) == (0, 1.5, 50_000_000)
    assert attempt.input_digest == "0" * 32


def test_a_finished_run_frees_its_place(run, cluster, imaged):
    drive_until_over(run, cluster)

    assert run.active_key is None
    assert run.finished_at is not None
    assert runs.start_run(RAW, imaged, by=None) != run


def test_progress_is_taken_over_while_the_job_runs(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    path = f"/jobs/{attempt.job_name}/progress.json"
    endless.shell.write(path, b'{"done": 3, "total": 12, "unit": "planes", "label": "Writing"}')

    tick(endless)

    assert only_attempt(run).progress["done"] == 3


# A driver that dies, and the one that follows it.


def test_a_job_whose_id_was_never_saved_is_found_again(run, cluster):
    attempt = staged(run, cluster)
    attempts.move(attempt, A.SUBMITTING)
    cluster.scheduler.submit(handing_in._job(attempt, cluster))

    drive_until_over(run, cluster)

    assert cluster.scheduler.submissions.count(attempt.job_name) == 1
    assert run.state == RunState.SUCCEEDED


def test_a_job_that_the_scheduler_does_not_show_yet_is_not_submitted_again(run):
    cluster = clusters.memory_cluster(submit_grace_s=60.0)
    attempt = staged(run, cluster)
    attempts.move(attempt, A.SUBMITTING)
    cluster.scheduler.submit(handing_in._job(attempt, cluster))
    cluster.scheduler.hidden.add(attempt.job_name)

    tick(cluster)
    assert only_attempt(run).state == A.SUBMITTING

    cluster.scheduler.hidden.clear()
    drive_until_over(run, cluster)
    assert cluster.scheduler.submissions.count(attempt.job_name) == 1


def test_a_job_that_never_arrived_is_submitted_once_the_grace_is_over(run, cluster):
    attempt = staged(run, cluster)
    attempts.move(attempt, A.SUBMITTING)

    drive_until_over(run, cluster)

    assert cluster.scheduler.submissions.count(attempt.job_name) == 1


def test_a_claimed_attempt_is_left_alone(run, endless):
    drive_to(run, endless, A.RUNNING)
    clusters.make_due()
    claims.take([only_attempt(run).pk])
    before = endless.scheduler.polls

    driving.tick(endless, budget=clusters.BUDGET)

    assert endless.scheduler.polls == before


def test_the_claim_of_a_dead_driver_ends_by_itself(run, cluster):
    tick(cluster)
    claims.take([only_attempt(run).pk])

    drive_until_over(run, cluster)

    assert run.state == RunState.SUCCEEDED


def test_a_second_claim_loses(run, cluster):
    tick(cluster)
    clusters.make_due()
    pk = only_attempt(run).pk

    assert [attempt.pk for attempt in claims.take([pk])] == [pk]
    assert claims.take([pk]) == []


def test_of_two_who_saw_it_free_only_one_gets_it(run, cluster):
    tick(cluster)
    clusters.make_due()
    pk = only_attempt(run).pk
    rivals = []

    def rival_is_faster(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not rivals:
            rivals.append(None)
            rivals[0] = claims.take([pk])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(rival_is_faster):
        mine = claims.take([pk])

    assert [attempt.pk for attempt in rivals[0]] == [pk]
    assert mine == []


def test_an_attempt_claimed_by_another_meanwhile_is_not_released(run, cluster):
    tick(cluster)
    clusters.make_due()
    mine = claims.take([only_attempt(run).pk])
    clusters.make_due()
    (theirs,) = claims.take([mine[0].pk])

    claims.release(mine)

    assert Attempt.objects.get(pk=theirs.pk).leased_until == theirs.leased_until


def test_collecting_twice_makes_one_product(run, cluster):
    drive_until_over(run, cluster)
    attempt = only_attempt(run)
    product = Product.objects.get()

    with pytest.raises(InvalidTransition):
        collecting.collect(attempt, cluster=cluster, files={}, used={})

    assert Product.objects.get() == product


def test_a_driver_that_comes_late_to_collect_changes_nothing(run, cluster):
    late = drive_to(run, cluster, A.RUNNING)
    late = Attempt.objects.get(pk=late.pk)
    drive_until_over(run, cluster)
    before = Event.objects.count()

    report = JobReport(JobState.ENDED, "test", 0, "TIME_LIMIT")
    looking.look_at_all([late], {late.job_id: report}, cluster, Guard(cluster, []))

    assert Event.objects.count() == before


def staged(run, cluster):
    """Return the first attempt, staged and claimed by a driver that then died."""
    clusters.make_due()
    driving.plan(driving.TickSummary())
    (attempt,) = claims.take([only_attempt(run).pk])
    handing_in._stage(attempt, cluster=cluster, amounts=Demands())
    attempts.move_all([attempt], A.STAGED, "deployment")
    return attempt


# A cluster that is silent, or forgets.


def test_an_unreachable_cluster_pauses_and_says_so(run, endless):
    drive_to(run, endless, A.RUNNING)
    endless.scheduler.failures.append(DOWN)

    tick(endless)

    attempt = only_attempt(run)
    assert attempt.state == A.RUNNING
    assert "no answer within 20 s" in attempt.trouble
    assert attempt.next_look_at > timezone.now()


def test_the_trouble_is_forgotten_when_the_cluster_answers(run, endless):
    drive_to(run, endless, A.RUNNING)
    endless.scheduler.failures.append(DOWN)
    tick(endless)

    tick(endless)

    assert only_attempt(run).trouble == ""


def test_a_day_of_silence_ends_nothing(run, endless):
    drive_to(run, endless, A.RUNNING)
    endless.scheduler.silent.add(only_attempt(run).job_id)
    let_pass(86_400)

    tick(endless)

    assert only_attempt(run).state == A.RUNNING


@pytest.mark.parametrize("failures", [1, 2, 5])
def test_a_shell_that_fails_while_staging_only_delays(run, cluster, failures):
    cluster.shell.failures.extend([DOWN] * failures)

    drive_until_over(run, cluster)

    assert run.state == RunState.SUCCEEDED
    assert states_of(run)["inspect-brain_488"] == [A.SUCCEEDED]


def test_a_submission_without_an_answer_is_looked_for_before_it_is_repeated(run, cluster):
    def arrives_but_says_nothing(scheduler, job):
        scheduler_memory.MemoryScheduler.submit(scheduler, job)
        raise DOWN

    mute = type("Mute", (scheduler_memory.MemoryScheduler,), {"submit": arrives_but_says_nothing})
    tick(replace(cluster, scheduler=mute(**vars_of(cluster.scheduler))))

    drive_until_over(run, cluster)

    first = only_attempt(run, "inspect-brain_488").job_name
    assert cluster.scheduler.submissions.count(first) == 1


def vars_of(scheduler):
    """The parts of a scheduler in memory, for another one that shares its jobs."""
    shared = ("shell", "work", "jobs_by_name", "submissions")
    return {name: getattr(scheduler, name) for name in shared}


def test_a_refused_job_ends_the_run_with_the_cluster_s_own_words(run, cluster):
    cluster.scheduler.failures.append(Rejected("no such partition", "debug"))

    drive_until_over(run, cluster)

    assert run.state == RunState.FAILED
    assert only_attempt(run).reason == "REJECTED"
    assert "no such partition" in only_attempt(run).message


def test_a_forgotten_job_is_not_lost_at_once(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.forgotten.add(attempt.job_id)

    tick(endless)

    assert only_attempt(run).state == A.RUNNING
    assert only_attempt(run).trouble


def test_a_forgotten_job_whose_heart_beats_is_not_lost(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.forgotten.add(attempt.job_id)
    endless.shell.write(f"/jobs/{attempt.job_name}/heartbeat", b"1")
    tick(endless)
    let_pass(3600)
    endless.shell.write(f"/jobs/{attempt.job_name}/heartbeat", b"2")

    tick(endless)

    assert only_attempt(run).state == A.RUNNING


def test_a_forgotten_job_without_a_heartbeat_is_lost_and_tried_again(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.forgotten.add(attempt.job_id)
    let_pass(3600)

    tick(endless)

    assert states_of(run)["inspect-brain_488"][:2] == [A.LOST, A.NEW]


def test_the_next_attempt_first_stops_the_lost_one(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.scheduler.forgotten.add(attempt.job_id)
    let_pass(3600)
    tick(endless)

    tick(endless)

    assert endless.scheduler.cancelled == [attempt.job_id]


def test_a_forgotten_job_that_left_a_result_counts(run, cluster):
    attempt = drive_to(run, cluster, A.RUNNING)
    cluster.scheduler.poll([attempt.job_id])
    cluster.scheduler.forgotten.add(attempt.job_id)

    drive_until_over(run, cluster)

    assert run.state == RunState.SUCCEEDED


def test_runs_that_only_wait_are_planned_with_as_many_queries_as_one(
    run, endless, researcher, clearer, imager, django_assert_max_num_queries
):
    for name in ("second", "third"):
        plan = clusters.scenarios.a_plan(name)
        other = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
        clusters.a_planned_run(other)
    drive_to(run, endless, A.RUNNING)

    with django_assert_max_num_queries(3):
        driving.plan(driving.TickSummary())


# Failures and their policy.


def test_bad_input_is_tried_once(run):
    drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))

    assert run.state == RunState.FAILED
    assert states_of(run) == {"inspect-brain_488": [A.FAILED], "precompute-488-left": []}


def test_a_failed_attempt_keeps_message_problems_and_log(run):
    drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))

    attempt = only_attempt(run)
    assert attempt.message == "It did not work."
    assert attempt.problems[0]["remedy"] == "Copy the file again."
    assert attempt.log_tail == "last words of the step\n"


def test_a_passing_failure_is_tried_again(run):
    drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BUSY", times=2)))

    assert run.state == RunState.SUCCEEDED
    assert states_of(run)["inspect-brain_488"] == [A.FAILED, A.FAILED, A.SUCCEEDED]


def test_three_tries_end_the_run(run):
    drive_until_over(run, clusters.memory_cluster(clusters.fail_with("BUSY")))

    assert run.state == RunState.FAILED
    assert len(states_of(run)["inspect-brain_488"]) == 3


def test_an_exit_without_a_result_is_a_failure_with_a_name(run):
    drive_until_over(run, clusters.memory_cluster(lambda job, shell: 0))

    assert run.state == RunState.FAILED
    assert only_attempt(run).reason == "NO_RESULT"


def test_success_without_the_promised_volume_is_a_failure(run, cluster):
    def forgets_the_window(job, shell):
        clusters.succeed(job, shell)
        path = f"{job.folder}/result.json"
        shell.files[path] = shell.files[path].replace(b'"window"', b'"pane"')
        return 0

    drive_until_over(run, clusters.memory_cluster(forgets_the_window))

    assert only_attempt(run).reason == "BAD_RESULT"
    assert not Product.objects.exists()


def test_the_reason_of_the_scheduler_names_a_killed_job(run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    job = endless.scheduler.jobs_by_name[attempt.job_id]
    job.state, job.reason = JobState.ENDED, "OUT_OF_MEMORY"

    tick(endless)

    assert Attempt.objects.get(pk=attempt.pk).reason == "OUT_OF_MEMORY"


# Two drivers.


@pytest.mark.django_db(transaction=True)
def test_two_drivers_at_once_do_the_work_once(run, cluster):
    gate = threading.Barrier(2)

    def drive():
        gate.wait()
        for _ in range(12):
            driving.tick(cluster, budget=clusters.BUDGET)
            Attempt.objects.filter(leased_until__lte=timezone.now()).update(
                next_look_at=timezone.now()
            )
        connection.close()

    drivers = [threading.Thread(target=drive) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    drive_until_over(run, cluster)

    assert run.state == RunState.SUCCEEDED
    assert sorted(cluster.scheduler.submissions) == sorted(set(cluster.scheduler.submissions))
    assert all(tried == [A.SUCCEEDED] for tried in states_of(run).values())
    assert Product.objects.count() == 1
