"""What the words of Slurm mean."""

import pytest

from core_app.errors import Rejected, Silent, Unreachable
from processing_app.cluster.ports import JobState
from processing_app.cluster.slurm_words import STATES, meaning_of, refusal, why_it_waits, worst


@pytest.mark.parametrize(
    ("word", "state", "reason"),
    [
        ("COMPLETED", JobState.ENDED, ""),
        ("FAILED", JobState.ENDED, ""),
        ("OUT_OF_MEMORY", JobState.ENDED, "OUT_OF_MEMORY"),
        ("TIMEOUT", JobState.ENDED, "TIME_LIMIT"),
        ("DEADLINE", JobState.ENDED, "DEADLINE"),
        ("NODE_FAIL", JobState.ENDED, "NODE_FAIL"),
        ("BOOT_FAIL", JobState.ENDED, "BOOT_FAIL"),
        ("LAUNCH_FAILED", JobState.ENDED, "LAUNCH_FAILED"),
        ("PREEMPTED", JobState.ENDED, "PREEMPTED"),
        ("REVOKED", JobState.ENDED, "REVOKED"),
        ("CANCELLED", JobState.ENDED, "CANCELLED"),
        ("CANCELLED by 0", JobState.ENDED, "CANCELLED"),
        ("CANCELLED+", JobState.ENDED, "CANCELLED"),
        ("OUT_OF_ME+", JobState.ENDED, "OUT_OF_MEMORY"),
        ("NODE_FAIL+", JobState.ENDED, "NODE_FAIL"),
        ("COMPLETING", JobState.RUNNING, ""),
        ("SUSPENDED", JobState.RUNNING, ""),
        ("STOPPED", JobState.RUNNING, ""),
        ("SIGNALING", JobState.RUNNING, ""),
        ("STAGE_OUT", JobState.RUNNING, ""),
        ("RESIZING", JobState.RUNNING, ""),
        ("RUNNING", JobState.RUNNING, ""),
        ("CONFIGURING", JobState.QUEUED, ""),
        ("PENDING", JobState.QUEUED, ""),
        ("REQUEUED", JobState.QUEUED, ""),
        ("REQUEUE_HOLD", JobState.QUEUED, ""),
        ("REQUEUE_FED", JobState.QUEUED, ""),
        ("SPECIAL_EXIT", JobState.QUEUED, ""),
        ("RESV_DEL_HOLD", JobState.QUEUED, ""),
    ],
)
def test_every_state_has_its_meaning(word, state, reason):
    meaning = meaning_of(word)

    assert (meaning.state, meaning.reason) == (state, reason)


@pytest.mark.parametrize("word", ["MELTED", "COMPLETE", "completed", "COMPLET+", "CO+", "", "+"])
def test_a_word_nobody_knows_waits_and_is_told(word):
    meaning = meaning_of(word)

    assert meaning.state == JobState.UNKNOWN
    assert repr(word) in meaning.detail


def test_the_worst_of_several_reasons_speaks_for_all():
    assert worst(["CANCELLED", "", "OUT_OF_MEMORY", "TIME_LIMIT"]) == "OUT_OF_MEMORY"
    assert worst(["", ""]) == ""


def test_every_reason_of_a_state_has_its_rank():
    reasons = {meaning.reason for meaning in STATES.values()}

    assert {worst([reason]) for reason in reasons} == reasons


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("DependencyNeverSatisfied", "will never run"),
        ("JobHeldAdmin", "administrator"),
        ("JobHeldUser", "release"),
        ("BadConstraints", "No computer"),
        ("AssocGrpCpuLimit", "limit of its account"),
        ("QOSMaxJobsPerUserLimit", "limit of its QOS"),
        ("PartitionDown", "partition is down"),
        ("(ReqNodeNotAvail, UnavailableNodes:n1)", "not available"),
    ],
)
def test_people_are_told_why_a_job_waits(reason, words):
    assert words in why_it_waits(reason)
    assert reason.strip("()") in why_it_waits(reason)


@pytest.mark.parametrize("reason", ["", "None", "N/A", "(null)"])
def test_no_reason_is_no_words(reason):
    assert why_it_waits(reason) == ""


FINAL = [
    "sbatch: error: Batch job submission failed: Invalid partition name specified",
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination"
    " specified",
    "sbatch: error: Batch job submission failed: Invalid qos specification",
    "sbatch: error: Memory specification can not be satisfied",
    "sbatch: error: Batch job submission failed: Requested node configuration is not available",
    "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or"
    " exceeds some limit)",
    "sbatch: unrecognized option '--foo'",
    "sbatch: error: Unable to open file /jobs/one/job.sh",
    "sbatch: error: Batch job submission failed: Invalid job array specification",
    "sbatch: error: Invalid --time specification",
    "sbatch: error: Invalid generic resource (gres) specification",
    "sbatch: error: Batch job submission failed: Invalid feature specification",
    "sbatch: error: Batch script contains only whitespace!",
    "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job"
    " violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
]


@pytest.mark.parametrize("words", FINAL)
def test_what_slurm_will_never_take_is_rejected_in_its_words(words):
    error = refusal(words, of="sbatch")

    assert isinstance(error, Rejected)
    assert error.detail == " ".join(words.split())


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect"
        " failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying.",
        "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode",
        "sbatch: error: Munge encode failed: Failed to access socket",
    ],
)
def test_a_controller_that_cannot_be_spoken_to_is_silence(words):
    assert isinstance(refusal(words, of="sbatch"), Silent)


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed:"
        " Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "sbatch: error: AssocMaxSubmitJobLimit",
        "sbatch: error: AssocGrpSubmitJobsLimit",
        "sbatch: error: something that a later version says",
        "",
    ],
)
def test_limits_and_unknown_words_may_pass(words):
    error = refusal(words, of="sbatch")

    assert isinstance(error, Unreachable)
    assert not isinstance(error, Silent)
