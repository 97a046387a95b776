"""One round of processing of one imaging request, and what is wanted per objective."""

from typing import ClassVar

from django.db import models

from core_app.models import Stateful, User, state_is_known
from imaging_app.models import ImagingChannel, ImagingRequest, ImagingResolution
from processing_app.models.atlases import Atlas
from processing_app.states import PROCESSING_TABLE, ProcessingState


class ProcessingRequest(Stateful):
    """One round of processing of one imaging request."""

    TABLE = PROCESSING_TABLE
    KIND = "processing request"

    imaging_request = models.ForeignKey(
        ImagingRequest, on_delete=models.CASCADE, related_name="processing_requests"
    )
    number = models.PositiveSmallIntegerField(default=1)
    processor = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="processing"
    )
    state = models.CharField(
        max_length=16, choices=ProcessingState, default=ProcessingState.WAITING, editable=False
    )

    class Meta:
        ordering: ClassVar = ["imaging_request_id", "number"]
        constraints: ClassVar = [
            state_is_known(ProcessingState, "processing_state_known"),
            models.UniqueConstraint(
                fields=["imaging_request", "number"], name="processing_request_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.imaging_request} processing {self.number}"

    @property
    def root_id(self) -> int:
        return self.imaging_request.sample.request_id


class ProcessingResolution(models.Model):
    """What one processing request wants of one objective and orientation."""

    processing_request = models.ForeignKey(
        ProcessingRequest, on_delete=models.CASCADE, related_name="resolutions"
    )
    # RESTRICT, not PROTECT: an untouched request is deleted with all that hangs on it.
    resolution = models.ForeignKey(ImagingResolution, on_delete=models.RESTRICT, related_name="+")
    ventral_up = models.BooleanField(default=False)
    atlas = models.ForeignKey(
        Atlas, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    final_orientation = models.CharField(
        max_length=12,
        choices=ImagingChannel.Orientation,
        default=ImagingChannel.Orientation.SAGITTAL,
    )
    notes_for_processor = models.CharField(max_length=1024, blank=True)
    notes_from_processing = models.CharField(max_length=1024, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["processing_request", "resolution", "ventral_up"],
                name="processing_resolution_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processing_request} at {self.resolution.objective.name}"
