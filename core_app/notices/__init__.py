"""Mails to people: told in the transaction of what happened, sent later by a task."""

from core_app.notices.letters import Letter
from core_app.notices.queue import give_up, send_again, tell
from core_app.notices.recipients import Recipient, at_address, of_person, staff
from core_app.notices.sending import Sent, due_mails, send_due
from core_app.notices.silence import silenced

__all__ = [
    "Letter", "Recipient", "Sent", "at_address", "due_mails", "give_up", "of_person", "send_again",
    "send_due", "silenced", "staff", "tell",
]  # fmt: skip
