"""Reads for calendar feeds: what the owner of a feed may see now, as events."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from core_app.feeds import is_clearing_staff
from core_app.models import CalendarFeed, User
from requests_app.days_of_plans import FARTHEST
from requests_app.feeds import Entry
from requests_app.models import ClearingBatch, PlannedStep, Sample
from requests_app.selectors import clearing_queue, visible_requests
from requests_app.selectors.today import open_plan
from requests_app.states import RequestState

SHORT_MIN = 240
NO_DURATION_MIN = 15
LOOKS_BACK = timedelta(days=30)
AHEAD = timedelta(days=400)


def entries_of(feed: CalendarFeed) -> list[Entry]:
    """Return the events of the feed. Who lost the role gets what is theirs."""
    user = feed.user
    if feed.scope == CalendarFeed.Scope.MICROSCOPE:
        return []
    sees_all = is_clearing_staff(user)
    if feed.scope == CalendarFeed.Scope.CLEARING and sees_all:
        return _steps(user)
    if feed.scope == CalendarFeed.Scope.HANDOFFS and sees_all:
        return _handoffs(user, only_own=False)
    return [*_steps(user, clearer=user), *_handoffs(user, only_own=True)]


def _steps(user: User, *, clearer: User | None = None) -> list[Entry]:
    batches = clearing_queue(to=user)
    if clearer is not None:
        batches = batches.filter(clearer=clearer)
    now = timezone.now()
    rows = open_plan(batches).filter(starts_at__range=(now - LOOKS_BACK, now + AHEAD))
    found = {batch.pk: batch for batch in batches.filter(pk__in={row.batch_id for row in rows})}
    return [_entry(found[group[0].batch_id], group) for group in _groups(rows)]


def _groups(rows: Iterable[PlannedStep]) -> Iterator[list[PlannedStep]]:
    """Short steps that follow each other in one phase of one day are one event."""
    group: list[PlannedStep] = []
    for row in rows:
        if group and not _continues(group[-1], row):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _continues(last: PlannedStep, row: PlannedStep) -> bool:
    is_short = (last.step.usual_minutes or 0) <= SHORT_MIN
    days = {timezone.localtime(r.starts_at).date() for r in (last, row)}
    same = last.batch_id == row.batch_id and last.step.phase == row.step.phase
    return same and is_short and len(days) == 1


def _entry(batch: ClearingBatch, group: list[PlannedStep]) -> Entry:
    first, last = group[0], group[-1]
    phase = first.step.phase_title or first.step.phase
    what = first.step.label if len(group) == 1 else f"{phase} ({len(group)} steps)"
    lines = [f"{timezone.localtime(row.starts_at):%H:%M}  {row.step.label}" for row in group]
    samples = getattr(batch, "sample_count", 0)
    about = f"{batch.protocol}, {samples} sample{'s' if samples != 1 else ''}, " + (
        str(batch.clearer) if batch.clearer else "nobody yet"
    )
    return Entry(
        uid=f"step-{batch.pk}-{first.step_id}@{settings.SITE_HOST}",
        begins=first.starts_at,
        ends=max(ends_at(row) for row in group),
        title=f"{batch.request} batch {batch.number}: {what}",
        text="\n".join([about, *lines]),
        address=settings.SITE_URL + reverse("clearing:batch", args=[last.batch_id]),
    )


def ends_at(row: PlannedStep) -> datetime:
    """Return when the step is over; one without fixed duration is shown as a quarter hour."""
    return row.starts_at + timedelta(minutes=row.step.usual_minutes or NO_DURATION_MIN)


def _handoffs(user: User, *, only_own: bool) -> list[Entry]:
    requests = visible_requests(to=user).filter(state=RequestState.SUBMITTED)
    if only_own:
        requests = requests.filter(owner=user)
    today = timezone.localdate()
    rows = (
        Sample.objects.filter(request__in=requests, received_at=None)
        .filter(expected_handoff_date__range=(today - LOOKS_BACK, today + FARTHEST))
        .select_related("request__owner")
        .order_by("expected_handoff_date", "request_id", "position")
    )
    groups = groupby(rows, key=lambda s: (s.expected_handoff_date, s.request_id))
    return [_handoff(day, list(group)) for (day, _), group in groups if day]


def _handoff(day: date, samples: list[Sample]) -> Entry:
    order, count = samples[0].request, len(samples)
    page = reverse("requests:request-page", args=[order.owner.username, order.folder.name])
    return Entry(
        uid=f"handoff-{order.pk}-{day:%Y%m%d}@{settings.SITE_HOST}",
        begins=day,
        ends=None,
        title=f"Hand-off: {order} ({count} tube{'s' if count != 1 else ''})",
        text="\n".join(sample.name for sample in samples),
        address=settings.SITE_URL + page,
    )
