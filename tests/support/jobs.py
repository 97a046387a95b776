"""Runs whose jobs wait, work or have failed, with everything that a scheduler says of them."""

from datetime import timedelta

from django.utils import timezone

from core_app.errors import Rejected
from processing_app.models import Attempt, ClusterStatus, Profile, Run, Step
from processing_app.states import AttemptState
from tests.support import clusters

A = AttemptState


def noted(attempt: Attempt, **columns: object) -> Attempt:
    """As if the driver had noted these of a job at its last look."""
    Attempt.objects.filter(pk=attempt.pk).update(**columns)
    attempt.refresh_from_db()
    return attempt


def in_queue(run: Run, **columns: object) -> Attempt:
    """Return the first attempt, third of seventeen jobs that wait."""
    cluster = clusters.memory_cluster(clusters.goes_on)
    cluster.scheduler.slots = 0
    attempt = clusters.drive_to(run, cluster, A.QUEUED)
    begins = timezone.now() + timedelta(hours=2, minutes=5)
    said = {
        "word": "PENDING", "detail": "Resources", "queue_position": 3, "queue_length": 17,
        "expected_start_at": begins, "resources": {"cpus": 4, "memory_mb": 8000, "minutes": 480},
    }  # fmt: skip
    return noted(attempt, **{**said, **columns})


def at_work(run: Run, **columns: object) -> Attempt:
    """Return the first attempt while its job runs."""
    cluster = clusters.memory_cluster(clusters.goes_on)
    return noted(clusters.drive_to(run, cluster, A.RUNNING), **columns)


def array_at_work(run: Run, **columns: object) -> Attempt:
    """Return an attempt of eight tasks, of which five are done and two run."""
    Step.objects.filter(run=run, position=0).update(tasks=8)
    said = {"counts": {"ended": 5, "running": 2, "queued": 1}, "word": "RUNNING"}
    return at_work(run, **{**said, **columns})


def out_of_memory(run: Run, *, most_mb: int = 12_000) -> Run:
    """Drive a run until it has failed at the most memory that its profile allows."""
    Profile.objects.create(cluster=run.cluster, name="usual", is_usual=True, most_memory_mb=most_mb)
    return clusters.drive_until_over(
        run, clusters.memory_cluster(clusters.fail_with("OUT_OF_MEMORY"))
    )


def refused(run: Run) -> Run:
    """Drive a run until the cluster has refused its first job."""
    cluster = clusters.memory_cluster()
    cluster.scheduler.failures.append(Rejected("Slurm refused", "invalid account smith_lab"))
    return clusters.drive_until_over(run, cluster)


def silent(run: Run, **columns: object) -> ClusterStatus:
    """As if the cluster had given no answer for twenty minutes."""
    said = {
        "silent_since": timezone.now() - timedelta(minutes=20),
        "trouble": "no connection: login.example.org does not answer",
    }
    ClusterStatus.objects.filter(cluster=run.cluster_id).update(**{**said, **columns})
    return ClusterStatus.objects.get(cluster=run.cluster_id)
