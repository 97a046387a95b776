"""The calendar of each microscope."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from core_app.models import User
from imaging_app.models.imaging import ImagingBatch
from imaging_app.models.instruments import Microscope


class Booking(models.Model):
    """One slot of one microscope. Two that stand never overlap: the service sees to it."""

    microscope = models.ForeignKey(Microscope, on_delete=models.PROTECT, related_name="bookings")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="bookings")
    booked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(
        ImagingBatch, null=True, blank=True, on_delete=models.SET_NULL, related_name="bookings"
    )
    purpose = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        ordering: ClassVar = ["starts_at", "id"]
        indexes: ClassVar = [
            models.Index(fields=["microscope", "starts_at"], name="booking_of"),
            models.Index(fields=["person", "starts_at"], name="booking_by"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="booking_has_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.microscope}, {self.starts_at:%Y-%m-%d %H:%M}, {self.person}"
