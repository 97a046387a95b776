"""Drives many attempts one stage, and writes as much with bare statements, in turns.

Runs in its own process: DATABASE_URL names an empty database. Prints one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from processing_app.cluster.ports import Cluster, JobId, JobReport
    from processing_app.models import Run

RUNS = {"full": 100, "small": 5}
STEPS = {"full": 100, "small": 10}
ROUNDS = {"full": 4, "small": 2}


def main(size: str) -> None:
    _set_up()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    many = [_run(STEPS[size]) for _ in range(RUNS[size])]
    cluster = _cluster()
    rounds = [_round(many, cluster) for _ in range(ROUNDS[size])]
    result = {
        "begin": [one["begin"] for one in rounds],
        "end": [one["end"] for one in rounds],
        "bare": [one["bare"] for one in rounds],
        "queries": rounds[-1]["queries"],
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _set_up() -> None:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="lightserv_site.settings", SECRET_KEY="for the benchmark", DEBUG="0"
    )
    import django

    django.setup()


def _run(steps: int) -> Run:
    """Make a run with one attempt at each of its steps, waiting in the queue of the cluster."""
    from processing_app.models import Attempt, Cluster, Run, Step
    from processing_app.states import RunState

    run = Run.objects.create(
        imaging_request=_imaging_request(), cluster=Cluster.objects.get(), pipeline="raw",
        pipeline_version="1", state=RunState.RUNNING,
    )  # fmt: skip
    made = Step.objects.bulk_create(
        Step(run=run, position=n, key=f"s{n}", name="precompute", label="x") for n in range(steps)
    )
    Attempt.objects.bulk_create(
        Attempt(step=step, number=1, job_id=f"{step.pk}", submitted_at=run.created_at)
        for step in made
    )
    return run


def _imaging_request() -> Any:
    """Return the one imaging request that all runs belong to."""
    from core_app.models import User
    from imaging_app.models import ImagingBatch, ImagingRequest
    from requests_app.models import Sample

    found = ImagingRequest.objects.first()
    if found is not None:
        return found
    from tests.support import scenarios

    owner = User.objects.create(username="researcher", email="researcher@example.org")
    request = scenarios.a_submitted_request(owner)
    assert Sample.objects.filter(request=request).exists()
    assert ImagingBatch.objects.exists()
    return ImagingRequest.objects.get(sample__request=request)


class _Told:
    """A scheduler that says the same of every job."""

    state: Any = None

    def poll(self, ids: Collection[JobId]) -> Mapping[JobId, JobReport]:
        from processing_app.cluster.ports import JobReport

        return {job_id: JobReport(self.state, "told", exit_code=0) for job_id in ids}

    def queue(self, _ids: Collection[JobId]) -> Mapping[JobId, Any]:
        return {}


class _Marked:
    """A shell that shows the mark of every job that is over."""

    def read_many(self, wanted: list[Any]) -> list[bytes | None]:
        return [b"0" if peek.path.endswith("/exit_code") else None for peek in wanted]


def _cluster() -> Cluster:
    from processing_app.cluster.scheduler_memory import memory_cluster

    return memory_cluster(shell=_Marked(), scheduler=_Told())


def _round(many: list[Run], cluster: Cluster) -> dict[str, float]:
    from processing_app.cluster.ports import JobState

    _queue_again()
    begin, _ = _look(cluster, JobState.RUNNING)
    end, queries = _look(cluster, JobState.ENDED)
    _queue_again()
    return {"begin": begin, "end": end, "bare": _bare(), "queries": queries}


def _queue_again() -> None:
    from django.utils import timezone

    from core_app.models import Event
    from processing_app.models import Attempt

    long_ago = timezone.now() - timedelta(hours=1)
    Event.objects.filter(kind="attempt").delete()
    Attempt.objects.update(
        state="queued", leased_until=long_ago, next_look_at=long_ago, last_seen_at=long_ago
    )


def _look(cluster: Cluster, state: Any) -> tuple[float, int]:
    """Return the seconds and the number of queries of one look at all attempts."""
    from django.db import connection
    from django.utils import timezone

    from processing_app.models import Attempt
    from processing_app.services import driving
    from processing_app.services.guarding import Guard

    Attempt.objects.update(next_look_at=timezone.now() - timedelta(seconds=1))
    cluster.scheduler.state = state  # type: ignore[attr-defined]
    counted = [0]

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        counted[0] += 1
        return execute(sql, params, many, context)

    summary = driving.TickSummary()
    with connection.execute_wrapper(count):
        started = time.perf_counter()
        driving._look(
            cluster, driving.Clock(timedelta(minutes=30)), Guard(cluster, summary.troubles), summary
        )
        seconds = time.perf_counter() - started
    assert summary.troubles == [], summary.troubles[:1]
    assert summary.polled == Attempt.objects.count(), summary
    return seconds, counted[0]


def _bare() -> float:
    """One UPDATE of the attempt and one INSERT of its Event each, in one transaction."""
    from django.db import connection, transaction
    from django.utils import timezone

    from core_app.models import Event
    from processing_app.models import Attempt

    keys = list(Attempt.objects.values_list("pk", flat=True))
    now = timezone.now()
    at = connection.ops.adapt_datetimefield_value(now)
    table, events = Attempt._meta.db_table, Event._meta.db_table
    update = (
        f"UPDATE {table} SET state=%s, state_since=%s, started_at=%s, last_seen_at=%s, "
        "next_look_at=%s WHERE id=%s AND state=%s"
    )
    columns = "kind, object_id, root_id, verb, came_from, note, at"
    insert = (
        f"INSERT INTO {events} ({columns}, {connection.ops.quote_name('to')}) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )
    started = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for key in keys:
            cursor.execute(update, ["running", at, at, at, at, key, "queued"])
        for key in keys:
            cursor.execute(insert, ["attempt", key, 1, "", "queued", "", at, "running"])
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1])
