"""Models of the shared kernel."""

from core_app.models.feeds import CalendarFeed
from core_app.models.history import Event, OutboxRow
from core_app.models.mail import Mail
from core_app.models.people import Lab, LabMembership, User
from core_app.models.stateful import Stateful, state_is_known

__all__ = [
    "CalendarFeed",
    "Event",
    "Lab",
    "LabMembership",
    "Mail",
    "OutboxRow",
    "Stateful",
    "User",
    "state_is_known",
]
