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
        P.CANCELLED: {P.WAITING},  # imaging went back to an objective that can be processed
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
        S.SUBMITTING: {S.QUEUED, S.FAILED, S.CANCELLING, S.LOST},
        S.QUEUED: {S.RUNNING, S.COLLECTING, S.CANCELLING, S.LOST, S.FAILED},
        S.RUNNING: {S.COLLECTING, S.CANCELLING, S.LOST, S.FAILED},
        # It may finish before the cancel arrives.
        S.CANCELLING: {S.CANCELLED, S.COLLECTING, S.LOST, S.FAILED},
        S.COLLECTING: {S.SUCCEEDED, S.FAILED, S.LOST},
    },
)
