"""What is said of jobs when Slurm answers in part, late, wrongly, or not at all."""

import random

import pytest

from core_app.errors import Misconfigured, Silent, Unreachable
from processing_app.cluster.ports import CommandResult, JobState
from tests.support.slurm_answers import (
    DATABASE_DOWN,
    DOWN,
    NO_ACCOUNTS,
    NO_SUCH_JOB,
    SACCT_HEAD,
    SQUEUE_HEAD,
    ScriptedSlurm,
    sacct,
    squeue,
)


def polled(*ids, **answers):
    return ScriptedSlurm(answers).scheduler.poll(ids)


def test_the_queue_alone_answers_for_single_jobs_that_wait_or_run():
    slurm = ScriptedSlurm({"squeue": squeue("7|RUNNING|0|None|a|", "8|PENDING|0|Priority|b|")})

    reports = slurm.scheduler.poll(["7", "8"])

    assert (reports["7"].state, reports["7"].source) == (JobState.RUNNING, "squeue")
    assert (reports["8"].state, reports["8"].name) == (JobState.QUEUED, "b")
    assert slurm.commands == ["squeue"]


def test_accounting_is_asked_about_what_the_queue_does_not_settle():
    queued = squeue("6|RUNNING|0|None|a|", "8|FAILED|768|None|b|", "9_1|RUNNING|0|None|c|")
    history = sacct("7|COMPLETED|0:0|a|", "8|FAILED|3:0|b|", "9_0|COMPLETED|0:0|c|")
    slurm = ScriptedSlurm({"squeue": queued, "sacct": history})

    reports = slurm.scheduler.poll(["6", "7", "8", "9"])

    assert [report.state for report in reports.values()] == [
        JobState.RUNNING, JobState.ENDED, JobState.ENDED, JobState.RUNNING,
    ]  # fmt: skip
    assert (reports["7"].source, reports["7"].exit_code) == ("sacct", 0)
    assert reports["8"].exit_code == 3
    assert reports["9"].counts == {"running": 1, "ended": 1}
    assert [call[-2] for call in slurm.calls if call[0] == "sacct"] == ["--jobs=7,8,9"]


def test_the_name_of_whoever_has_the_id_now_is_told_by_each_source():
    answers = {
        "squeue": squeue("7|RUNNING|0|None|another's|"),
        "sacct": sacct("8|COMPLETED|0:0|ours|"),
    }

    reports = polled("7", "8", **answers)

    assert [report.name for report in reports.values()] == ["another's", "ours"]


def test_what_slurm_stopped_has_no_exit_code_of_its_own():
    history = sacct("7|TIMEOUT|0:0|a|", "8|CANCELLED by 0|0:15|b|")

    reports = polled("7", "8", sacct=history, squeue=squeue())

    assert (reports["7"].exit_code, reports["7"].reason) == (None, "TIME_LIMIT")
    assert (reports["8"].exit_code, reports["8"].reason) == (143, "CANCELLED")


def test_ten_thousand_jobs_take_three_commands():
    ids = [str(number) for number in range(1, 10_001)]
    rows = [f"{number}|COMPLETED|0:0|a|" for number in ids]
    slurm = ScriptedSlurm({"sacct": sacct(*rows), "squeue": squeue()})

    reports = slurm.scheduler.poll(ids)

    assert len(reports) == 10_000
    assert slurm.commands == ["squeue", "sacct", "sacct"]
    assert max(len(option) for call in slurm.calls for option in call) < 128 * 1024


def test_ten_thousand_jobs_that_wait_take_one_command():
    ids = [str(number) for number in range(1, 10_001)]
    slurm = ScriptedSlurm({"squeue": squeue(*(f"{one}|PENDING|0|Priority|a|" for one in ids))})

    reports = slurm.scheduler.poll(ids)

    assert {report.state for report in reports.values()} == {JobState.QUEUED}
    assert slurm.commands == ["squeue"]


def test_what_accounting_does_not_know_yet_the_controller_tells():
    report = polled("7", sacct=sacct(), squeue=squeue("7|PENDING|0|Priority|a|"))["7"]

    assert (report.state, report.source) == (JobState.QUEUED, "squeue")
    assert "Other jobs are before it." in report.detail


def test_why_a_job_waits_is_asked_of_the_controller():
    answers = {
        "sacct": sacct("7|PENDING|0:0|a|"),
        "squeue": squeue("7|PENDING|0|DependencyNeverSatisfied|a|"),
    }

    assert "will never run" in polled("7", **answers)["7"].detail


def test_a_job_is_gone_only_if_all_answered_and_none_knows_it():
    report = polled("7", sacct=sacct(), squeue=squeue("8|RUNNING|0|None|a|"))["7"]

    assert (report.state, report.source) == (JobState.GONE, "sacct and squeue")


def test_without_accounts_the_controller_alone_says_that_a_job_is_gone():
    slurm = ScriptedSlurm({"sacct": NO_ACCOUNTS, "squeue": squeue("8|RUNNING|0|None|a|")})
    scheduler = slurm.scheduler

    reports = [scheduler.poll(["7", "8"]) for _ in range(2)][1]

    assert reports["7"].state == JobState.GONE
    assert reports["8"].state == JobState.RUNNING
    assert slurm.commands == ["squeue", "sacct", "squeue"]


def test_while_the_database_is_down_a_job_that_left_the_queue_is_unknown():
    reports = polled("7", "8", sacct=DATABASE_DOWN, squeue=squeue("8|RUNNING|0|None|a|"))

    assert reports["7"].state == JobState.UNKNOWN
    assert "Problem talking to the database" in reports["7"].detail
    assert (reports["8"].state, reports["8"].source) == (JobState.RUNNING, "squeue")


def test_while_the_controller_is_down_accounting_answers_for_what_it_knows():
    reports = polled("7", "8", sacct=sacct("7|COMPLETED|0:0|a|"), squeue=DOWN)

    assert (reports["7"].state, reports["7"].exit_code) == (JobState.ENDED, 0)
    assert reports["8"].state == JobState.UNKNOWN
    assert "Unable to contact" in reports["8"].detail


def test_a_controller_that_is_silent_is_not_asked_again_about_each_job():
    slurm = ScriptedSlurm({"sacct": sacct("7|RUNNING|0:0|a|"), "squeue": DOWN})

    slurm.scheduler.poll(["7", "8"])

    assert slurm.commands == ["squeue", "sacct"]


def test_nothing_at_all_is_silence():
    with pytest.raises(Silent):
        polled("7", sacct=DATABASE_DOWN, squeue=DOWN)


def test_commands_that_fail_for_unknown_reasons_are_no_answer():
    broken = CommandResult(1, "", "squeue: error: something new\n")

    with pytest.raises(Unreachable) as caught:
        polled("7", sacct=DATABASE_DOWN, squeue=broken, scontrol=broken)

    assert not isinstance(caught.value, Silent)


def test_a_query_that_takes_too_long_is_no_answer_but_others_may_be():
    slow = Unreachable("timed out", "sacct gave no answer within 30 s")

    reports = polled("7", sacct=slow, squeue=squeue("7|RUNNING|0|None|a|"))

    assert reports["7"].state == JobState.RUNNING


def test_a_login_without_slurm_has_to_be_mended():
    with pytest.raises(Misconfigured):
        polled("7")


def test_the_few_that_nobody_spoke_of_are_asked_about_one_by_one():
    answers = {
        "sacct": sacct(),
        "squeue": CommandResult(0, SQUEUE_HEAD + "8|RUNN", ""),
        "scontrol": CommandResult(0, "JobId=7 JobName=a JobState=RUNNING ExitCode=0:0\n", ""),
    }

    report = polled("7", **answers)["7"]

    assert (report.state, report.source) == (JobState.RUNNING, "scontrol")


def test_an_array_is_understood_from_scontrol_too():
    lines = (
        "JobId=7 ArrayJobId=7 ArrayTaskId=2-3%1 JobState=PENDING Reason=Priority ExitCode=0:0\n"
        "JobId=8 ArrayJobId=7 ArrayTaskId=1 JobState=COMPLETED Reason=None ExitCode=0:0\n"
    )
    answers = {"sacct": NO_ACCOUNTS, "squeue": CommandResult(0, "?", "")}

    report = polled("7", **answers, scontrol=CommandResult(0, lines, ""))["7"]

    assert (report.state, report.counts) == (JobState.RUNNING, {"queued": 2, "ended": 1})


def test_a_job_that_even_scontrol_does_not_know_is_gone():
    answers = {"sacct": sacct(), "squeue": CommandResult(0, "", ""), "scontrol": NO_SUCH_JOB}

    assert polled("7", **answers)["7"].state == JobState.GONE


def test_a_placeholder_of_accounting_says_nothing_of_the_job():
    answers = {"sacct": sacct("7|COMPLETED|0:0|allocation|"), "squeue": squeue()}

    assert polled("7", **answers)["7"].state == JobState.UNKNOWN


def test_a_placeholder_does_not_hide_what_the_controller_knows():
    answers = {
        "sacct": sacct("7|COMPLETED|0:0|allocation|"),
        "squeue": squeue("7_0|RUNNING|0|None|a|", "7_[1-3]|PENDING|0|Resources|a|"),
    }

    report = polled("7", **answers)["7"]

    assert (report.state, report.counts) == (JobState.RUNNING, {"running": 1, "queued": 3})


def test_an_array_is_over_only_if_the_controller_lists_no_more_tasks():
    history = sacct("7_0|COMPLETED|0:0|a|", "7_1|FAILED|2:0|a|")

    waiting = polled("7", sacct=history, squeue=squeue("7_[2-3]|PENDING|0|None|a|"))["7"]
    unsure = polled("7", sacct=history, squeue=DOWN)["7"]
    over = polled("7", sacct=history, squeue=squeue())["7"]

    assert (waiting.state, waiting.counts) == (JobState.RUNNING, {"ended": 2, "queued": 2})
    assert unsure.state == JobState.UNKNOWN
    assert (over.state, over.exit_code, over.counts) == (JobState.ENDED, 2, {"ended": 2})


def test_the_worst_task_speaks_for_the_array():
    history = sacct(
        "7_0|CANCELLED by 0|0:15|a|", "7_1|OUT_OF_MEMORY|0:125|a|", "7_[2-9]|CANCELLED by 0|0:0|a|"
    )

    report = polled("7", sacct=history, squeue=squeue())["7"]

    assert (report.reason, report.word) == ("OUT_OF_MEMORY", "OUT_OF_MEMORY")
    assert report.counts == {"ended": 10}


def test_of_several_rows_of_a_job_put_back_the_living_one_counts():
    history = sacct("7|NODE_FAIL|0:0|a|", "7|RUNNING|0:0|a|", "7|REQUEUED|0:0|a|")

    assert polled("7", sacct=history, squeue=squeue("7|RUNNING|0|None|a|"))["7"].state == (
        JobState.RUNNING
    )


def test_a_state_of_a_later_version_waits_and_is_told():
    answers = {"sacct": sacct("7|MELTED|0:0|a|"), "squeue": squeue("7|MELTED|0|None|a|")}

    report = polled("7", **answers)["7"]

    assert (report.state, report.word) == (JobState.UNKNOWN, "MELTED")
    assert "MELTED" in report.detail


def test_jobs_of_another_cluster_are_asked_for_there():
    slurm = ScriptedSlurm({"squeue": squeue("7|RUNNING|0|None|a|")})

    reports = slurm.scheduler.poll(["7", "7;north"])

    assert set(reports) == {"7", "7;north"}
    assert [call[1] for call in slurm.calls] == ["--me", "--clusters=north"]


def test_what_is_no_id_of_slurm_never_reaches_a_command():
    slurm = ScriptedSlurm({})

    reports = slurm.scheduler.poll(["ls-r1-a1", "7; reboot", "--all"])

    assert {report.state for report in reports.values()} == {JobState.GONE}
    assert slurm.calls == []


GARBAGE = "78 |_[]%;:-\n\t.abJOBIDSTATERUNNINGCOMPLETED\0\x1bé"


def states_of_strangers(**answers):
    """The states of two jobs of which no answer speaks."""
    try:
        return {report.state for report in polled("99999", "99998", **answers).values()}
    except Unreachable:
        return {JobState.UNKNOWN}


@pytest.mark.parametrize("seed", range(60))
def test_garbage_never_ends_a_job_that_it_does_not_name(seed):
    dice = random.Random(seed)
    noise = ["".join(dice.choices(GARBAGE, k=dice.randrange(400))) for _ in range(4)]
    answers = {
        "sacct": CommandResult(dice.choice([0, 0, 1]), noise[0], noise[1]),
        "squeue": CommandResult(dice.choice([0, 0, 1]), noise[2], noise[3]),
        "scontrol": CommandResult(dice.choice([0, 1]), noise[1], noise[0]),
    }

    assert states_of_strangers(**answers) == {JobState.UNKNOWN}


@pytest.mark.parametrize("seed", range(60))
def test_garbage_below_a_heading_neither_ends_nor_runs_a_job_that_it_does_not_name(seed):
    dice = random.Random(seed)
    noise = ["".join(dice.choices(GARBAGE, k=dice.randrange(400))) for _ in range(2)]
    answers = {
        "sacct": CommandResult(0, SACCT_HEAD + noise[0], ""),
        "squeue": CommandResult(0, SQUEUE_HEAD + noise[1], ""),
        "scontrol": DOWN,
    }

    assert states_of_strangers(**answers) <= {JobState.UNKNOWN, JobState.GONE}


@pytest.mark.parametrize("lost", range(1, 60))
def test_an_answer_cut_off_within_a_line_makes_no_job_vanish(lost):
    whole = SQUEUE_HEAD + "".join(f"{number}|RUNNING|0|None|a|\n" for number in (5, 6, 7))
    cut = whole[:-lost]
    if cut.endswith("\n"):
        cut = cut[:-1]
    answers = {"sacct": CommandResult(0, SACCT_HEAD, ""), "squeue": CommandResult(0, cut, "")}

    reports = polled("5", "6", "7", **answers, scontrol=DOWN)

    assert {report.state for report in reports.values()} <= {JobState.RUNNING, JobState.UNKNOWN}
