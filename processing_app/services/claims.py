"""Take attempts for a while, so that two drivers do not work on the same one."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from processing_app.models import Attempt, Run

# A driver that dies leaves its claim behind; after this time another may go on.
LEASE = timedelta(seconds=60)
# Long values that most looks do without; whoever needs one reads it then.
_SELDOM_READ = (
    "log_tail", "message", "problems", "tasks_done", "resources",
    "step__inputs", "step__parameters", "step__outputs", "step__product", "step__resources",
)  # fmt: skip


def due(states: frozenset[str], cluster: str) -> list[int]:
    """Return the ids of attempts in these states that nobody works on and whose time has come."""
    rows = _due(states, cluster, timezone.now())
    return list(rows.order_by("id").values_list("pk", flat=True))


def jobs_due(states: frozenset[str], cluster: str, *, slack: timedelta) -> dict[int, str]:
    """Return attempts that are to be looked at now, or within `slack`, with their jobs' ids.

    What is due a little later is asked about with the others, so that one question is enough.
    """
    rows = _due(states, cluster, timezone.now(), slack=slack)
    return dict(rows.order_by("id").values_list("pk", "job_id"))


def _due(
    states: frozenset[str], cluster: str, now: datetime, *, slack: timedelta = timedelta(0)
) -> QuerySet[Attempt]:
    rows = _free(now).filter(state__in=states, next_look_at__lte=now + slack)
    return rows.filter(step__run__cluster__name=cluster)


def take(pks: Iterable[int]) -> list[Attempt]:
    """Return those of the attempts that are ours now.

    One UPDATE for all: who gets a row has a name of its own on it, since the lease that a rival has
    set is no longer in the past.
    """
    now, name, wanted = timezone.now(), secrets.token_hex(16), list(pks)
    won = _free(now).filter(pk__in=wanted).update(leased_until=now + LEASE, leased_by=name)
    return _with_runs(Attempt.objects.filter(pk__in=wanted, leased_by=name)) if won else []


def _with_runs(rows: QuerySet[Attempt]) -> list[Attempt]:
    """Read attempts with their steps; each run is read once, however many of them it has."""
    attempts = list(rows.defer(*_SELDOM_READ).select_related("step").order_by("id"))
    runs = Run.objects.select_related("imaging_request__sample", "cluster", "profile").in_bulk(
        {attempt.step.run_id for attempt in attempts}
    )
    for attempt in attempts:
        attempt.step.run = runs[attempt.step.run_id]
    return attempts


def is_ours(attempt: Attempt) -> bool:
    """Return False once the lease has run out, and another may be at work."""
    return timezone.now() < attempt.leased_until


def release(attempts: Sequence[Attempt]) -> None:
    """Give attempts back that were taken together, unless a lease ran out and another has it."""
    if attempts:
        mine = Attempt.objects.filter(
            pk__in=[attempt.pk for attempt in attempts], leased_by=attempts[0].leased_by
        )
        mine.update(leased_until=timezone.now(), leased_by="")


@contextmanager
def held(pks: Iterable[int]) -> Iterator[list[Attempt]]:
    """Take attempts for the length of a block."""
    attempts = take(pks)
    try:
        yield attempts
    finally:
        release(attempts)


def with_context() -> QuerySet[Attempt]:
    """Return attempts with all that their names and places are made of."""
    return Attempt.objects.select_related(
        "step__run__imaging_request__sample", "step__run__cluster", "step__run__profile"
    )


def _free(now: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(leased_until__lte=now)
