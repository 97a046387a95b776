"""Models of the shared kernel."""

from core_app.models.history import Event, OutboxRow
from core_app.models.people import Lab, LabMembership, User
from core_app.models.stateful import Stateful, state_is_known

__all__ = ["Event", "Lab", "LabMembership", "OutboxRow", "Stateful", "User", "state_is_known"]
