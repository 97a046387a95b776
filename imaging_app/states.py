"""States of imaging requests (one sample, one round) and imaging batches."""

from django.db import models

from core_app.states import table


class ImagingState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    IN_PROGRESS = "in progress", "In progress"
    COMPLETE = "complete", "Complete"
    SKIPPED = "skipped", "Skipped"
    CANCELLED = "cancelled", "Cancelled"


S = ImagingState
IMAGING_TABLE = table(
    S.WAITING,
    {
        S.WAITING: {S.IN_PROGRESS, S.SKIPPED, S.CANCELLED},
        S.IN_PROGRESS: {S.COMPLETE, S.SKIPPED, S.WAITING, S.CANCELLED},
        S.COMPLETE: {S.IN_PROGRESS},  # re-opened by staff with a reason
        S.SKIPPED: {S.IN_PROGRESS, S.WAITING},  # as far as its batch had come
    },
)

OVER = frozenset({S.COMPLETE, S.SKIPPED, S.CANCELLED})
