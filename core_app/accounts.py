"""Sign-in policy on top of django-allauth: who may sign up, usernames, one person per address."""

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

    def clean_email(self, email: str) -> str:
        """Refuse an address that another person has verified; MariaDB cannot hold that constraint."""
        address = str(super().clean_email(email))
        if EmailAddress.objects.filter(email__iexact=address, verified=True).exists():
            raise ValidationError("Another account uses this address. Sign in there, or reset its password.")
        return address


class NoDemoPassword:
    """Refuse the password of the demo accounts wherever this is not a demo."""

    def validate(self, password: str, user: User | None = None) -> None:
        if password == DEMO_PASSWORD and not settings.DEBUG:
            raise ValidationError("This is the password of the demo accounts. Choose another one.")

    def get_help_text(self) -> str:
        return "Your password can't be the one of the demo accounts."


def verified_address(user: User, **defaults: Any) -> None:
    """Mark the user's own address as verified and primary (seeded and imported people)."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True, **defaults}
    )


class RefuseDemoPassword:
    """First authentication backend: outside a demo, the demo password opens nothing."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        if credentials.get("password") == DEMO_PASSWORD and not settings.DEBUG:
            raise PermissionDenied

    def get_user(self, user_id: int) -> None:
        return None
