"""What a researcher asks for: the request and its samples."""

import secrets
from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from core_app.models import Lab, Stateful, User, state_is_known
from core_app.paths import DataPath
from requests_app.states import REQUEST_TABLE, RequestState

REQUEST_NAME = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_ -]{0,63}\Z",
    "Use letters, digits, blanks, underscores and hyphens, at most 64; "
    "begin with a letter or digit.",
)
SAMPLE_NAME = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z",
    "Use letters, digits, underscores and hyphens, at most 64; begin with a letter or digit.",
)


def folder_of(name: str) -> str:
    """Return the folder that a request of this name gets: blanks become underscores."""
    return name.replace(" ", "_")


def new_code() -> str:
    """Return an opaque code for a tube's QR label; it says nothing about what is inside."""
    return secrets.token_urlsafe(9)


class Species(models.Model):
    """An animal species that the facility accepts."""

    name = models.CharField(max_length=50, unique=True)
    label = models.CharField(max_length=50)
    only_generic_imaging = models.BooleanField(
        default=True, help_text="No registration and no detection, since there is no atlas for it."
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "name"]
        verbose_name_plural = "species"

    def __str__(self) -> str:
        return self.label


class Subject(models.Model):
    """An animal of the colony, as samples name it. People see those of their labs."""

    class Sex(models.TextChoices):
        UNKNOWN = "", "Unknown"
        FEMALE = "f", "Female"
        MALE = "m", "Male"

    name = models.CharField(max_length=64, unique=True)
    lab = models.ForeignKey(
        Lab, null=True, blank=True, on_delete=models.PROTECT, related_name="subjects",
        help_text="Only its people, and staff, are offered the animal; empty: everybody.",
    )  # fmt: skip
    species = models.ForeignKey(
        Species, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    line = models.CharField(max_length=64, blank=True, help_text="Strain or transgenic line.")
    sex = models.CharField(max_length=1, choices=Sex, blank=True, default=Sex.UNKNOWN)
    born_on = models.DateField(null=True, blank=True)
    is_offered = models.BooleanField(default=True, help_text="Offered in new requests.")

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Request(Stateful):
    """One order by one researcher. Name, owner and sample names are frozen at submission."""

    class Retention(models.TextChoices):
        IMPORTANT = "important", "Important"
        KIND_OF = "kind of important", "Kind of important"
        NOT = "not important", "Not important"
        NOT_SURE = "not sure", "Not sure"

    TABLE = REQUEST_TABLE
    KIND = "request"

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="requests")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    auditor = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="audited"
    )
    lab = models.ForeignKey(
        Lab, null=True, blank=True, on_delete=models.PROTECT, related_name="requests"
    )
    lab_text = models.CharField(
        max_length=50, blank=True, help_text="As typed, until staff make it a lab."
    )
    name = models.CharField(max_length=64, blank=True)
    # The folded folder name; NULL while a draft, so that drafts take no name away.
    name_key = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001  # see above
    description = models.CharField(max_length=250, blank=True)
    correspondence_email = models.EmailField(max_length=100, blank=True)
    species = models.ForeignKey(Species, null=True, on_delete=models.PROTECT, related_name="+")
    testing = models.BooleanField(default=False)
    is_archival = models.BooleanField(default=False)
    retention = models.CharField(max_length=20, choices=Retention, default=Retention.IMPORTANT)
    self_clearing = models.BooleanField(default=False)
    self_imaging = models.BooleanField(default=False)
    draft = models.JSONField(
        null=True, blank=True, help_text="The form as typed, until submission."
    )
    draft_revision = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    state = models.CharField(
        max_length=16, choices=RequestState, default=RequestState.DRAFT, editable=False
    )

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "submitted_at"], name="request_queue")]
        constraints: ClassVar = [
            state_is_known(RequestState, "request_state_known"),
            models.UniqueConstraint(fields=["owner", "name_key"], name="request_name_once"),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(name_key__isnull=False, submitted_at__isnull=False),
                name="submitted_request_has_name",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.owner.username}/{self.name or 'draft'}"

    @property
    def root_id(self) -> int:
        return self.pk

    @property
    def is_draft(self) -> bool:
        return self.state == RequestState.DRAFT

    @property
    def folder(self) -> DataPath:
        return DataPath(f"{self.owner.username}/{folder_of(self.name)}")


class Sample(models.Model):
    """One tube."""

    class Condition(models.TextChoices):
        GOOD = "good", "Good"
        DAMAGED = "damaged", "Damaged"
        UNLABELED = "unlabeled", "Not labeled as it should be"
        LEAKING = "leaking", "Leaking or dry"
        OTHER = "other", "Something else"

    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="samples")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=64, validators=[SAMPLE_NAME])
    name_key = models.CharField(max_length=64, editable=False)
    code = models.CharField(max_length=16, unique=True, default=new_code, editable=False)
    subject = models.ForeignKey(
        Subject, null=True, blank=True, on_delete=models.PROTECT, related_name="samples"
    )
    perfusion_date = models.DateField(null=True, blank=True)
    expected_handoff_date = models.DateField(null=True, blank=True)
    notes_for_clearer = models.CharField(max_length=400, blank=True)
    clearing_batch = models.ForeignKey(
        "requests_app.ClearingBatch", null=True, on_delete=models.RESTRICT, related_name="samples"
    )
    received_at = models.DateTimeField(null=True, blank=True)
    received_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    condition = models.CharField(max_length=12, choices=Condition, blank=True)
    condition_note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["request_id", "position"]
        indexes: ClassVar = [
            models.Index(fields=["expected_handoff_date"], name="sample_handoff"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["request", "name_key"], name="sample_name_once"),
            models.UniqueConstraint(fields=["request", "position"], name="sample_position_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> DataPath:
        return self.request.folder / self.name
