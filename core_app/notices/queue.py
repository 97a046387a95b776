"""Write mails into the queue, make them due again, give them up."""

import logging
from collections.abc import Sequence
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from core_app.bell import ring
from core_app.errors import NotReady
from core_app.models import Event, Mail, User
from core_app.notices.letters import Letter, Rendered, render
from core_app.notices.recipients import Recipient, once_each
from core_app.notices.silence import is_silenced

logger = logging.getLogger(__name__)

SEND = "core_app.tasks.send_mails"
LONGEST_ADDRESS = 100


def tell(
    event: str, letter: Letter, to: Sequence[Recipient], *, root_id: int | None, once: str = ""
) -> None:
    """Queue the letter for each recipient, in the caller's transaction, and ring the bell.

    Nothing is left of it if the transaction rolls back. An address gets one mail, whatever its
    case and however often it is named; closed accounts get none. `once` names what the event
    happened to: with it, the same event is never told twice to one address.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("tell() needs the caller's transaction.")
    wanted = [] if is_silenced() else [r for r in once_each(to) if _is_usable(r.address)]
    if not wanted:
        return
    accounts = _accounts({r.address.casefold() for r in wanted})
    words = {why: render(letter, why=why) for why in {r.why for r in wanted}}
    mails = [
        _mail(event, words[r.why], r.address, accounts.get(r.address.casefold()), root_id, once)
        for r in wanted
        if _may_get_mail(accounts.get(r.address.casefold()))
    ]
    Mail.objects.bulk_create(mails, ignore_conflicts=bool(once))
    ring(SEND)


def _is_usable(address: str) -> bool:
    try:
        validate_email(address)
    except ValidationError:
        logger.warning("No mail to %r: this is no address.", address[:LONGEST_ADDRESS])
        return False
    return len(address) <= LONGEST_ADDRESS


def _accounts(addresses: set[str]) -> dict[str, User]:
    """Return {folded address: account}, the open one where several have it."""
    rows = User.objects.alias(folded=Lower("email")).filter(folded__in=addresses)
    return {user.email.casefold(): user for user in rows.order_by("is_active", "-pk")}


def _may_get_mail(account: User | None) -> bool:
    return account is None or account.is_active


def _mail(
    event: str, words: Rendered, address: str, person: User | None, root_id: int | None, once: str
) -> Mail:
    told = f"{event}\n{once}\n{address.casefold()}"
    return Mail(
        event=event,
        to=address,
        person=person,
        root_id=root_id,
        subject=words.subject,
        text=words.text,
        html=words.html,
        key=sha256(told.encode()).hexdigest() if once else None,
    )


def send_again(mail: Mail, *, by: User) -> None:
    """Make the mail due at once, with all its attempts. A sent one is sent anew, as a copy."""
    now = timezone.now()
    with transaction.atomic():
        if mail.sent_at:
            mail = Mail.objects.create(
                event=mail.event, to=mail.to, person=mail.person, root_id=mail.root_id,
                subject=mail.subject, text=mail.text, html=mail.html,
            )  # fmt: skip
        elif _not_in_hand(mail).update(due_at=now, given_up_at=None, attempts=0) != 1:
            raise NotReady("It is being sent at this moment. Look again in a minute.")
        _note(mail, "sent again", by)
        ring(SEND)


def give_up(mail: Mail, *, by: User) -> None:
    """Never send this mail. What was sent cannot be taken back."""
    if mail.sent_at:
        raise NotReady("It was sent already.")
    if mail.given_up_at:
        raise NotReady("It was given up already.")
    with transaction.atomic():
        if _not_in_hand(mail).update(given_up_at=timezone.now()) != 1:
            raise NotReady("It is being sent at this moment. Look again in a minute.")
        _note(mail, "given up", by)


def _not_in_hand(mail: Mail) -> QuerySet[Mail]:
    now = timezone.now()
    rows = Mail.objects.filter(pk=mail.pk, sent_at=None)
    return rows.filter(Q(leased_until=None) | Q(leased_until__lte=now))


def _note(mail: Mail, verb: str, by: User) -> None:
    # Without a request: its timeline is for its people, mails are the affair of staff.
    Event.objects.create(kind="mail", object_id=mail.pk, verb=verb, by=by)
