"""A facility's own pipelines: its scripts as steps, run like any other."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

# Before the name of a facility's own pipeline, so that it never meets one of ours.
SITE_PREFIX = "site-"
_NAME = RegexValidator(r"\A[a-z0-9][a-z0-9-]{0,24}\Z", "Small letters, digits and dashes only.")


def check_command(words: object) -> None:
    """Refuse what is not a list of words that can be started without a shell."""
    if not isinstance(words, list) or not words:
        raise ValidationError(
            'Give the words of the command as a list: ["/opt/x/run.sh", "{spec}"].'
        )
    if not all(isinstance(word, str) and "\0" not in word for word in words):
        raise ValidationError("Each word of the command is a text.")
    if not str(words[0]).strip():
        raise ValidationError("The first word names the program.")


def check_mapping(value: object) -> None:
    """Refuse parameters that are no JSON object."""
    if not isinstance(value, dict):
        raise ValidationError('Give the parameters as an object: {"threshold": 3}.')


class SitePipeline(models.Model):
    """A pipeline of the facility's own scripts, such as its checkout of an older package."""

    class Unit(models.TextChoices):
        SAMPLE = "sample", "one job per raw folder"
        CHANNEL = "channel", "one task per channel of the folder"

    name = models.CharField(max_length=25, unique=True, validators=[_NAME])
    label = models.CharField(max_length=100)
    version = models.CharField(
        max_length=32, default="1", help_text="Of the scripts; recorded with each run."
    )
    is_offered = models.BooleanField(default=True)
    begins_by_itself = models.BooleanField(
        default=False, help_text="A run begins when the imaging of a sample is completed."
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.label

    @property
    def key(self) -> str:
        """Return the name under which runs know it."""
        return f"{SITE_PREFIX}{self.name}"


class SiteStep(models.Model):
    """One script: a command that is started on the cluster, after the steps before it."""

    pipeline = models.ForeignKey(SitePipeline, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(default=1)
    key = models.CharField(max_length=25, validators=[_NAME])
    label = models.CharField(max_length=100)
    command = models.JSONField(
        validators=[check_command],
        help_text="Words, started without a shell. {spec}, {data_root}, {folder}, {out}, {before}, "
        "{job}, {task} and {channel} stand for what differs: docs/site-scripts.md.",
    )
    unit = models.CharField(
        max_length=8, choices=SitePipeline.Unit, default=SitePipeline.Unit.SAMPLE
    )
    parameters = models.JSONField(default=dict, blank=True, validators=[check_mapping])
    cpus = models.PositiveSmallIntegerField("cores", default=1, validators=[MinValueValidator(1)])
    memory_mb = models.PositiveIntegerField("memory (MB)", default=4000)
    minutes = models.PositiveIntegerField("minutes", default=240)

    class Meta:
        ordering: ClassVar = ["pipeline", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pipeline", "key"], name="site_step_once"),
        ]

    def __str__(self) -> str:
        return f"{self.pipeline}: {self.label}"
