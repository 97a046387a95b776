"""Pure: what the words of Slurm mean: states of jobs, why they wait, why commands fail."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from core_app.errors import OutsideError, Rejected, Silent, Unreachable
from processing_app.cluster.ports import JobState


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a state of Slurm means to us: JobState, a name of our failures, words for people."""

    state: JobState
    reason: str = ""
    detail: str = ""


_WAITS, _RUNS, _IS_OVER = JobState.QUEUED, JobState.RUNNING, JobState.ENDED

STATES: Final[dict[str, Meaning]] = {
    "PENDING": Meaning(_WAITS),
    "REQUEUED": Meaning(_WAITS, detail="Slurm put the job back into the queue."),
    "REQUEUE_HOLD": Meaning(_WAITS, detail="Slurm put the job back and holds it."),
    "REQUEUE_FED": Meaning(_WAITS, detail="Slurm put the job back for another cluster."),
    "SPECIAL_EXIT": Meaning(_WAITS, detail="Slurm holds the job after a special exit."),
    "RESV_DEL_HOLD": Meaning(_WAITS, detail="The reservation of the job was deleted."),
    "CONFIGURING": Meaning(_WAITS, detail="The nodes of the job are being made ready."),
    "RUNNING": Meaning(_RUNS),
    # The processes may still be at work, and the files not yet complete.
    "COMPLETING": Meaning(_RUNS, detail="The job is coming to its end."),
    "STAGE_OUT": Meaning(_RUNS, detail="The files of the job are being copied back."),
    "RESIZING": Meaning(_RUNS, detail="The job is being given another size."),
    "SIGNALING": Meaning(_RUNS, detail="The job is being sent a signal."),
    "STOPPED": Meaning(_RUNS, detail="The job was stopped and keeps its place."),
    "SUSPENDED": Meaning(_RUNS, detail="The job is suspended until others have run."),
    "COMPLETED": Meaning(_IS_OVER),
    # The result file tells why.
    "FAILED": Meaning(_IS_OVER),
    "OUT_OF_MEMORY": Meaning(_IS_OVER, "OUT_OF_MEMORY"),
    "TIMEOUT": Meaning(_IS_OVER, "TIME_LIMIT"),
    "DEADLINE": Meaning(_IS_OVER, "DEADLINE"),
    "NODE_FAIL": Meaning(_IS_OVER, "NODE_FAIL"),
    "BOOT_FAIL": Meaning(_IS_OVER, "BOOT_FAIL"),
    "LAUNCH_FAILED": Meaning(_IS_OVER, "LAUNCH_FAILED"),
    "RECONFIG_FAIL": Meaning(_IS_OVER, "LAUNCH_FAILED"),
    "PREEMPTED": Meaning(_IS_OVER, "PREEMPTED"),
    "REVOKED": Meaning(_IS_OVER, "REVOKED"),
    "CANCELLED": Meaning(_IS_OVER, "CANCELLED"),
}

# The one that says most of an array whose tasks failed in several ways comes first.
_WORST_FIRST: Final = (
    "OUT_OF_MEMORY", "TIME_LIMIT", "DEADLINE", "LAUNCH_FAILED", "BOOT_FAIL", "NODE_FAIL",
    "PREEMPTED", "REVOKED", "CANCELLED",
)  # fmt: skip
# A shorter beginning could be two states.
_SHORTEST_PART: Final = 4


def meaning_of(text: str) -> Meaning:
    """Read `CANCELLED by 0`, `OUT_OF_ME+`, `RUNNING`; a word nobody knows is UNKNOWN and waits."""
    word = text.strip().partition(" ")[0]
    if word in STATES:
        return STATES[word]
    cut = word.removesuffix("+")
    fitting = [state for state in STATES if state.startswith(cut)]
    if word.endswith("+") and cut in STATES:
        return STATES[cut]
    if word.endswith("+") and len(cut) >= _SHORTEST_PART and len(fitting) == 1:
        return STATES[fitting[0]]
    return Meaning(JobState.UNKNOWN, detail=f"Slurm calls the state of the job {word!r}.")


def worst(reasons: Iterable[str]) -> str:
    """Return the reason that says most, or "" if there is none."""
    found = set(reasons)
    return next((reason for reason in _WORST_FIRST if reason in found), "")


_WHY: Final[dict[str, str]] = {
    "Priority": "Other jobs are before it.",
    "Resources": "It is next, and waits for free processors or memory.",
    "Licenses": "It waits for a free license.",
    "JobArrayTaskLimit": "As many tasks of the array run as may run at a time.",
    "Dependency": "It waits for another job.",
    "DependencyNeverSatisfied": "The job it waits for did not succeed, so it will never run.",
    "JobHeldAdmin": "An administrator of the cluster holds it.",
    "JobHeldUser": "It is held; somebody has to release it.",
    "BeginTime": "Its time to begin has not come.",
    "BadConstraints": "No computer of the cluster can ever run it.",
    "PartitionDown": "The partition is down.",
    "PartitionInactive": "The partition takes no jobs at present.",
    "PartitionConfig": "It asks for more than the partition allows.",
    "PartitionTimeLimit": "It asks for more time than the partition allows.",
    "PartitionNodeLimit": "It asks for more computers than the partition allows.",
    "ReqNodeNotAvail": "A computer that it needs is not available.",
    "NodeDown": "A computer that it needs is down.",
    "Reservation": "It waits for its reservation to begin.",
    "ReservationDeleted": "Its reservation was deleted.",
    "InvalidAccount": "Its account is not valid.",
    "InvalidQOS": "Its QOS is not valid.",
}
_WHY_STARTS: Final[dict[str, str]] = {
    "QOS": "A limit of its QOS is reached.",
    "Assoc": "A limit of its account is reached.",
    "MaxMemPerLimit": "It asks for more memory than is allowed.",
    "Nodes required for job are": "Computers that it needs are down or set aside.",
}


def why_it_waits(reason: str) -> str:
    """Return Slurm's reason with words for people, or "" if Slurm gave none."""
    word = reason.strip().strip("()")
    if word in {"", "None", "N/A", "null"}:
        return ""
    words = _WHY.get(word.partition(",")[0]) or next(
        (words for start, words in _WHY_STARTS.items() if word.startswith(start)), ""
    )
    return f"{words} ({word})" if words else word


ACCOUNTING_IS_OFF: Final = "accounting storage is disabled"
_UNKNOWN_ID: Final = ("invalid job id", "job/step already completing or completed")

# The controller as a whole does not answer: whatever else is asked of it waits in vain.
_SILENCE: Final = (
    "unable to contact slurm controller", "socket timed out", "connection refused",
    "connection timed out", "temporarily unable", "standby", "zero bytes were transmitted",
    "transport endpoint", "no route to host", "network is unreachable", "connect failure",
    "authentication error", "munge encode failed", "could not establish a configuration source",
)  # fmt: skip
# These lift when other jobs end.
_LIMITS: Final = ("maxsubmit", "grpsubmit", "submitjob", "maxjobs", "grpjobs")
_FINAL: Final = (
    "invalid account", "invalid partition", "invalid qos", "invalid license", "invalid feature",
    "invalid generic resource", "invalid gres", "invalid node name", "invalid job array",
    "invalid wckey", "invalid reservation", "invalid tres", "invalid constraint", "invalid --",
    "invalid cluster name", "requested reservation is invalid",
    "unrecognized option", "invalid option", "requires an argument", "option is ambiguous",
    "node configuration is not available", "memory specification can not be satisfied",
    "memory required by task is not available", "time limit is invalid", "node count specification",
    "more processors requested than permitted",
    "unable to open file", "batch script", "not permitted to use this partition",
    "access/permission denied", "perjob", "invalid dependency", "job dependency",
)  # fmt: skip


def is_unknown_id(words: str) -> bool:
    """Return True if a command failed because there is no such job, or it is over."""
    return any(phrase in words.lower() for phrase in _UNKNOWN_ID)


def is_silence(words: str) -> bool:
    """Return True if a command failed because the controller cannot be spoken to."""
    return any(phrase in words.lower() for phrase in _SILENCE)


def refusal(words: str, *, of: str) -> OutsideError:
    """Return the error that a failed command stands for; what nobody knows may pass by itself."""
    short = " ".join(words.split())[:1000] or "no words at all"
    low = words.lower()
    if is_silence(low):
        return Silent("Slurm does not answer", short)
    if any(phrase in low for phrase in _LIMITS):
        return Unreachable("a limit of the cluster is reached", short)
    if any(phrase in low for phrase in _FINAL):
        return Rejected("Slurm refused", short)
    return Unreachable(f"{of} failed", short)
