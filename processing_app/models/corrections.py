"""How stitched planes are corrected: the flat field and the stripes of one channel."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core_app.models import User
from imaging_app.models import ImagingChannel


class ChannelCorrection(models.Model):
    """What somebody entered for one channel; a channel without a row is corrected as usual."""

    class FlatFrom(models.TextChoices):
        ESTIMATED = "estimated", "Estimated from the planes"
        FILE = "file", "A file beside the planes"
        NONE = "none", "No flat field"

    channel = models.OneToOneField(
        ImagingChannel, on_delete=models.CASCADE, related_name="correction"
    )
    flat_from = models.CharField(
        "flat field", max_length=12, choices=FlatFrom, default=FlatFrom.ESTIMATED
    )
    flat_name = models.CharField(
        "file of the flat field", max_length=64, blank=True, default="",
        help_text="In the folder of the stitched planes, flat.tiff for example.",
    )  # fmt: skip
    sigma_foreground = models.FloatField(
        "width of stripes in the tissue (pixels)", default=0.0, help_text="0: stripes stay."
    )
    sigma_background = models.FloatField(
        "width of stripes outside (pixels)", default=0.0, help_text="0: stripes stay."
    )
    set_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(sigma_foreground__gte=0, sigma_background__gte=0),
                name="correction_widths_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"Correction of {self.channel}"
