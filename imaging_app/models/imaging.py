"""What is to be imaged, what was imaged, and where the raw data is."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from core_app.models import Stateful, User, state_is_known
from core_app.paths import DataPath
from imaging_app.models.instruments import Objective, Wavelength
from imaging_app.states import IMAGING_TABLE, ImagingState
from requests_app.models import ClearingBatch, Sample
from requests_app.plans import PURPOSES


class ImagingBatch(Stateful):
    """Samples of one clearing batch that use the same objectives and channels, in one round."""

    TABLE = IMAGING_TABLE
    KIND = "imaging batch"

    clearing_batch = models.ForeignKey(
        ClearingBatch, on_delete=models.CASCADE, related_name="imaging_batches"
    )
    imaging_request_number = models.PositiveSmallIntegerField(default=1)
    number = models.PositiveSmallIntegerField()
    imager = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="imaging"
    )
    performed_on = models.DateField(null=True, blank=True)
    state = models.CharField(
        max_length=16, choices=ImagingState, default=ImagingState.WAITING, editable=False
    )

    class Meta:
        ordering: ClassVar = ["clearing_batch_id", "imaging_request_number", "number"]
        verbose_name_plural = "imaging batches"
        indexes: ClassVar = [models.Index(fields=["state"], name="imaging_queue")]
        constraints: ClassVar = [
            state_is_known(ImagingState, "imaging_batch_state_known"),
            models.UniqueConstraint(
                fields=["clearing_batch", "imaging_request_number", "number"],
                name="imaging_batch_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.clearing_batch} imaging batch {self.number}"

    @property
    def root_id(self) -> int:
        return self.clearing_batch.request_id


class ImagingRequest(Stateful):
    """One round of imaging of one sample."""

    TABLE = IMAGING_TABLE
    KIND = "imaging request"

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="imaging_requests")
    number = models.PositiveSmallIntegerField(default=1)
    batch = models.ForeignKey(
        ImagingBatch, on_delete=models.RESTRICT, related_name="imaging_requests"
    )
    performed_on = models.DateField(null=True, blank=True)
    notes_from_imaging = models.CharField(max_length=1024, blank=True)
    state = models.CharField(
        max_length=16, choices=ImagingState, default=ImagingState.WAITING, editable=False
    )

    class Meta:
        ordering: ClassVar = ["sample_id", "number"]
        constraints: ClassVar = [
            state_is_known(ImagingState, "imaging_request_state_known"),
            models.UniqueConstraint(fields=["sample", "number"], name="imaging_request_once"),
        ]

    def __str__(self) -> str:
        return f"{self.sample.request}/{self.sample} imaging {self.number}"

    @property
    def root_id(self) -> int:
        return self.sample.request_id

    @property
    def folder(self) -> DataPath:
        return self.sample.folder / f"imaging_request_{self.number}"


class ImagingResolution(models.Model):
    """One objective in one round of imaging of one sample."""

    imaging_request = models.ForeignKey(
        ImagingRequest, on_delete=models.CASCADE, related_name="resolutions"
    )
    objective = models.ForeignKey(Objective, on_delete=models.PROTECT, related_name="+")
    notes_for_imager = models.CharField(max_length=1024, blank=True)
    # When the microscope was at work on it: typed, or read from the files that it wrote.
    acquisition_started_at = models.DateTimeField(null=True, blank=True)
    acquisition_ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["imaging_request_id", "objective__position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["imaging_request", "objective"], name="objective_once_per_round"
            ),
            models.CheckConstraint(
                condition=Q(acquisition_started_at=None)
                | Q(acquisition_ended_at=None)
                | Q(acquisition_ended_at__gte=F("acquisition_started_at")),
                name="acquisition_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.imaging_request} at {self.objective.name}"

    def raw_folder(self, *, ventral_up: bool) -> DataPath:
        """Return where the imager puts the raw folders of this objective and orientation."""
        return (
            self.imaging_request.folder
            / "rawdata"
            / resolution_folder(self.objective.name, ventral_up=ventral_up)
        )


def resolution_folder(objective: str, *, ventral_up: bool) -> str:
    """Return `resolution_1.3x`, or `resolution_1.3x_ventral_up`."""
    return f"resolution_{objective}{'_ventral_up' if ventral_up else ''}"


class ImagingChannel(models.Model):
    """One wavelength at one objective in one orientation: what was wanted, then what was set."""

    class Orientation(models.TextChoices):
        SAGITTAL = "sagittal", "Sagittal"
        CORONAL = "coronal", "Coronal"
        HORIZONTAL = "horizontal", "Horizontal"

    resolution = models.ForeignKey(
        ImagingResolution, on_delete=models.CASCADE, related_name="channels"
    )
    wavelength = models.ForeignKey(Wavelength, on_delete=models.PROTECT, related_name="+")
    ventral_up = models.BooleanField(default=False)
    is_requested = models.BooleanField(
        default=True, help_text="Ordered by the researcher, not added by the imager."
    )
    registration = models.BooleanField(default=False)
    injection_detection = models.BooleanField(default=False)
    probe_detection = models.BooleanField(default=False)
    cell_detection = models.BooleanField(default=False)
    generic_imaging = models.BooleanField(default=False)
    orientation = models.CharField(
        max_length=12, choices=Orientation, default=Orientation.HORIZONTAL
    )
    left_sheet = models.BooleanField(default=True)
    right_sheet = models.BooleanField(default=True)
    tile_columns = models.PositiveSmallIntegerField(default=1)
    tile_rows = models.PositiveSmallIntegerField(default=1)
    tile_overlap = models.FloatField(default=0.0)
    z_step_um = models.FloatField("z step (µm)", default=10.0)
    z_planes = models.PositiveIntegerField(null=True, blank=True)
    zoom = models.FloatField(default=1.0)
    raw_subfolder = models.CharField(max_length=255, blank=True)
    filter_index = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["resolution_id", "ventral_up", "wavelength__position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resolution", "wavelength", "ventral_up"], name="channel_once_per_objective"
            ),
            models.CheckConstraint(
                condition=Q(tile_overlap__gte=0, tile_overlap__lt=1), name="overlap_is_a_fraction"
            ),
            models.CheckConstraint(
                condition=Q(tile_columns__gt=0, tile_rows__gt=0, z_step_um__gt=0, zoom__gt=0),
                name="channel_geometry_positive",
            ),
            models.CheckConstraint(
                condition=Q(left_sheet=True) | Q(right_sheet=True), name="channel_has_a_sheet"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resolution} channel {self.wavelength.name}"

    @property
    def purposes(self) -> tuple[str, ...]:
        return tuple(purpose for purpose in PURPOSES if getattr(self, purpose))

    @property
    def sides(self) -> tuple[str, ...]:
        """Return the light sheets used, left first."""
        return tuple(
            s for s, used in (("left", self.left_sheet), ("right", self.right_sheet)) if used
        )

    @property
    def raw_folder(self) -> DataPath:
        return self.resolution.raw_folder(ventral_up=self.ventral_up) / self.raw_subfolder

    @property
    def voxel_um(self) -> tuple[float, float, float]:
        """Return the voxel size (x, y, z) in µm."""
        xy = self.resolution.objective.pixel_um(zoom=self.zoom)
        return (xy, xy, self.z_step_um)
