"""Clearing: protocols as versioned data, batches, and the log of what was done."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core_app.models import Stateful, User, state_is_known
from requests_app.models.request import Request, Species
from requests_app.states import CLEARING_TABLE, ClearingState


class ClearingProtocol(models.Model):
    """One version of a protocol. Once a batch uses it, it is frozen; a change is a new version."""

    name = models.CharField(max_length=64)
    version = models.PositiveSmallIntegerField(default=1)
    title = models.CharField(max_length=100)
    species = models.ManyToManyField(Species, related_name="protocols", blank=True)
    needs_antibody = models.BooleanField(default=False)
    needs_link = models.BooleanField(
        default=False, help_text="The clearer gives a link to a spreadsheet."
    )
    is_offered = models.BooleanField(
        default=False, help_text="Researchers may choose it in new requests."
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "name", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="protocol_version_once"),
        ]

    def __str__(self) -> str:
        return self.name if self.version == 1 else f"{self.name} (version {self.version})"


class ProtocolStep(models.Model):
    """One step of one protocol version."""

    protocol = models.ForeignKey(ClearingProtocol, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    phase = models.CharField(max_length=20)
    phase_title = models.CharField(max_length=50, blank=True)
    slug = models.SlugField(max_length=64)
    label = models.CharField(max_length=200)
    usual_minutes = models.PositiveIntegerField(null=True, blank=True)
    note_max = models.PositiveSmallIntegerField(default=250)
    asks_lot = models.BooleanField(default=False)
    plans_date = models.BooleanField(
        default=False, help_text="First step of a phase whose date is planned."
    )

    class Meta:
        ordering: ClassVar = ["protocol_id", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["protocol", "position"], name="step_position_once"),
            models.UniqueConstraint(fields=["protocol", "slug"], name="step_slug_once"),
        ]

    def __str__(self) -> str:
        return self.label


class ClearingBatch(Stateful):
    """Samples of one request that get the same chemistry."""

    TABLE = CLEARING_TABLE
    KIND = "clearing batch"

    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="clearing_batches")
    number = models.PositiveSmallIntegerField()
    protocol = models.ForeignKey(ClearingProtocol, on_delete=models.PROTECT, related_name="batches")
    antibody1 = models.CharField(max_length=100, blank=True)
    antibody2 = models.CharField(max_length=100, blank=True)
    clearer = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="clearing"
    )
    notes_for_clearer = models.TextField(blank=True)
    expected_handoff_date = models.DateField(null=True, blank=True)
    link = models.CharField(max_length=500, blank=True)
    unusual_experiment = models.CharField(max_length=500, blank=True)
    unusual_clearing = models.CharField(max_length=500, blank=True)
    state = models.CharField(
        max_length=16, choices=ClearingState, default=ClearingState.WAITING, editable=False
    )

    class Meta:
        ordering: ClassVar = ["request_id", "number"]
        verbose_name_plural = "clearing batches"
        indexes: ClassVar = [
            models.Index(fields=["state", "expected_handoff_date"], name="clearing_queue")
        ]
        constraints: ClassVar = [
            state_is_known(ClearingState, "clearing_state_known"),
            models.CheckConstraint(condition=Q(number__gt=0), name="clearing_batch_from_one"),
            models.UniqueConstraint(fields=["request", "number"], name="clearing_batch_once"),
        ]

    def __str__(self) -> str:
        return f"{self.request} clearing batch {self.number}"

    @property
    def root_id(self) -> int:
        return self.request_id


class PlannedStep(models.Model):
    """When one step of one batch is planned. Pinned times stay; the others follow the protocol."""

    batch = models.ForeignKey(ClearingBatch, on_delete=models.CASCADE, related_name="plan")
    step = models.ForeignKey(ProtocolStep, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    is_pinned = models.BooleanField(default=False, help_text="Somebody chose this time.")

    class Meta:
        ordering: ClassVar = ["batch_id", "step__position"]
        indexes: ClassVar = [models.Index(fields=["starts_at"], name="planned_step_at")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "step"], name="step_planned_once"),
        ]

    def __str__(self) -> str:
        return f"{self.step} of {self.batch}"


class ClearingStepLog(models.Model):
    """One step done for one batch. A correction is a new Event; the row holds what is valid now."""

    batch = models.ForeignKey(ClearingBatch, on_delete=models.CASCADE, related_name="log")
    step = models.ForeignKey(ProtocolStep, on_delete=models.PROTECT, related_name="+")
    performed_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=250, blank=True)
    lot = models.CharField(max_length=64, blank=True)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    revision = models.PositiveSmallIntegerField(default=1, editable=False)

    class Meta:
        ordering: ClassVar = ["batch_id", "step__position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "step"], name="step_logged_once"),
        ]

    def __str__(self) -> str:
        return f"{self.step} of {self.batch}"
