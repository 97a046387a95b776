"""Sign-in policy on top of django-allauth: who may sign up, which usernames, no demo password.

One person per verified address is kept by allauth itself (`EmailAddress.can_set_verified`), since
MariaDB does not hold its conditional constraint.
"""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from core_app.models.people import USERNAME, User

DEMO_PASSWORD = "try-lightserv-now"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no type hints
    """The facility's rules for local accounts."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGN_UP)

    def clean_username(self, username: str, shallow: bool = False) -> str:  # noqa: FBT001, FBT002  # allauth's signature
        name = str(super().clean_username(username, shallow=shallow))
        USERNAME(name)
        return name


class NoDemoPassword:
    """Refuse the password of the demo accounts wherever this is not a demo."""

    def validate(self, password: str, user: User | None = None) -> None:
        if password == DEMO_PASSWORD and not settings.DEBUG:
            raise ValidationError("This is the password of the demo accounts. Choose another one.")

    def get_help_text(self) -> str:
        return "Your password can't be the one of the demo accounts."


def verified_address(user: User) -> None:
    """Mark the user's own address as verified and primary (seeded and imported people)."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )


def is_address_used(email: str) -> bool:
    """Return True if an account has this address, whatever its case."""
    known = EmailAddress.objects.filter(email__iexact=email)
    return known.exists() or User.objects.filter(email__iexact=email).exists()


def open_account(username: str, email: str) -> User:
    """Make an account without a password: its person sets one by mail, or signs in elsewhere."""
    email = email.lower()  # as it is looked up when its person asks for a password
    user = User(username=username, email=email)
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save()
    EmailAddress.objects.create(user=user, email=email, verified=False, primary=True)
    return user


class RefuseDemoPassword:
    """First authentication backend: outside a demo, the demo password opens nothing."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        if credentials.get("password") == DEMO_PASSWORD and not settings.DEBUG:
            raise PermissionDenied
