"""What antibodies were tried, on what, and how it went."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from core_app.models import User
from requests_app.models.clearing import ClearingBatch
from requests_app.models.request import Request


class AntibodyTrial(models.Model):
    """One combination of antibodies tried once: by a clearing batch, or entered by staff.

    Who reads it: everybody signed in sees antibodies, protocol, species, concentrations and
    outcome; person and request only who may read the request.
    """

    class Outcome(models.TextChoices):
        UNKNOWN = "", "Not rated yet"
        GOOD = "good", "Works"
        PARTLY = "partly", "Works in part"
        NONE = "none", "Does not work"

    tried_on = models.DateField()
    description = models.CharField(max_length=128, help_text="What it was for, in a few words.")
    species = models.CharField("animal model", max_length=128)
    protocol = models.CharField(max_length=64, blank=True)
    primary_antibody = models.CharField(max_length=128, blank=True)
    primary_concentration = models.CharField(max_length=128, blank=True)
    primary_lot = models.CharField(max_length=64, blank=True)
    primary_order_info = models.CharField(max_length=128, blank=True)
    secondary_antibody = models.CharField(max_length=128, blank=True)
    secondary_concentration = models.CharField(max_length=128, blank=True)
    secondary_lot = models.CharField(max_length=64, blank=True)
    secondary_order_info = models.CharField(max_length=128, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True, default=Outcome.UNKNOWN)
    notes = models.CharField(max_length=512, blank=True)
    is_recommended = models.BooleanField(
        default=False, help_text="Listed in the overview of what works, on top."
    )
    batch = models.OneToOneField(
        ClearingBatch, null=True, blank=True, on_delete=models.SET_NULL, related_name="trial"
    )
    request = models.ForeignKey(
        Request, null=True, blank=True, on_delete=models.CASCADE, related_name="trials"
    )  # only a request that nobody worked on is ever deleted: its antibodies were never tried
    by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # What the bench said last: staff may have corrected the lots since, and theirs stand.
    logged_primary_lot = models.CharField(max_length=64, blank=True, editable=False)
    logged_secondary_lot = models.CharField(max_length=64, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-tried_on", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["primary_antibody"], name="trial_primary"),
            models.Index(fields=["outcome", "tried_on"], name="trial_outcome"),
        ]

    def __str__(self) -> str:
        both = " + ".join(filter(None, (self.primary_antibody, self.secondary_antibody)))
        return f"{both or 'no antibody'} in {self.species}, {self.tried_on}"
