"""What one look at a job means, and what a run needs next."""

from datetime import UTC, datetime, timedelta

import pytest

from processing_app import planning
from processing_app.cluster.ports import JobReport, JobState
from processing_app.planning import (
    AttemptFacts,
    Collect,
    Confirm,
    Finish,
    Lose,
    Sighting,
    Start,
    StepFacts,
    Stop,
    Try,
    Wait,
)
from processing_app.states import AttemptState, RunState

NOW = datetime(2030, 1, 7, 12, tzinfo=UTC)
LIMIT = timedelta(seconds=60)
A = AttemptState


def judge(state=A.RUNNING, *, silent_s=0, beat="7", cancel=False, report=JobState.RUNNING, **seen):
    reason = seen.pop("reason", "")
    facts = AttemptFacts(state, NOW - timedelta(seconds=silent_s), beat, cancel)
    sighting = Sighting(JobReport(report, "test", reason=reason), **{"beat": "7", **seen})
    return planning.judge(facts, sighting, now=NOW, limit=LIMIT)


def test_a_queued_job_waits_and_counts_as_alive():
    assert judge(A.QUEUED, report=JobState.QUEUED) == Wait(alive=True)


def test_a_job_that_began_is_shown_as_running():
    assert judge(A.QUEUED, report=JobState.RUNNING) == Wait(alive=True, to=A.RUNNING)


@pytest.mark.parametrize("state", [A.QUEUED, A.RUNNING])
def test_silence_never_ends_a_job_however_long(state):
    verdict = judge(state, report=JobState.UNKNOWN, silent_s=1_000_000)

    assert isinstance(verdict, Wait)
    assert verdict.trouble


@pytest.mark.parametrize("state", [A.QUEUED, A.RUNNING])
@pytest.mark.parametrize("report", list(JobState))
def test_the_end_mark_of_the_script_ends_a_job_whatever_the_scheduler_says(state, report):
    assert isinstance(judge(state, report=report, has_ended=True), Collect)


def test_an_unknown_job_with_a_fresh_heartbeat_is_waited_for():
    verdict = judge(report=JobState.GONE, beat="6", silent_s=1000)

    assert isinstance(verdict, Wait)
    assert verdict.alive


def test_an_unknown_job_that_was_seen_a_moment_ago_is_waited_for():
    assert isinstance(judge(report=JobState.GONE, silent_s=59), Wait)


def test_an_unknown_job_without_a_heartbeat_for_the_limit_is_lost():
    assert isinstance(judge(report=JobState.GONE, silent_s=60), Lose)


def test_an_unknown_job_that_left_a_result_is_collected():
    assert judge(report=JobState.GONE, outcome="succeeded") == Collect()


def test_a_result_of_a_job_that_still_runs_is_not_collected_yet():
    assert isinstance(judge(report=JobState.RUNNING, outcome="succeeded"), Wait)


def test_a_job_that_the_scheduler_killed_is_collected_with_its_reason():
    assert judge(report=JobState.ENDED, reason="OUT_OF_MEMORY") == Collect("OUT_OF_MEMORY")


def test_an_ended_job_without_end_mark_but_with_a_heartbeat_runs_under_another_id():
    assert isinstance(judge(report=JobState.ENDED, beat="6", silent_s=1000), Wait)


def test_an_ended_job_without_end_mark_and_heartbeat_is_collected():
    assert judge(report=JobState.ENDED, silent_s=60) == Collect()


def test_a_cancel_that_was_asked_for_stops_a_running_job():
    assert judge(cancel=True) == Stop()


def test_a_job_that_ended_before_it_could_be_stopped_is_collected():
    assert judge(cancel=True, report=JobState.ENDED, has_ended=True) == Collect()


@pytest.mark.parametrize("report", [JobState.QUEUED, JobState.RUNNING])
def test_a_job_that_does_not_stop_is_asked_again(report):
    assert judge(A.CANCELLING, report=report) == Stop()


def test_a_job_that_finished_before_the_cancel_arrived_counts():
    verdict = judge(A.CANCELLING, report=JobState.ENDED, has_ended=True, outcome="succeeded")

    assert verdict == Collect()


def test_a_stopped_job_confirms_the_cancel():
    verdict = judge(A.CANCELLING, report=JobState.ENDED, has_ended=True, outcome="failed")

    assert verdict == Confirm()


def test_silence_does_not_confirm_a_cancel():
    verdict = judge(A.CANCELLING, report=JobState.UNKNOWN, silent_s=1_000_000)

    assert verdict == Stop()


def test_an_unknown_job_confirms_the_cancel_only_once_its_heartbeat_is_old():
    assert isinstance(judge(A.CANCELLING, report=JobState.GONE, silent_s=59), Wait)
    assert judge(A.CANCELLING, report=JobState.GONE, silent_s=60) == Confirm()


@pytest.mark.parametrize(
    ("silence_s", "pause_s"), [(0, 2), (4, 2), (60, 30), (600, 300), (100_000, 300)]
)
def test_the_longer_the_silence_the_longer_the_pause_up_to_a_cap(silence_s, pause_s):
    assert planning.pause_after(timedelta(seconds=silence_s)) == timedelta(seconds=pause_s)


def step(key="a", state="", *, needs=(), number=None, tries=None, reason="", cancel=False):
    number = (1 if state else 0) if number is None else number
    return StepFacts(key, needs, state, reason, number, number if tries is None else tries, cancel)


def plan(*steps, state=RunState.RUNNING):
    return planning.plan_run(state, steps)


def test_a_planned_run_begins_with_the_steps_that_need_nothing():
    begun = plan(step("a"), step("b", needs=("a",)), state=RunState.PLANNED)

    assert begun == [Start(), Try("a", 1, timedelta(0))]


def test_a_step_follows_the_steps_it_needs():
    assert plan(step("a", A.SUCCEEDED), step("b", needs=("a",))) == [Try("b", 1, timedelta(0))]


def test_a_step_waits_while_one_of_its_needs_is_at_work():
    assert plan(step("a", A.SUCCEEDED), step("b", A.RUNNING), step("c", needs=("a", "b"))) == []


def test_steps_that_do_not_need_each_other_go_side_by_side():
    tries = plan(step("a"), step("b"))

    assert [act.key for act in tries] == ["a", "b"]


def test_a_run_ends_well_when_all_steps_have():
    assert plan(step("a", A.SUCCEEDED), step("b", A.SUCCEEDED)) == [Finish(RunState.SUCCEEDED)]


@pytest.mark.parametrize("reason", ["LOST", "NODE_FAIL", "PREEMPTED", "NO_RESULT", "BUSY"])
def test_a_failure_of_the_machine_is_tried_again(reason):
    (act,) = plan(step("a", A.FAILED, reason=reason))

    assert (act.key, act.number) == ("a", 2)
    assert act.after > timedelta(0)


@pytest.mark.parametrize(
    "reason", ["BAD_INPUT", "VERSION_MISMATCH", "DISK_FULL", "REJECTED", "BAD_RESULT", "NEVER_SEEN"]
)
def test_a_failure_that_a_person_must_mend_ends_the_run(reason):
    assert plan(step("a", A.FAILED, reason=reason)) == [Finish(RunState.FAILED, f"a: {reason}")]


def test_three_tries_are_enough():
    (act,) = plan(step("a", A.LOST, number=3, reason="LOST"))

    assert act == Finish(RunState.FAILED, "a: LOST")


def test_a_retry_by_a_person_begins_to_count_afresh():
    assert plan(step("a", A.LOST, number=3, tries=0, reason="LOST")) == [Try("a", 4, timedelta(0))]


def test_a_retry_by_a_person_keeps_what_succeeded():
    acts = plan(
        step("a", A.SUCCEEDED, tries=0),
        step("b", A.FAILED, needs=("a",), tries=0, reason="BAD_INPUT"),
    )

    assert acts == [Try("b", 2, timedelta(0))]


def test_a_failed_branch_lets_the_others_finish():
    assert plan(step("a", A.FAILED, reason="BAD_INPUT"), step("b", A.RUNNING)) == []


def test_a_failed_branch_lets_the_others_go_on_to_their_next_step():
    acts = plan(
        step("a", A.FAILED, reason="BAD_INPUT"), step("b", A.SUCCEEDED), step("c", needs=("b",))
    )

    assert acts == [Try("c", 1, timedelta(0))]


def test_a_cancelled_run_begins_nothing_new():
    assert plan(step("a", A.CANCELLING, cancel=True), step("b")) == []


def test_a_cancelled_run_is_over_when_nothing_is_at_work():
    acts = plan(step("a", A.CANCELLED, reason="CANCELLED", cancel=True), step("b", needs=("a",)))

    assert acts == [Finish(RunState.CANCELLED)]


def test_a_step_that_finished_before_the_cancel_does_not_keep_the_run_going():
    acts = plan(step("a", A.SUCCEEDED, cancel=True), step("b", needs=("a",)))

    assert acts == [Finish(RunState.CANCELLED)]


def test_a_run_whose_last_step_finished_before_the_cancel_has_succeeded():
    assert plan(step("a", A.SUCCEEDED, cancel=True)) == [Finish(RunState.SUCCEEDED)]


def short_of(reason, *, asked, more, tries=1):
    return StepFacts("a", (), A.FAILED, reason, tries, tries, asked=asked, more=more)


@pytest.mark.parametrize("reason", ["OUT_OF_MEMORY", "TIME_LIMIT"])
def test_what_was_too_little_is_asked_for_again_with_more(reason):
    (act,) = plan(short_of(reason, asked=4, more=8))

    assert (act.number, act.reason, act.more) == (2, reason, 8)


def test_at_the_most_it_stops_and_says_so():
    (act,) = plan(short_of("OUT_OF_MEMORY", asked=8, more=0, tries=2))

    assert act == Finish(
        RunState.FAILED, "a: OUT_OF_MEMORY (asked for 8 MB, the most that is allowed)"
    )


def test_growing_ends_after_a_few_tries():
    (act,) = plan(short_of("OUT_OF_MEMORY", asked=8, more=16, tries=4))

    assert isinstance(act, Finish)


def test_where_no_amount_was_asked_for_it_is_tried_as_often_as_the_table_says():
    (act,) = plan(short_of("OUT_OF_MEMORY", asked=0, more=0))
    assert isinstance(act, Try)

    (act,) = plan(short_of("OUT_OF_MEMORY", asked=0, more=0, tries=2))
    assert isinstance(act, Finish)
