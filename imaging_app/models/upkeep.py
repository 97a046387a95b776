"""How instruments are kept: parts, maintenance, swaps of objectives, calibrations, outages."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from core_app.models import User
from imaging_app.models.instruments import Microscope, Objective, Wavelength


class Component(models.Model):
    """One part that is built into microscopes, by its serial number: a laser, a camera."""

    class Kind(models.TextChoices):
        LASER = "laser", "Laser"
        OBJECTIVE = "objective", "Objective lens"
        CAMERA = "camera", "Camera"
        DETECTOR = "detector", "Detector"
        FILTER = "filter", "Filter"
        DICHROIC = "dichroic", "Dichroic mirror"
        SCANNER = "scanner", "Scanner"
        STAGE = "stage", "Stage"
        AMPLIFIER = "amplifier", "Amplifier"
        ACQUISITION = "acquisition", "Acquisition hardware"
        SOFTWARE = "software", "Acquisition software"
        OTHER = "other", "Other"

    kind = models.CharField(max_length=16, choices=Kind)
    name = models.CharField(max_length=64)
    brand = models.CharField(max_length=64, blank=True)
    model = models.CharField("model or version", max_length=64, blank=True)
    serial = models.CharField("serial number", max_length=64, blank=True)
    spec_url = models.URLField("data sheet or spectrum", max_length=255, blank=True)
    made_on = models.DateField(null=True, blank=True)
    first_used_on = models.DateField(null=True, blank=True)
    notes = models.CharField(max_length=512, blank=True)
    retired_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["kind", "name", "serial"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name", "serial"], name="component_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.serial}".strip()


class ComponentInstallation(models.Model):
    """Where a component was built in, from when to when."""

    component = models.ForeignKey(Component, on_delete=models.PROTECT, related_name="installations")
    microscope = models.ForeignKey(
        Microscope, on_delete=models.PROTECT, related_name="installations"
    )
    position = models.CharField(max_length=64, blank=True, help_text="Such as: left arm, slot 3.")
    installed_on = models.DateField()
    removed_on = models.DateField(null=True, blank=True)
    installed_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    notes = models.CharField(max_length=512, blank=True)
    # "component:4" while built in, NULL afterwards: a part is in one place at a time.
    active_key = models.CharField(  # noqa: DJ001  # many NULLs may stand in a unique column
        max_length=32, null=True, unique=True, editable=False
    )

    class Meta:
        ordering: ClassVar = ["-installed_on", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(removed_on=None) | Q(removed_on__gte=F("installed_on")),
                name="removed_after_installed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.component} in {self.microscope}"


class MaintenanceEntry(models.Model):
    """One piece of maintenance, with the day on which it is due again."""

    microscope = models.ForeignKey(Microscope, on_delete=models.PROTECT, related_name="maintenance")
    component = models.ForeignKey(
        Component, null=True, blank=True, on_delete=models.PROTECT, related_name="maintenance"
    )
    kind = models.CharField(max_length=64, help_text="What is done: laser service, cleaning, …")
    performed_on = models.DateField()
    performed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    checklist = models.JSONField(
        default=list,
        blank=True,
        help_text='What was looked at: [["laser filter cleaned", true], …]',
    )
    notes = models.TextField(max_length=1024, blank=True)
    downtime_minutes = models.PositiveIntegerField(default=0)
    next_due_on = models.DateField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-performed_on", "-id"]
        verbose_name_plural = "maintenance log"
        indexes: ClassVar = [models.Index(fields=["next_due_on"], name="maintenance_due")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.component or self.microscope}, {self.performed_on}"


class ObjectiveSwap(models.Model):
    """One change of the objective that is mounted, with how it was calibrated afterwards."""

    microscope = models.ForeignKey(Microscope, on_delete=models.PROTECT, related_name="swaps")
    swapped_on = models.DateField()
    old = models.ForeignKey(
        Objective, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    new = models.ForeignKey(Objective, on_delete=models.PROTECT, related_name="+")
    swapped_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    calibration = models.TextField(max_length=1000, blank=True)
    notes = models.TextField(max_length=1000, blank=True)

    class Meta:
        ordering: ClassVar = ["-swapped_on", "-id"]

    def __str__(self) -> str:
        return f"{self.old or 'nothing'} → {self.new.name}, {self.swapped_on}"


class Calibration(models.Model):
    """One measured figure of an instrument, for the plot of its trend."""

    class Kind(models.TextChoices):
        PSF_LATERAL = "psf lateral", "PSF, lateral FWHM (µm)"
        PSF_AXIAL = "psf axial", "PSF, axial FWHM (µm)"
        FLAT_FIELD = "flat field", "Flat field, lowest by highest (%)"
        LASER_POWER = "laser power", "Laser power (mW)"
        SHEET_THICKNESS = "sheet thickness", "Light sheet thickness (µm)"
        PIXEL_SIZE = "pixel size", "Pixel size (µm)"

    microscope = models.ForeignKey(
        Microscope, on_delete=models.PROTECT, related_name="calibrations"
    )
    objective = models.ForeignKey(
        Objective, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    wavelength = models.ForeignKey(
        Wavelength, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    measured_on = models.DateField()
    value = models.FloatField()
    details = models.JSONField(default=dict, blank=True, help_text="Further figures by name.")
    file = models.CharField(max_length=512, blank=True, help_text="Path below the data root.")
    measured_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    notes = models.CharField(max_length=512, blank=True)

    class Meta:
        ordering: ClassVar = ["measured_on", "id"]
        indexes: ClassVar = [
            models.Index(fields=["microscope", "kind", "measured_on"], name="calibration_trend"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.microscope}, {self.measured_on}"


class Outage(models.Model):
    """A time in which an instrument cannot be used, or only in part; open without `ends_at`."""

    class Severity(models.TextChoices):
        LIMITED = "limited", "Limited"
        DOWN = "down", "Down"

    microscope = models.ForeignKey(Microscope, on_delete=models.PROTECT, related_name="outages")
    severity = models.CharField(max_length=16, choices=Severity)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, help_text="Shown to everybody who is signed in.")
    reported_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-starts_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["microscope", "starts_at"], name="outage_of")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="outage_has_length"
            ),
        ]

    def __str__(self) -> str:
        begins = f"{timezone.localtime(self.starts_at):%Y-%m-%d %H:%M}"
        return f"{self.microscope} {self.get_severity_display().lower()} from {begins}"
