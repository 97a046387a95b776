"""Mails: written with the change they tell of, sent later by a task."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core_app.models.people import User


class Mail(models.Model):
    """One message to one address. It is stored in the transaction of what it tells."""

    event = models.CharField(max_length=40, help_text="What happened, such as clearing-complete.")
    to = models.EmailField(max_length=100)
    person = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="mails"
    )
    root_id = models.BigIntegerField(null=True, blank=True, help_text="The request it is about.")
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    due_at = models.DateTimeField(default=timezone.now, help_text="Not sent before this time.")
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    given_up_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Digest of event, object and address, where an event is told once; NULL for all others.
    key = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001  # see above

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["sent_at", "given_up_at", "due_at"], name="mail_queue"),
            models.Index(fields=["root_id"], name="mail_of_request"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True) | Q(given_up_at__isnull=True),
                name="mail_sent_or_given_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"

    @property
    def outcome(self) -> str:
        """Say what became of it so far."""
        if self.sent_at:
            return "sent"
        if self.given_up_at:
            return "given up"
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"failed {times}, tried again" if self.attempts else "waiting"
