"""How a step stops: a name that the site plans by and a sentence for people."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pipeline.contract import (
    BAD_INPUT,
    BUSY,
    DISK_FULL,
    OUT_OF_MEMORY,
    STEP_ERROR,
    VERSION_MISMATCH,
    Problem,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# EFBIG is what a file size limit (ulimit -f) says; for the person it is the same: no room.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StepFailed(Exception):
    """The step cannot go on; `reason` is one of contract.REASONS."""

    def __init__(self, reason: str, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.problems = list(problems)


class BadInput(StepFailed):
    """The files or parameters given are wrong; trying again without a change is useless."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(BAD_INPUT, message, problems)


class Busy(StepFailed):
    """A live process already works under this attempt name."""

    def __init__(self, message: str) -> None:
        super().__init__(BUSY, message)


class VersionMismatch(StepFailed):
    """The spec was written for another contract or pipeline version."""

    def __init__(self, message: str) -> None:
        super().__init__(VERSION_MISMATCH, message)


class Cancelled(BaseException):
    """The scheduler asked us to stop. Not an Exception, so that no step swallows it."""


def named_failure(error: BaseException) -> StepFailed:
    """Give any exception its reason and a sentence that says what to do next."""
    if isinstance(error, StepFailed):
        return error
    if isinstance(error, MemoryError):
        return StepFailed(OUT_OF_MEMORY, "The step ran out of memory. Retry it with more memory.")
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return StepFailed(
            DISK_FULL,
            f"There is no room to write {error.filename or 'the result'}. Free space or raise the "
            "quota, then retry; finished work is kept.",
        )
    return StepFailed(
        STEP_ERROR,
        f"The step stopped on an unexpected error ({type(error).__name__}: {error}). "
        "Show the log to whoever looks after the pipeline.",
    )
