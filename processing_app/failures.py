"""Pure: the names of failures, how often each is tried, and what a person can do about it."""

from dataclasses import dataclass
from typing import Final

from processing_app.demands import MEMORY, TIME


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure. `tries` counts from the start or the last retry by a person.

    `grows` names what the next try asks more of (demands.MEMORY or TIME), as long as the cluster
    allows more; where that is known, it is tried `tries_grown` times in all.
    """

    tries: int
    words: str
    advice: str
    grows: str = ""
    tries_grown: int = 4


_ONCE_MORE = "It is tried again by itself; retry the run if that did not help."

FAILURES: Final[dict[str, Failure]] = {
    "BAD_INPUT": Failure(
        1, "The input is not right", "Correct what is listed, then retry the run."
    ),
    "VERSION_MISMATCH": Failure(
        1,
        "Site and pipeline are of different versions",
        "Deploy the pipeline that belongs to the site, then retry the run.",
    ),
    "DISK_FULL": Failure(
        1, "There was no room to write", "Free space, then retry the run; finished work is kept."
    ),
    "REJECTED": Failure(
        1, "The cluster refused the job", "Ask the operator, who can read the cluster's own words."
    ),
    "PRELUDE_FAILED": Failure(
        1,
        "The lines before the step failed",
        "They stand in the cluster or the profile; correct them, then retry the run.",
    ),
    "BAD_RESULT": Failure(
        1,
        "The result file cannot be understood",
        "Deploy the pipeline that belongs to the site, then retry the run.",
    ),
    "INTERNAL": Failure(
        1,
        "The site stumbled over a mistake of its own",
        "Show the log of the site to whoever looks after it, then retry the run.",
    ),
    "STEP_ERROR": Failure(
        2, "The step stopped on an error", "Show the log to whoever looks after the pipeline."
    ),
    "OUT_OF_MEMORY": Failure(
        2,
        "The step ran out of memory",
        "It was tried with more, as far as the cluster allows. Run it again with more memory, or "
        "on another cluster.",
        grows=MEMORY,
    ),
    "TIME_LIMIT": Failure(
        2,
        "The job ran into its time limit",
        "It was tried with more time, as far as the cluster allows. Run it again with more time, "
        "or on another cluster.",
        grows=TIME,
    ),
    "POOR_STITCHING": Failure(
        1,
        "The tiles do not fit together",
        "Look at the tiles named below. Image the sample again, or run it again with other values.",
    ),
    "POOR_REGISTRATION": Failure(
        1,
        "The brain does not fit the atlas",
        "Look at the overlay. Check orientation, atlas and registration channel, then process the "
        "sample again.",
    ),
    "NO_RESULT": Failure(3, "The job ended without leaving a result", _ONCE_MORE),
    "LOST": Failure(3, "The job vanished from the cluster", _ONCE_MORE),
    "NODE_FAIL": Failure(3, "The computer that ran the job failed", _ONCE_MORE),
    "BOOT_FAIL": Failure(3, "The computer for the job did not start", _ONCE_MORE),
    "LAUNCH_FAILED": Failure(3, "The job could not be started on its computer", _ONCE_MORE),
    "REVOKED": Failure(3, "The job was taken over by another cluster and not done", _ONCE_MORE),
    "DEADLINE": Failure(
        1,
        "The job could not be done before its deadline",
        "The cluster's rules set one. Ask its administrators, then retry the run.",
    ),
    "PREEMPTED": Failure(3, "The job had to make room for another", _ONCE_MORE),
    "CANCELLED": Failure(3, "The job was stopped from outside", _ONCE_MORE),
    "BUSY": Failure(3, "An earlier attempt was still at work", _ONCE_MORE),
}

# Their messages are the cluster's own words: they may name computers and accounts.
TOLD_BY_CLUSTER: Final = frozenset({"REJECTED"})

_UNKNOWN = Failure(1, "The step failed", "Show the log to whoever looks after the pipeline.")


def failure_of(reason: str) -> Failure:
    """Return what is known of a reason; one that nobody named is not tried again."""
    return FAILURES.get(reason, _UNKNOWN)
