"""Send what is due. Nothing here runs inside a transaction."""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from core_app.errors import Rejected, Unreachable
from core_app.models import Mail
from core_app.notices.letters import one_line
from core_app.notices.line import Line

logger = logging.getLogger(__name__)

# Longer than a tick and than the slowest server, so that a lease never ends under who holds it.
LEASE = timedelta(minutes=5)
MOST_PER_TICK = 500
LONGEST_ERROR = 500
# Minutes after each failure; after the last one, about a day after the first, it is given up.
BACK_OFF_MIN = (1, 5, 15, 60, 240, 240, 240, 240, 240, 240)


@dataclass(slots=True)
class Sent:
    """What became of the mails of one tick."""

    sent: int = 0
    postponed: int = 0
    given_up: int = 0

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.postponed} put off, {self.given_up} given up"


def due_mails(*, at: datetime) -> QuerySet[Mail]:
    """Return the mails to be sent now that nobody else is sending, the longest due first."""
    free = Q(leased_until=None) | Q(leased_until__lte=at)
    rows = Mail.objects.filter(sent_at=None, given_up_at=None, due_at__lte=at)
    return rows.filter(free).order_by("due_at", "id")


def send_due(budget: timedelta) -> Sent:
    """Send due mails until none is left or the time is over. Safe beside another one.

    Each mail is claimed by a lease before it is sent, so two workers never send the same one. A
    worker that is killed between handing a mail over and saving so leaves it to be sent once more
    when its lease ends; the repeat has the same Message-ID, by which mail programs know it again.
    """
    end = time.monotonic() + budget.total_seconds()
    outcome = Sent()
    waiting = due_mails(at=timezone.now()).values_list("pk", flat=True)
    with Line() as line:
        for pk in list(waiting[:MOST_PER_TICK]):
            if line.is_down or time.monotonic() >= end:
                break
            if mail := _claimed(pk):
                _send(mail, line, outcome)
    return outcome


def _claimed(pk: int) -> Mail | None:
    """Take the mail for this worker, or return None if another one was first."""
    now = timezone.now()
    until = now + LEASE
    if due_mails(at=now).filter(pk=pk).order_by().update(leased_until=until) != 1:
        return None
    return Mail.objects.select_related("person").get(pk=pk)


def _send(mail: Mail, line: Line, outcome: Sent) -> None:
    if mail.person is not None and not mail.person.is_active:
        _give_up(mail, "The account of this person is closed.")
        outcome.given_up += 1
        return
    try:
        line.send(message_of(mail))
    except Rejected as refusal:
        _give_up(mail, str(refusal))
        outcome.given_up += 1
    except Unreachable as trouble:
        _put_off(mail, str(trouble), outcome)
    except Exception as mistake:
        # A fault of ours in one mail must not keep the others from their readers.
        logger.exception("Mail %s failed", mail.pk)
        _put_off(mail, f"{type(mistake).__name__}: {mistake}", outcome)
    else:
        _save(mail, sent_at=timezone.now(), attempts=F("attempts") + 1, error="")
        outcome.sent += 1


def _put_off(mail: Mail, error: str, outcome: Sent) -> None:
    """Try again later, longer each time; give up after the last of them."""
    if mail.attempts >= len(BACK_OFF_MIN):
        _give_up(mail, error)
        outcome.given_up += 1
        return
    due = timezone.now() + timedelta(minutes=BACK_OFF_MIN[mail.attempts])
    _save(mail, due_at=due, attempts=F("attempts") + 1, error=_short(error))
    outcome.postponed += 1


def _give_up(mail: Mail, error: str) -> None:
    logger.warning("Mail %s (%s) is given up: %s", mail.pk, mail.event, _short(error))
    values = {"attempts": F("attempts") + 1, "error": _short(error)}
    _save(mail, given_up_at=timezone.now(), **values)


def _save(mail: Mail, **values: object) -> None:
    """Write the outcome and end the lease, if it is still ours."""
    held = Mail.objects.filter(pk=mail.pk, leased_until=mail.leased_until)
    held.update(leased_until=None, **values)


def _short(error: str) -> str:
    return one_line(error)[:LONGEST_ERROR]


def message_of(mail: Mail) -> EmailMultiAlternatives:
    """Return the mail as it travels. Its id follows from the row, so a repeat is recognized."""
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[mail.to],
        headers={
            "Message-ID": f"<{mail.created_at:%Y%m%d%H%M%S}.{mail.pk}@{settings.SITE_HOST}>",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    return message
