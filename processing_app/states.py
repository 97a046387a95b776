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


P = ProcessingState
PROCESSING_TABLE = table(
    P.WAITING,
    {
        P.WAITING: {P.RUNNING, P.CANCELLED},
        P.RUNNING: {P.COMPLETE, P.FAILED, P.CANCELLED},
        P.FAILED: {P.RUNNING, P.CANCELLED},
    },
)

R = RunState
RUN_TABLE = table(
    R.PLANNED,
    {
        R.PLANNED: {R.RUNNING, R.CANCELLED},
        R.RUNNING: {R.SUCCEEDED, R.FAILED, R.CANCELLED},
        R.FAILED: {R.RUNNING},  # retried from the failed step
        R.CANCELLED: {R.RUNNING},
    },
)

S = AttemptState
ATTEMPT_TABLE = table(
    S.NEW,
    {
        S.NEW: {S.STAGED, S.FAILED, S.CANCELLED},
        S.STAGED: {S.SUBMITTING, S.CANCELLED},
        S.SUBMITTING: {S.QUEUED, S.FAILED, S.CANCELLING, S.LOST},
        S.QUEUED: {S.RUNNING, S.COLLECTING, S.CANCELLING, S.LOST},
        S.RUNNING: {S.COLLECTING, S.CANCELLING, S.LOST},
        S.CANCELLING: {
            S.CANCELLED,
            S.COLLECTING,
            S.LOST,
        },  # it may finish before the cancel arrives
        S.COLLECTING: {S.SUCCEEDED, S.FAILED, S.LOST},
    },
)
