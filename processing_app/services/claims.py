"""Take attempts for a while, so that two drivers do not work on the same one."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from processing_app.models import Attempt

# A driver that dies leaves its claim behind; after this time another may go on.
LEASE = timedelta(seconds=60)


def due(states: frozenset[str]) -> list[int]:
    """Return the ids of attempts in these states that nobody works on and whose time has come."""
    now = timezone.now()
    rows = _free(now).filter(state__in=states, next_look_at__lte=now)
    return list(rows.order_by("id").values_list("pk", flat=True))


def claim(pk: int) -> Attempt | None:
    """Return the attempt, now ours until the lease runs out, or None if somebody else has it."""
    return next(iter(claim_all([pk])), None)


def claim_all(pks: Iterable[int]) -> list[Attempt]:
    """Return those of the attempts that are ours now. One UPDATE each: its count names the winner,
    since the lease that a rival has set is no longer in the past."""
    now = timezone.now()
    won = [pk for pk in pks if _free(now).filter(pk=pk).update(leased_until=now + LEASE) == 1]
    return list(with_context().filter(pk__in=won).order_by("id")) if won else []


def with_context() -> QuerySet[Attempt]:
    """Return attempts with all that their names and places are made of."""
    return Attempt.objects.select_related("step__run__imaging_request__sample")


def is_ours(attempt: Attempt) -> bool:
    """Return False once the lease has run out, and another may be at work."""
    return timezone.now() < attempt.leased_until


def release(attempts: Sequence[Attempt]) -> None:
    """Give attempts back that were claimed together, unless a lease ran out and another has it."""
    if attempts:
        pks = [attempt.pk for attempt in attempts]
        mine = Attempt.objects.filter(pk__in=pks, leased_until=attempts[0].leased_until)
        mine.update(leased_until=timezone.now())


def _free(now: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(leased_until__lte=now)
