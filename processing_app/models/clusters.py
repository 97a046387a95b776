"""Where jobs run: clusters, what they may ask for, which pipeline is there, and how each fares."""

import re
import unicodedata
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from core_app.models import User
from processing_app.shell_lines import trouble_in

# The cluster that the settings describe.
DEFAULT = "default"

_NAME = RegexValidator(r"\A[a-z0-9][a-z0-9-]{0,30}\Z", "Small letters, digits and dashes only.")
# What begins with a dash would be taken for an option.
_WORD = RegexValidator(r"\A[A-Za-z0-9_][A-Za-z0-9_.:@%+,-]*\Z", "One word without blanks.")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
HIGHEST_PORT = 65535
_OPTION = re.compile(r"--[a-z][a-z-]*(=\S+)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
# What the site itself says of each job.
RESERVED_OPTIONS = frozenset(
    {
        "job-name", "parsable", "array", "output", "error", "chdir", "wrap", "comment", "export",
        "cpus-per-task", "mem", "time", "partition", "account", "qos", "requeue", "no-requeue",
        "dependency", "wait", "test-only", "hold", "export-file", "clusters", "input", "nodes",
        "ntasks", "mem-per-cpu", "mem-per-gpu",
    }
)  # fmt: skip


def check_options(text: str) -> None:
    """Refuse what is no option of the scheduler, or one that the site sets itself."""
    for line in text.split():
        if not _OPTION.fullmatch(line):
            raise ValidationError(f"{line!r} is no option such as --gres=gpu:1.")
        name = line.removeprefix("--").partition("=")[0]
        # The scheduler takes the beginning of a name for the name.
        if meant := sorted(known for known in RESERVED_OPTIONS if known.startswith(name)):
            raise ValidationError(f"--{meant[0]} is set by the site itself; leave it out.")


def check_environment(text: str) -> None:
    """Refuse lines that set no variable."""
    for line in text.split("\n"):
        if line.strip() and not _VARIABLE.fullmatch(line.strip()):
            raise ValidationError(f"{line.strip()!r} is not NAME=value.")


def _has_unseen(text: str) -> bool:
    """Return True for characters that show as nothing or turn the direction of writing."""
    return any(unicodedata.category(character).startswith("C") for character in text)


def check_absolute(path: str) -> None:
    """Refuse a path that is not absolute, climbs, or is the whole disk."""
    parts = path.split("/")
    if not path.startswith("/") or ".." in parts or not path.strip("/") or _has_unseen(path):
        raise ValidationError("Give an absolute path, such as /scratch/lightserv.")


def check_prelude(text: str) -> None:
    """Refuse lines that no shell can read. Nothing of them is carried out."""
    if trouble := trouble_in(text):
        raise ValidationError({"prelude": [f"The shell cannot read this: {trouble}"]})


def _is_program(text: str) -> bool:
    if not text.startswith("/"):
        return bool(_PROGRAM.fullmatch(text))
    return ".." not in text.split("/") and not text.endswith("/") and not _has_unseen(text)


class Cluster(models.Model):
    """One place where jobs run. The one named `default` is described by the settings."""

    class Kind(models.TextChoices):
        SLURM_SSH = "slurm-ssh", "Slurm, over SSH"
        SLURM_LOCAL = "slurm-local", "Slurm, on this host"
        LOCAL = "local", "Processes of this host"

    name = models.CharField(max_length=31, unique=True, validators=[_NAME])
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.SLURM_SSH)
    host = models.CharField(max_length=255, blank=True, validators=[_WORD])
    port = models.PositiveIntegerField(default=22)
    user = models.CharField(max_length=64, blank=True, validators=[_WORD])
    key_file = models.CharField(
        max_length=255, blank=True, validators=[check_absolute],
        help_text="Path of the private key on this host; the key itself is never stored.",
    )  # fmt: skip
    known_hosts_file = models.CharField(
        max_length=255, blank=True, validators=[check_absolute],
        help_text="Path of the file with the pinned host keys of the cluster and its jump host.",
    )  # fmt: skip
    jump_host = models.CharField(
        max_length=255, blank=True, validators=[_WORD], help_text="Empty: reached directly."
    )
    jump_port = models.PositiveIntegerField(default=22)
    jump_user = models.CharField(max_length=64, blank=True, validators=[_WORD])
    jump_key_file = models.CharField(
        max_length=255, blank=True, validators=[check_absolute], help_text="Empty: the same key."
    )
    workdir = models.CharField(
        max_length=255, blank=True, validators=[check_absolute],
        help_text="Folder there for jobs and deployed pipelines; seen by its computers.",
    )  # fmt: skip
    data_root = models.CharField(
        max_length=255, blank=True, validators=[check_absolute],
        help_text="The storage as the cluster sees it.",
    )  # fmt: skip
    python = models.CharField(
        max_length=255, default="python3", help_text="Python 3.11 or newer, there."
    )
    builds_environment = models.BooleanField(
        default=True,
        help_text="deploy_pipeline makes an environment of it. Off: it has all packages already.",
    )
    environment = models.TextField(
        blank=True, validators=[check_environment],
        help_text="For the commands of the scheduler, NAME=value in each line, such as a PATH.",
    )  # fmt: skip
    prelude = models.TextField(
        blank=True, help_text="Shell lines before each step, such as: module load elastix"
    )
    threads = models.PositiveSmallIntegerField(
        default=2, validators=[MinValueValidator(1)], help_text="Cores of a job, if nothing else."
    )
    slots = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="Jobs at once, for local processes."
    )
    poll_interval_s = models.PositiveIntegerField(
        "seconds between looks", default=30, validators=[MinValueValidator(1)]
    )
    heartbeat_limit_s = models.PositiveIntegerField(
        "seconds of silence after which an unknown job is lost",
        default=600, validators=[MinValueValidator(5)],
    )  # fmt: skip
    pipelines = models.CharField(
        max_length=255, blank=True,
        help_text="Names of the pipelines that run here, with commas; empty: all.",
    )  # fmt: skip
    position = models.PositiveSmallIntegerField(
        default=10, help_text="A new run goes to the first cluster in order that takes it."
    )
    is_offered = models.BooleanField(default=True, help_text="Off: new runs go elsewhere.")

    class Meta:
        ordering: ClassVar = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a row that nobody could connect with."""
        if self.name == DEFAULT:
            return
        needed = ["workdir", "data_root"]
        if self.kind == self.Kind.SLURM_SSH:
            needed += ["host", "user", "key_file", "known_hosts_file"]
        gaps = {name: ["This is needed."] for name in needed if not getattr(self, name)}
        if self.jump_host and not self.jump_user:
            gaps["jump_user"] = ["Say as whom the jump host is entered."]
        ports = {"port": self.port, "jump_port": self.jump_port}
        wrong = [name for name, port in ports.items() if not 1 <= (port or 0) <= HIGHEST_PORT]
        gaps |= {name: [f"A port is a number from 1 to {HIGHEST_PORT}."] for name in wrong}
        if not _is_program(self.python):
            gaps["python"] = ["Give an absolute path, or the name of a program such as python3."]
        if gaps:
            raise ValidationError(gaps)
        check_prelude(self.prelude)

    @property
    def is_from_settings(self) -> bool:
        return self.name == DEFAULT

    def takes(self, pipeline: str) -> bool:
        """Return True if new runs of the pipeline may come here."""
        names = {name.strip() for name in self.pipelines.split(",") if name.strip()}
        return self.is_offered and (not names or pipeline in names)


class ClusterStatus(models.Model):
    """How a cluster fares: what people and the driver note. Apart from Cluster, which is edited."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="status")
    frozen_at = models.DateTimeField(null=True, help_text="Since when nothing is handed in.")
    frozen_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    frozen_reason = models.CharField(max_length=250, blank=True)
    paused_at = models.DateTimeField(null=True, help_text="Since when it is left alone altogether.")
    silent_since = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=1000, blank=True)
    next_try_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, help_text="When operators were told of this silence.")
    answered_at = models.DateTimeField(null=True)
    part_silent_since = models.DateTimeField(
        null=True, help_text="Since when attempts wait, though the cluster answers."
    )
    part_trouble = models.CharField(max_length=500, blank=True)
    part_told_at = models.DateTimeField(null=True)
    next_poll_at = models.DateTimeField(default=timezone.now)
    poll_took_s = models.FloatField(default=0.0)
    next_queue_look_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "cluster statuses"

    def __str__(self) -> str:
        return f"status of {self.cluster}"


class Profile(models.Model):
    """What jobs on a cluster ask for unless something else is said, and the most they may get."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="profiles")
    name = models.CharField(max_length=31, validators=[_NAME])
    is_usual = models.BooleanField(
        "usual", default=False, help_text="Taken by every step that names no other."
    )
    partition = models.CharField(max_length=64, blank=True, validators=[_WORD])
    account = models.CharField(max_length=64, blank=True, validators=[_WORD])
    qos = models.CharField("QOS", max_length=64, blank=True, validators=[_WORD])
    cpus = models.PositiveSmallIntegerField("cores", default=0, help_text="0: as the step says.")
    memory_mb = models.PositiveIntegerField(
        "memory (MB)", default=0, help_text="0: as the step says."
    )
    minutes = models.PositiveIntegerField("minutes", default=0, help_text="0: as the step says.")
    most_cpus = models.PositiveSmallIntegerField("most cores", default=0, help_text="0: no limit.")
    most_memory_mb = models.PositiveIntegerField(
        "most memory (MB)", default=0,
        help_text="Up to here a job that ran out of memory is tried with more. 0: no limit known.",
    )  # fmt: skip
    most_minutes = models.PositiveIntegerField(
        "most minutes", default=0,
        help_text="Up to here a job that ran out of time is tried with more. 0: no limit known.",
    )  # fmt: skip
    options = models.TextField(
        "further options", blank=True, validators=[check_options],
        help_text="Of the scheduler, one per line, such as --gres=gpu:1",
    )  # fmt: skip
    prelude = models.TextField(
        blank=True, help_text="Shell lines before each step, after those of the cluster."
    )

    class Meta:
        ordering: ClassVar = ["cluster", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["cluster", "name"], name="profile_once"),
        ]

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"

    def clean(self) -> None:
        check_prelude(self.prelude)


class StepResources(models.Model):
    """What one kind of step asks for on one cluster, instead of what the code and profile say."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="step_resources")
    step = models.CharField(max_length=64, help_text="Name of the step, such as precompute.")
    profile = models.ForeignKey(Profile, null=True, blank=True, on_delete=models.PROTECT)
    cpus = models.PositiveSmallIntegerField("cores", default=0, help_text="0: as usual.")
    memory_mb = models.PositiveIntegerField("memory (MB)", default=0, help_text="0: as usual.")
    minutes = models.PositiveIntegerField("minutes", default=0, help_text="0: as usual.")

    class Meta:
        ordering: ClassVar = ["cluster", "step"]
        verbose_name = verbose_name_plural = "resources of steps"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["cluster", "step"], name="step_resources_once"),
        ]

    def __str__(self) -> str:
        return f"{self.step} on {self.cluster}"

    def clean(self) -> None:
        if self.profile is not None and self.profile.cluster_id != self.cluster_id:
            raise ValidationError({"profile": ["It belongs to another cluster."]})


class Deployment(models.Model):
    """One version of the pipeline that was put on a cluster and proved to work there."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="deployments")
    version = models.CharField(max_length=32)
    digest = models.CharField(max_length=64, help_text="Of the files of the package.")
    folder = models.CharField(max_length=255, help_text="On the cluster.")
    python = models.CharField(max_length=255, help_text="The interpreter that runs it there.")
    checked = models.TextField(blank=True, help_text="What `python -m pipeline check` said.")
    deployed_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-deployed_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["cluster", "version", "digest"], name="deployment_once")
        ]

    def __str__(self) -> str:
        return f"pipeline {self.version} on {self.cluster}"
