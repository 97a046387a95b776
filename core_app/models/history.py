"""The append-only history, and the outbox of objects whose mirror is out of date."""

from typing import ClassVar, NoReturn

from django.db import models
from django.utils import timezone

from core_app.models.people import User


class AppendOnly(models.QuerySet["Event"]):
    """History is added to, never rewritten. Deletion stays possible for pruning and cascades."""

    def update(self, **values: object) -> NoReturn:
        raise TypeError("History is append-only.")

    def bulk_update(self, *args: object, **options: object) -> NoReturn:
        raise TypeError("History is append-only.")


class Event(models.Model):
    """One thing that happened to one object: a change of state, or another act worth keeping."""

    kind = models.CharField(max_length=32)
    object_id = models.BigIntegerField()
    root_id = models.BigIntegerField(null=True)
    verb = models.CharField(max_length=40, default="moved")
    came_from = models.CharField(max_length=16, blank=True)
    to = models.CharField(max_length=16, blank=True)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = AppendOnly.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["kind", "object_id"], name="event_of_object"),
            models.Index(fields=["root_id", "id"], name="event_of_request"),
            models.Index(fields=["kind", "to", "at"], name="event_reached"),
        ]

    def __str__(self) -> str:
        step = f"{self.came_from} → {self.to}" if self.to else self.verb
        return f"{self.kind} {self.object_id}: {step}"

    def save(self, *args: object, **options: object) -> None:
        """Insert; a second save is a mistake in the program."""
        if self.pk:
            raise TypeError("History is append-only.")
        super().save(force_insert=True)


class OutboxRow(models.Model):
    """An object that changed since the mirror last saw it. Read, mirrored, then deleted by id."""

    kind = models.CharField(max_length=32)
    object_id = models.BigIntegerField()
    removed_key = models.JSONField(null=True, help_text="The natural key, if the object is gone.")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"
