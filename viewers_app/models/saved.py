"""Views that people keep: a name, and every version of what they saved under it."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.models import User


class SavedView(models.Model):
    """A view that somebody saved. Its uuid is its address; saving again adds a version."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-updated_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def newest(self) -> "SavedVersion":
        """Return what opening it shows."""
        return self.versions.latest("number")


class SavedVersion(models.Model):
    """What was saved at one time: the client's state with `layer:<uuid>` for addresses."""

    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    layers = models.JSONField(help_text="Uuids of its volumes, in their order.")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["view", "number"], name="saved_version_unique")
        ]

    def __str__(self) -> str:
        return f"{self.view}, version {self.number}"
