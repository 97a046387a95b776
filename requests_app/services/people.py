"""What requests do to people: usernames freeze, and staff make accounts for new researchers."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from core_app import accounts, roles
from core_app.errors import Invalid, NotAllowed, Taken
from core_app.models import User
from core_app.models.people import USERNAME


def freeze_username(user: User) -> None:
    """Remember that the username may not change any more. Safe to repeat."""
    User.objects.filter(pk=user.pk, username_frozen_at=None).update(
        username_frozen_at=timezone.now()
    )


def account_for(username: str, email: str, *, by: User) -> tuple[User, bool]:
    """Return the account of this name, made new if there is none and an address is given.

    For staff who hand in requests for others. Raises NotAllowed for everybody else, Invalid for a
    name or address that cannot be, and Taken for an address that is somebody else's.
    """
    if not roles.has_role(by, roles.Role.CLEARER, roles.Role.MANAGER):
        raise NotAllowed("Only clearing staff and managers hand in requests for other people.")
    name = username.strip().lower()
    # A collation may take ü for u: only the very same name is that person.
    found = next((u for u in User.objects.filter(username=name) if u.username == name), None)
    if found is not None:
        _require_same_address(found, email)
        return found, False
    return _new_account(name, email.strip()), True


def _require_same_address(person: User, email: str) -> None:
    if email.strip() and email.strip().lower() != person.email.lower():
        raise Taken(
            f"The username {person.username} belongs to somebody with another address. Leave the "
            "address empty if you mean them, or choose another username."
        )


def _new_account(name: str, email: str) -> User:
    if not email:
        raise Invalid(
            f"Nobody here has the username “{name}”. Correct it, or give an e-mail address and an "
            "account is made.",
            fields={"username": ["Nobody here has this username."]},
        )
    try:
        USERNAME(name)
        validate_email(email)
    except ValidationError as problem:
        raise Invalid(" ".join(problem.messages)) from problem
    if accounts.is_address_used(email):
        raise Taken(f"The address {email} belongs to another account; ask for their username.")
    try:
        with transaction.atomic():
            return accounts.open_account(name, email)
    except ValidationError as problem:
        raise Invalid(" ".join(problem.messages)) from problem
    except IntegrityError as clash:
        raise Taken(f"The username {name} was taken at this moment; try again.") from clash
