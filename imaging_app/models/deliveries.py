"""Raw folders as they were found, and what about them was accepted."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.models import User
from core_app.paths import DataPath
from imaging_app.models.imaging import ImagingResolution


class RawDelivery(models.Model):
    """One raw folder as it was found by the last check, for the channels that it holds.

    `is_right`: no problem is left that nobody accepted. `expected` is what it was compared with;
    a verdict about other values counts no more.
    """

    resolution = models.ForeignKey(
        ImagingResolution, on_delete=models.CASCADE, related_name="deliveries"
    )
    subfolder = models.CharField(max_length=255)
    ventral_up = models.BooleanField(default=False)
    checked_at = models.DateTimeField(default=timezone.now)
    checked_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    is_right = models.BooleanField(default=False)
    expected = models.JSONField(default=list)
    problems = models.JSONField(default=list)
    report = models.JSONField(default=dict)
    manifest = models.CharField(max_length=1024, blank=True, help_text="Path below the data root.")
    manifest_digest = models.CharField(max_length=64, blank=True)
    files = models.PositiveIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    verified_at = models.DateTimeField(null=True, blank=True)
    verification = models.JSONField(
        default=list, blank=True, help_text="What differed from the manifest at the last reading."
    )

    class Meta:
        ordering: ClassVar = ["resolution_id", "subfolder"]
        verbose_name_plural = "raw deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resolution", "ventral_up", "subfolder"], name="delivery_once"
            ),
        ]

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def folder(self) -> DataPath:
        return self.resolution.raw_folder(ventral_up=self.ventral_up) / self.subfolder


class DeliveryWaiver(models.Model):
    """One problem of one raw folder that a person accepted, with the reason.

    It holds for exactly this problem: `key` is made of its words, so one plane more that is missing
    is another problem.
    """

    resolution = models.ForeignKey(
        ImagingResolution, on_delete=models.CASCADE, related_name="waivers"
    )
    subfolder = models.CharField(max_length=255)
    ventral_up = models.BooleanField(default=False)
    key = models.CharField(max_length=80)
    what = models.TextField()
    reason = models.CharField(max_length=512)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["resolution_id", "subfolder", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resolution", "ventral_up", "subfolder", "key"], name="waiver_once"
            ),
        ]

    def __str__(self) -> str:
        return self.what
