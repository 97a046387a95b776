"""Calendar feeds: an address that a calendar program reads without signing in."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.models.people import User


class CalendarFeed(models.Model):
    """One secret address of one person. Only the digest of its token is kept."""

    class Scope(models.TextChoices):
        MINE = "mine", "What is planned for me"
        CLEARING = "clearing", "All planned clearing"
        HANDOFFS = "handoffs", "Expected hand-offs"
        MICROSCOPE = "microscope", "The calendar of a microscope"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="feeds")
    scope = models.CharField(max_length=12, choices=Scope, default=Scope.MINE)
    about_id = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="The microscope whose calendar it is."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} of {self.user}"
