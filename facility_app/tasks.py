"""Periodic tasks of the facility: bells that ask the database what is due."""

from facility_app.reminders import remind


def send_reminders() -> str:
    """Send the reminders that are due. Safe to run twice at once, or never."""
    return f"{len(list(remind()))} reminders sent"
