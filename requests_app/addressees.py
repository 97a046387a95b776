"""Who of a request gets its mails, and how letters name requests and people."""

from collections.abc import Iterable

from django.urls import reverse

from core_app.models import User
from core_app.notices import Recipient, at_address
from core_app.notices.letters import shortened
from requests_app.models import Request


def correspondents(request: Request) -> list[Recipient]:
    """Return the correspondence address of the request, else its owner's."""
    address = request.correspondence_email or request.owner.email
    return [at_address(address, why="this is the correspondence address of the request")]


def owns(request: Request) -> str:
    """Return the reason for which an owner gets a mail."""
    return f"the request {named(request)} is yours"


def without(person: User, recipients: Iterable[Recipient]) -> list[Recipient]:
    """Return the others: nobody is told what they did themselves."""
    own = person.email.casefold()
    return [recipient for recipient in recipients if recipient.address.casefold() != own]


def named(request: Request) -> str:
    """Return the request's name in quotation marks, short enough for a subject."""
    return f"“{shortened(request.name)}”"


def shown(person: User) -> str:
    """Return the person's name, short enough for a subject."""
    return shortened(str(person), 40)


def counted(samples: Iterable[object]) -> str:
    """Return `1 sample` or `3 samples`."""
    count = len(list(samples))
    return f"{count} sample{'' if count == 1 else 's'}"


def address_of(request: Request) -> str:
    """Return the path of the request's page."""
    return reverse("requests:request-page", args=[request.owner.username, request.folder.name])
