"""States of requests and clearing batches, and which may follow which."""

from django.db import models

from core_app.states import table


class RequestState(models.TextChoices):
    DRAFT = "draft", "Draft"
    SUBMITTED = "submitted", "Submitted"
    CLOSED = "closed", "Closed"
    WITHDRAWN = "withdrawn", "Withdrawn"


class ClearingState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    IN_PROGRESS = "in progress", "In progress"
    COMPLETE = "complete", "Complete"
    CANCELLED = "cancelled", "Cancelled"


R = RequestState
REQUEST_TABLE = table(
    R.DRAFT,
    {
        R.DRAFT: {R.SUBMITTED},
        R.SUBMITTED: {R.CLOSED, R.WITHDRAWN},
        R.CLOSED: {R.SUBMITTED},  # a further round of work opens it again
    },
)

C = ClearingState
CLEARING_TABLE = table(
    C.WAITING,
    {
        C.WAITING: {C.IN_PROGRESS, C.CANCELLED},
        C.IN_PROGRESS: {C.COMPLETE, C.WAITING, C.CANCELLED},
        C.COMPLETE: {C.IN_PROGRESS},  # re-opened by staff with a reason
    },
)
