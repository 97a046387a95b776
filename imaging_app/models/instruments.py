"""Instruments as data: microscopes, their objectives and wavelengths."""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q


class Microscope(models.Model):
    """One microscope, and how its software lays out raw data."""

    class Layout(models.TextChoices):
        LAVISION = "lavision", "LaVision (one folder of OME-TIFF planes)"
        SMARTSPIM = "smartspim", "SmartSPIM (tile folders)"

    class Status(models.TextChoices):
        OPERATIONAL = "operational", "Operational"
        LIMITED = "limited", "Limited"
        DOWN = "down", "Down"

    name = models.CharField(max_length=32, unique=True)
    label = models.CharField(max_length=100)
    layout = models.CharField(max_length=16, choices=Layout)
    vendor = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=64, blank=True)
    room = models.CharField(max_length=32, blank=True)
    description = models.TextField(max_length=2047, blank=True)
    is_bookable = models.BooleanField(
        default=True, help_text="Whether its calendar takes bookings."
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.OPERATIONAL)
    status_note = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.label


class Wavelength(models.Model):
    """One laser line of one microscope; `position` is the row order and SmartSPIM's Em index."""

    microscope = models.ForeignKey(Microscope, on_delete=models.CASCADE, related_name="wavelengths")
    name = models.CharField(max_length=16, help_text="Nanometers, as in folder names.")
    position = models.PositiveSmallIntegerField()
    color = models.CharField(
        max_length=7, default="#ffffff", help_text="Color in viewers, #rrggbb."
    )
    may_register = models.BooleanField(default=False)
    equivalents = models.ManyToManyField(
        "self",
        blank=True,
        help_text="The lines of other microscopes that excite the same dyes: 555 here, 561 there.",
    )

    class Meta:
        ordering: ClassVar = ["microscope_id", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["microscope", "name"], name="wavelength_once"),
            models.UniqueConstraint(
                fields=["microscope", "position"], name="wavelength_position_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} nm"


class Objective(models.Model):
    """One objective (the original called it a resolution) and what may be done with its images."""

    microscope = models.ForeignKey(Microscope, on_delete=models.PROTECT, related_name="objectives")
    name = models.CharField(max_length=16, unique=True, help_text="As in folder names: 1.3x")
    label = models.CharField(max_length=100)
    magnification = models.DecimalField(max_digits=8, decimal_places=4)
    camera_pixel_um = models.DecimalField("camera pixel (µm)", max_digits=8, decimal_places=4)
    xy_um = models.DecimalField(
        "xy pixel (µm)", max_digits=9, decimal_places=5, null=True, blank=True,
        help_text="Given directly where the formula does not hold.",
    )  # fmt: skip
    default_z_step_um = models.DecimalField(
        "usual z step (µm)", max_digits=7, decimal_places=2, default=Decimal(10)
    )
    max_tiles_per_side = models.PositiveSmallIntegerField(default=1)
    light_sheets = models.PositiveSmallIntegerField(default=2)
    has_zoom = models.BooleanField(default=False)
    only_generic_imaging = models.BooleanField(default=False)
    pipelines = models.JSONField(
        default=list, blank=True, help_text="Names of the pipelines allowed."
    )
    is_offered = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(magnification__gt=0, camera_pixel_um__gt=0), name="objective_magnifies"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def pixel_um(self, *, zoom: float = 1.0) -> float:
        """Return the xy pixel size in µm: as given, or camera pixel / (magnification × zoom)."""
        if self.xy_um is not None:
            return float(self.xy_um) / zoom
        return float(self.camera_pixel_um) / (float(self.magnification) * zoom)
