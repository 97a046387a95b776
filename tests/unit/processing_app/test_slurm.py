"""Handing in, finding, places in the queue, usage and lists, from what Slurm's commands print."""

from datetime import UTC, datetime

import pytest

from core_app.errors import Rejected, Silent, Unreachable
from processing_app.cluster.ports import (
    CommandResult,
    JobRequest,
    JobSeen,
    JobState,
    JobUsage,
    QueuePlace,
    Resources,
)
from tests.support.slurm_answers import DATABASE_DOWN, DOWN, NO_ACCOUNTS, ScriptedSlurm

JOB = JobRequest("ls-r1-a1", "/jobs/ls-r1-a1", "/jobs/ls-r1-a1/job.sh")
USED_HEAD = "JobID|State|ExitCode|JobName|MaxRSS|ElapsedRaw|NodeList|\n"
KEPT_HEAD = "JobID|State|ExitCode|JobName|WorkDir|\n"
QUEUED_HEAD = "JOBID|STATE|EXIT_CODE|NAME|WORK_DIR|\n"
WAITING_HEAD = "JOBID|PARTITION|START_TIME|REASON|\n"


def said(stdout, stderr="", exit_code=0):
    return CommandResult(exit_code, stdout, stderr)


def test_a_job_asks_for_what_it_needs_and_may_say_more():
    resources = Resources(
        cpus=4, memory_mb=2000, minutes=90, partition="normal", account="imaging", qos="high",
        options=("--gres=gpu:1", "--time=5"),
    )  # fmt: skip
    job = JobRequest(JOB.name, JOB.folder, JOB.script, resources, (0, 3, 5, 6, 7), at_once=2)
    slurm = ScriptedSlurm({"sbatch": said("12\n")})

    slurm.scheduler.submit(job)

    (call,) = slurm.calls
    assert {
        "--parsable", "--no-requeue", "--export=NONE", "--job-name=ls-r1-a1", "--comment=ls-r1-a1",
        "--chdir=/jobs/ls-r1-a1", "--cpus-per-task=4", "--mem=2000M", "--time=90",
        "--partition=normal", "--account=imaging", "--qos=high", "--array=0,3,5-7%2",
    } < set(call)  # fmt: skip
    assert call[-3:] == ["--gres=gpu:1", "--time=5", JOB.script]


def test_what_a_job_leaves_open_is_left_to_the_cluster():
    slurm = ScriptedSlurm({"sbatch": said("12\n")})

    slurm.scheduler.submit(JOB)

    given = {option.partition("=")[0] for option in slurm.calls[0]}
    assert not given & {"--mem", "--time", "--partition", "--account", "--qos", "--array"}


def test_warnings_are_no_failure():
    slurm = ScriptedSlurm({"sbatch": said("Hello\n12;north\n", "sbatch: warning: careful\n")})

    assert slurm.scheduler.submit(JOB) == "12;north"


def test_success_without_an_id_may_have_made_a_job():
    with pytest.raises(Unreachable):
        ScriptedSlurm({"sbatch": said("Hello\n")}).scheduler.submit(JOB)


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("sbatch: error: invalid partition specified: nope\n", Rejected),
        ("sbatch: error: Unable to contact slurm controller (connect failure)\n", Silent),
        ("sbatch: error: AssocMaxSubmitJobLimit\n", Unreachable),
    ],
)
def test_refusals_are_told_apart(stderr, error):
    with pytest.raises(error):
        ScriptedSlurm({"sbatch": said("", stderr, 1)}).scheduler.submit(JOB)


def test_of_several_jobs_of_a_name_the_living_one_is_found_then_the_oldest():
    rows = ["12|COMPLETED|0|a|/w|", "13|RUNNING|0|a|/w|", "11|FAILED|0|a|/w|", "9|RUNNING|0|b|/w|"]
    living = ScriptedSlurm({"squeue": said(QUEUED_HEAD + "\n".join([*rows, ""]))})
    rows.pop(1)
    over = ScriptedSlurm({"squeue": said(QUEUED_HEAD + "\n".join([*rows, ""]))})

    assert living.scheduler.find("a") == "13"
    assert over.scheduler.find("a") == "11"


def test_a_job_that_left_the_queue_is_found_in_the_accounts():
    answers = {"squeue": said(QUEUED_HEAD), "sacct": said(KEPT_HEAD + "12|FAILED|1:0|a|/w|\n")}

    assert ScriptedSlurm(answers).scheduler.find("a") == "12"


@pytest.mark.parametrize(
    ("squeue", "sacct"),
    [
        (said(QUEUED_HEAD), DATABASE_DOWN),
        (DOWN, said(KEPT_HEAD)),
        (DOWN, NO_ACCOUNTS),
        (said(""), said(KEPT_HEAD)),
        (said(QUEUED_HEAD), said("")),
    ],
)
def test_a_name_is_not_called_unknown_unless_all_have_answered(squeue, sacct):
    with pytest.raises(Unreachable):
        ScriptedSlurm({"squeue": squeue, "sacct": sacct}).scheduler.find("a")


def test_a_database_that_is_down_is_not_the_silence_of_the_whole_cluster():
    answers = {"squeue": said(QUEUED_HEAD), "sacct": DATABASE_DOWN}

    with pytest.raises(Unreachable) as caught:
        ScriptedSlurm(answers).scheduler.find("a")

    assert not isinstance(caught.value, Silent)


def test_without_accounts_the_queue_alone_knows_names():
    answers = {"squeue": said(QUEUED_HEAD), "sacct": NO_ACCOUNTS}

    assert ScriptedSlurm(answers).scheduler.find("a") is None


def test_an_id_found_on_a_cluster_names_it():
    answers = {"squeue": said("CLUSTER: north\n" + QUEUED_HEAD + "12|RUNNING|0|a|/w|\n")}

    assert ScriptedSlurm(answers).scheduler.find("a") == "12;north"


def test_places_are_counted_within_the_partition():
    rows = [
        "5|normal|1795689220|Resources|", "6|short|N/A|Priority|", "7_[0-9]|normal|N/A|Priority|",
        "8|normal,short|N/A|Priority|",
    ]  # fmt: skip
    slurm = ScriptedSlurm({"squeue": said(WAITING_HEAD + "\n".join([*rows, ""]))})

    places = slurm.scheduler.queue(["7", "8", "5", "99"])

    expected = datetime.fromtimestamp(1795689220, UTC)
    assert set(places) == {"5", "7", "8"}
    assert places["5"] == QueuePlace(
        1, 3, expected, "It is next, and waits for free processors or memory. (Resources)"
    )
    assert (places["7"].position, places["7"].waiting) == (2, 3)
    assert (places["8"].position, places["8"].waiting) == (2, 2)


def test_usage_is_the_most_over_steps_and_tasks_of_jobs_that_are_over():
    rows = [
        "7_0|COMPLETED|0:0|a||12|n1|", "7_0.batch|COMPLETED|0:0|batch|2844K|12|n1|",
        "7_1|FAILED|3:0|a||40|n2|", "7_1.batch|FAILED|3:0|batch|1.50G|40|n2|",
        "8|RUNNING|0:0|a||5|n1|", "9|COMPLETED|0:0|allocation||5|n1|",
    ]  # fmt: skip
    slurm = ScriptedSlurm({"sacct": said(USED_HEAD + "\n".join([*rows, ""]))})

    used = slurm.scheduler.usage(["7", "8", "9"])

    assert used == {"7": JobUsage(1610612736, 40.0, 3, "n1")}


def test_what_slurm_is_like_is_told_for_whoever_sets_it_up():
    head = "PARTITION|AVAIL|TIMELIMIT|NODES|\n"
    rows = "normal*|up|infinite|3|\nnormal*|up|infinite|1|\nshort|down|1-00:00:00|2|\n"
    slurm = ScriptedSlurm({"sinfo": said(head + rows), "sacct": DATABASE_DOWN})

    facts = slurm.scheduler.describe()

    assert [(one.name, one.is_up, one.nodes) for one in facts.partitions] == [
        ("normal", True, 4),
        ("short", False, 2),
    ]
    assert facts.has_accounting
    assert "Problem talking to the database" in facts.accounting_trouble


def test_without_accounts_nothing_is_known_of_usage():
    assert ScriptedSlurm({"sacct": NO_ACCOUNTS}).scheduler.usage(["7"]) == {}


def test_all_jobs_below_the_work_folder_are_listed_once():
    kept = "5|RUNNING|0:0|a|/jobs/a|\n6|COMPLETED|0:0|b|/jobs/b|\n7|RUNNING|0:0|c|/jobsite/c|\n"
    queued = "5|COMPLETED|0|a|/jobs/a|\n8_[0-3]|PENDING|0|d|/jobs/d|\n"
    slurm = ScriptedSlurm({"sacct": said(KEPT_HEAD + kept), "squeue": said(QUEUED_HEAD + queued)})

    assert slurm.scheduler.jobs() == [
        JobSeen("5", "a", JobState.ENDED, "/jobs/a"),
        JobSeen("6", "b", JobState.ENDED, "/jobs/b"),
        JobSeen("8", "d", JobState.QUEUED, "/jobs/d"),
    ]


@pytest.mark.parametrize("answer", [said(""), DOWN])
def test_a_list_that_may_lack_jobs_is_no_list(answer):
    with pytest.raises(Unreachable):
        ScriptedSlurm({"sacct": said(KEPT_HEAD), "squeue": answer}).scheduler.jobs()


def test_cancelling_what_slurm_no_longer_knows_is_fine():
    words = "scancel: error: Kill job error on job id 7: Invalid job id specified\n"

    ScriptedSlurm({"scancel": said("", words, 1)}).scheduler.cancel("7")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("scancel: error: Kill job error on job id 7: Access/permission denied\n", Rejected),
        ("scancel: error: Unable to contact slurm controller (connect failure)\n", Silent),
    ],
)
def test_a_cancel_that_did_not_arrive_is_told(words, error):
    with pytest.raises(error):
        ScriptedSlurm({"scancel": said("", words, 1)}).scheduler.cancel("7")
