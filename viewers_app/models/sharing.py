"""Links by which others open a saved view, until they end or are taken back."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.models import User
from viewers_app.models.saved import SavedView


class ShareLink(models.Model):
    """A link to a saved view. Only the digest of its token is kept.

    It is worth what its creator may share today, never more: their rights are asked each time.
    """

    class Scope(models.TextChoices):
        NAMED = "named", "These people"
        SIGNED_IN = "signed_in", "Everybody with an account"
        ANYONE = "anyone", "Anyone with the link"

    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=8, editable=False, help_text="End of the link, to tell it.")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="links")
    scope = models.CharField(max_length=12, choices=Scope, default=Scope.NAMED)
    people = models.ManyToManyField(User, blank=True, related_name="shared_with_me")
    note = models.CharField(max_length=200, blank=True, help_text="What it is for.")
    created_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="share_links")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    most_uses = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    uses = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"link …{self.hint} to {self.view}"

    @property
    def is_live(self) -> bool:
        """Return True if what it opened may go on. A new use also needs one that is left."""
        is_over = self.revoked_at is not None or self.expires_at <= timezone.now()
        return not is_over and self.view.removed_at is None and self.created_by.is_active

    @property
    def has_uses_left(self) -> bool:
        return self.most_uses is None or self.uses < self.most_uses
