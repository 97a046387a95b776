"""Pure: the names of failures, how often each is tried, and what a person can do about it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure. `tries` counts from the start or the last retry by a person."""

    tries: int
    words: str
    advice: str


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
        1, "The cluster refused the job", "Ask the operator; the cluster's own words are below."
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
        2, "The step ran out of memory", "Give the job more memory, then retry the run."
    ),
    "TIME_LIMIT": Failure(2, "The job ran into its time limit", "Raise the limit, then retry."),
    "NO_RESULT": Failure(3, "The job ended without leaving a result", _ONCE_MORE),
    "LOST": Failure(3, "The job vanished from the cluster", _ONCE_MORE),
    "NODE_FAIL": Failure(3, "The computer that ran the job failed", _ONCE_MORE),
    "PREEMPTED": Failure(3, "The job had to make room for another", _ONCE_MORE),
    "CANCELLED": Failure(3, "The job was stopped from outside", _ONCE_MORE),
    "BUSY": Failure(3, "An earlier attempt was still at work", _ONCE_MORE),
}

_UNKNOWN = Failure(1, "The step failed", "Show the log to whoever looks after the pipeline.")


def failure_of(reason: str) -> Failure:
    """Return what is known of a reason; one that nobody named is not tried again."""
    return FAILURES.get(reason, _UNKNOWN)
