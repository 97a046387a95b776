"""How good the images of a sample are, and who let them pass."""

from typing import ClassVar

from django.db import models

from core_app.models import Stateful, User, state_is_known
from processing_app.models.requests import ProcessingRequest, ProcessingResolution
from processing_app.states import QUALITY_TABLE, QualityState


class QualitySheet(Stateful):
    """The figures of one objective and side in one round of processing, and a person's verdict."""

    TABLE = QUALITY_TABLE
    KIND = "quality sheet"

    place = models.OneToOneField(
        ProcessingResolution, on_delete=models.CASCADE, related_name="quality"
    )
    # What the figures alone say: pass, warn or fail; "" while there are none.
    suggestion = models.CharField(max_length=8, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    folder = models.CharField(max_length=512, blank=True, help_text="Of the pictures.")
    decided_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=1024, blank=True)
    state = models.CharField(
        max_length=16, choices=QualityState, default=QualityState.PENDING, editable=False
    )

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [state_is_known(QualityState, "quality_state_known")]

    def __str__(self) -> str:
        return f"Quality of {self.place}"

    @property
    def processing_request(self) -> ProcessingRequest:
        return self.place.processing_request

    @property
    def root_id(self) -> int:
        return self.processing_request.root_id
