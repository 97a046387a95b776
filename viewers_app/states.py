"""States of a viewer session, and which may follow which."""

from django.db import models

from core_app.states import table


class SessionState(models.TextChoices):
    REQUESTED = "requested", "Requested"
    STARTING = "starting", "Starting"
    READY = "ready", "Ready"
    STOPPING = "stopping", "Stopping"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"


S = SessionState
SESSION_TABLE = table(
    S.REQUESTED,
    {
        # A static view needs no start; one that nobody looks at is not started.
        S.REQUESTED: {S.STARTING, S.READY, S.STOPPED, S.FAILED},
        S.STARTING: {S.READY, S.FAILED, S.STOPPING},
        S.READY: {S.STOPPING, S.STOPPED, S.EXPIRED, S.FAILED},
        S.STOPPING: {S.STOPPED},
    },
)
# Its person may come to it, and fetch data.
OPEN = frozenset({S.REQUESTED, S.STARTING, S.READY})
