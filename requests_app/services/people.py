"""What submission does to people: the owner's username becomes part of folders and addresses."""

from django.utils import timezone

from core_app.models import User


def freeze_username(user: User) -> None:
    """Remember that the username may not change any more. Safe to repeat."""
    User.objects.filter(pk=user.pk, username_frozen_at=None).update(
        username_frozen_at=timezone.now()
    )
