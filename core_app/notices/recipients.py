"""Who gets a mail, and why: each mail says so at its end."""

from collections.abc import Iterable
from dataclasses import dataclass

from core_app.models import User
from core_app.roles import Role


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address; `why` ends the sentence "You get this mail because …"."""

    address: str
    why: str
    is_active: bool = True


def at_address(address: str, *, why: str) -> Recipient:
    """Return a recipient who need not have an account."""
    return Recipient(address.strip(), why)


def of_person(person: User, *, why: str) -> Recipient:
    """Return the recipient that a person is; nothing is sent to a closed account."""
    return Recipient(person.email.strip(), why, is_active=person.is_active)


def staff(*roles: Role, why: str) -> list[Recipient]:
    """Return the people of these roles. A superuser is one of them only as a member."""
    people = User.objects.filter(is_active=True, groups__name__in=[role.value for role in roles])
    return [of_person(person, why=why) for person in people.distinct().order_by("pk")]


def once_each(recipients: Iterable[Recipient]) -> list[Recipient]:
    """Return each address once, whatever its case; the first reason given counts."""
    found: dict[str, Recipient] = {}
    for recipient in recipients:
        if recipient.is_active and recipient.address:
            found.setdefault(recipient.address.casefold(), recipient)
    return list(found.values())
