"""What schedules ring in the kernel: due work comes from the database."""

from datetime import timedelta

from core_app import notices

BUDGET = timedelta(seconds=50)


def send_mails() -> str:
    """Send the mails that are due. Safe to run twice at once, or never."""
    return str(notices.send_due(BUDGET))
