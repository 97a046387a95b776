"""A run of a pipeline, its steps, and each attempt at a step."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core_app.models import Stateful, User, state_is_known
from imaging_app.models import ImagingRequest
from processing_app.models.clusters import Cluster, Deployment, Profile
from processing_app.models.requests import ProcessingRequest
from processing_app.pipelines import OF_DELIVERIES
from processing_app.states import ATTEMPT_TABLE, RUN_TABLE, AttemptState, RunState


class RunQuerySet(models.QuerySet["Run"]):
    """Runs, told apart by what they are for."""

    def processing(self) -> "RunQuerySet":
        """Return the runs that make something of the raw data, without those that look at it."""
        return self.exclude(pipeline__in=OF_DELIVERIES)


class Run(Stateful):
    """One execution of one pipeline on what one imaging request delivered."""

    TABLE = RUN_TABLE
    KIND = "run"

    imaging_request = models.ForeignKey(
        ImagingRequest, on_delete=models.CASCADE, related_name="runs"
    )
    processing_request = models.ForeignKey(
        ProcessingRequest, null=True, blank=True, on_delete=models.CASCADE, related_name="runs"
    )
    pipeline = models.CharField(max_length=32)
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="runs")
    profile = models.ForeignKey(
        Profile, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="For every step of this run, instead of the usual one.",
    )  # fmt: skip
    pipeline_version = models.CharField(max_length=32)
    code_commit = models.CharField(max_length=40, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    # "raw:17" while active, NULL when over: one active run per pipeline and imaging request.
    active_key = models.CharField(  # noqa: DJ001  # many NULLs may stand in a unique column
        max_length=64, null=True, unique=True, editable=False
    )
    state = models.CharField(
        max_length=16, choices=RunState, default=RunState.PLANNED, editable=False
    )

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "id"], name="run_queue")]
        constraints: ClassVar = [state_is_known(RunState, "run_state_known")]

    def __str__(self) -> str:
        return f"Run {self.pk} ({self.pipeline})"

    @property
    def root_id(self) -> int:
        return self.imaging_request.sample.request_id


class Step(models.Model):
    """One step of one run, as planned: what goes in, with which parameters, what comes out."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=64, help_text="Unique in the run: precompute-488-left")
    name = models.CharField(max_length=32, help_text="Name in the pipeline's registry: precompute")
    label = models.CharField(max_length=200)
    needs = models.JSONField(default=list, help_text="Keys of the steps that must have succeeded.")
    inputs = models.JSONField(default=dict)
    parameters = models.JSONField(default=dict)
    outputs = models.JSONField(default=dict)
    # What the product will be: kind, channel id, side, voxel size. Empty: the step makes none.
    product = models.JSONField(default=dict, blank=True)
    # What else is kept in the books of what it makes: kind, channel id, name of the output.
    artifact = models.JSONField(default=dict, blank=True)
    # Of an array job; 0: one job without tasks.
    tasks = models.PositiveIntegerField(default=0)
    # What this step asks for, if anything is said: cpus, memory_mb, minutes.
    resources = models.JSONField(default=dict, blank=True)
    # Pixels (y, x) of the planes that it reads, at the most; empty where nobody knows.
    plane_yx = models.JSONField(default=list, blank=True)

    class Meta:
        ordering: ClassVar = ["run_id", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "key"], name="step_once_per_run"),
        ]

    def __str__(self) -> str:
        return self.label


class Attempt(Stateful):
    """One try at one step, as one job of the scheduler."""

    class Folder(models.TextChoices):
        KEPT = "kept", "kept"
        COMPRESSED = "compressed", "compressed"
        REMOVED = "removed", "removed"

    TABLE = ATTEMPT_TABLE
    KIND = "attempt"

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    job_id = models.CharField(max_length=64, blank=True)
    leased_until = models.DateTimeField(default=timezone.now)
    leased_by = models.CharField(max_length=32, blank=True, editable=False)
    # What was asked of the scheduler, as in cluster.ports.Resources, and for which tasks.
    resources = models.JSONField(default=dict)
    tasks = models.JSONField(default=list)
    tasks_done = models.JSONField(default=list, help_text="Those that succeeded.")
    deployment = models.ForeignKey(
        Deployment, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    next_look_at = models.DateTimeField(default=timezone.now)
    stumbles = models.PositiveSmallIntegerField(
        default=0, help_text="How often in a row the site itself tripped over it."
    )
    trouble = models.CharField(
        max_length=300, blank=True, help_text="Why it waits, if the cluster is silent."
    )
    word = models.CharField(max_length=64, blank=True, help_text="What the scheduler calls it.")
    detail = models.CharField(max_length=200, blank=True, help_text="Why it waits.")
    counts = models.JSONField(default=dict, help_text="Tasks of an array, by state.")
    queue_position = models.PositiveIntegerField(null=True)
    queue_length = models.PositiveIntegerField(null=True)
    expected_start_at = models.DateTimeField(null=True)
    node = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=32, blank=True)
    message = models.TextField(blank=True)
    problems = models.JSONField(default=list)
    exit_code = models.IntegerField(null=True)
    peak_memory_bytes = models.BigIntegerField(null=True)
    elapsed_s = models.FloatField(null=True)
    input_digest = models.CharField(max_length=64, blank=True)
    progress = models.JSONField(default=dict)
    log_tail = models.TextField(blank=True)
    log_wanted_until = models.DateTimeField(null=True, help_text="Somebody follows the log.")
    log_read_at = models.DateTimeField(null=True)
    folder_state = models.CharField(
        max_length=10, choices=Folder, default=Folder.KEPT, editable=False
    )
    state = models.CharField(
        max_length=16, choices=AttemptState, default=AttemptState.NEW, editable=False
    )

    class Meta:
        ordering: ClassVar = ["step_id", "number"]
        indexes: ClassVar = [models.Index(fields=["state", "next_look_at"], name="attempt_due")]
        constraints: ClassVar = [
            state_is_known(AttemptState, "attempt_state_known"),
            models.CheckConstraint(condition=Q(number__gt=0), name="attempt_from_one"),
            models.UniqueConstraint(fields=["step", "number"], name="attempt_once"),
        ]

    def __str__(self) -> str:
        return f"{self.step} attempt {self.number}"

    @property
    def root_id(self) -> int:
        return self.step.run.root_id

    @property
    def job_name(self) -> str:
        """Return the name under which the scheduler knows it, made of stored values only.

        The run's time of creation keeps apart the runs of two databases that share a work folder or
        a cluster: the second begins to count at 1 as well.
        """
        run = self.step.run
        return f"ls-r{run.pk}-{int(run.created_at.timestamp()):x}-{self.step.key}-a{self.number}"


class AttemptLog(models.Model):
    """What an attempt wrote while it worked, packed; of a long one the end."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, related_name="log")
    packed = models.BinaryField(help_text="gzip of a text")
    is_cut = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"log of {self.attempt}"


class StepReport(models.Model):
    """What a step found out, kept until the app that it concerns has taken it in."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, related_name="report")
    outputs = models.JSONField(default=dict)
    made_at = models.DateTimeField(default=timezone.now)
    taken_in_at = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"Report of {self.attempt}"
