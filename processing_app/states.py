"""States of processing requests, runs and attempts, and which may follow which."""

from django.db import models

from core_app.states import table


class ProcessingState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    COMPLETE = "complete", "Complete"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class RunState(models.TextChoices):
    PLANNED = "planned", "Planned"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


# Runs that the driver is still to carry on.
ACTIVE = (RunState.PLANNED, RunState.RUNNING)


class AttemptState(models.TextChoices):
    NEW = "new", "New"
    STAGED = "staged", "Staged"
    SUBMITTING = "submitting", "Submitting"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    COLLECTING = "collecting", "Collecting"
    CANCELLING = "cancelling", "Cancelling"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    LOST = "lost", "Lost"


class QualityState(models.TextChoices):
    PENDING = "pending", "Pending"
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"


P = ProcessingState
PROCESSING_TABLE = table(
    P.WAITING,
    {
        P.WAITING: {P.RUNNING, P.CANCELLED},
        P.RUNNING: {P.COMPLETE, P.FAILED, P.CANCELLED},
        P.FAILED: {P.RUNNING, P.CANCELLED},
        P.COMPLETE: {P.RUNNING},  # run again with other parameters
        # Imaging went back to an objective that can be processed; or the run is retried.
        P.CANCELLED: {P.WAITING, P.RUNNING},
    },
)

R = RunState
RUN_TABLE = table(
    R.PLANNED,
    {
        R.PLANNED: {R.RUNNING, R.CANCELLED},
        R.RUNNING: {R.SUCCEEDED, R.FAILED, R.CANCELLED},
        R.FAILED: {R.RUNNING, R.CANCELLED},  # retried from the failed step, or set aside
        R.CANCELLED: {R.RUNNING},
    },
)

S = AttemptState
ATTEMPT_TABLE = table(
    S.NEW,
    {
        S.NEW: {S.STAGED, S.FAILED, S.CANCELLED},
        # From any state the site's own mistakes end an attempt as failed (INTERNAL).
        S.STAGED: {S.SUBMITTING, S.CANCELLED, S.FAILED},
        # Back to staged: the cluster fell silent before it was this one's turn.
        S.SUBMITTING: {S.QUEUED, S.STAGED, S.FAILED, S.CANCELLING, S.LOST},
        S.QUEUED: {S.RUNNING, S.COLLECTING, S.CANCELLING, S.LOST, S.FAILED},
        S.RUNNING: {S.COLLECTING, S.CANCELLING, S.LOST, S.FAILED},
        # It may finish before the cancel arrives.
        S.CANCELLING: {S.CANCELLED, S.COLLECTING, S.LOST, S.FAILED},
        S.COLLECTING: {S.SUCCEEDED, S.FAILED, S.LOST},
    },
)

Q = QualityState
QUALITY_TABLE = table(
    Q.PENDING,
    {
        Q.PENDING: {Q.PASSED, Q.FAILED},
        # Somebody looked again, or the images were made anew.
        Q.PASSED: {Q.FAILED, Q.PENDING},
        Q.FAILED: {Q.PASSED, Q.PENDING},
    },
)
