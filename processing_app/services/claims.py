"""Take attempts for a while, so that two drivers do not work on the same one."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    now = timezone.now()
    seen = _free(now).filter(pk=pk).values_list("leased_until", flat=True).first()
    if seen is None:
        return None
    # The value read is part of the condition: a second claimant finds it changed.
    if Attempt.objects.filter(pk=pk, leased_until=seen).update(leased_until=now + LEASE) != 1:
        return None
    return Attempt.objects.select_related("step__run__imaging_request__sample").get(pk=pk)


def release(attempt: Attempt) -> None:
    """Give the attempt back, unless the lease ran out and somebody else has taken it."""
    mine = Attempt.objects.filter(pk=attempt.pk, leased_until=attempt.leased_until)
    mine.update(leased_until=timezone.now())


@contextmanager
def claimed(pk: int) -> Iterator[Attempt | None]:
    """Hold an attempt for the block. After an unforeseen exception it stays claimed until the lease
    ends, so that one attempt that trips over a mistake does not hold up all the others."""
    attempt = claim(pk)
    yield attempt
    if attempt is not None:
        release(attempt)


def _free(now: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(leased_until__lte=now)
