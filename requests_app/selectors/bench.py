"""Reads for clearing: the queue with its filters, who may be given a batch, what happened to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Count, DateTimeField, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from core_app import roles
from core_app.models import Event, User
from core_app.roles import Action, Role
from requests_app import selectors
from requests_app.models import ClearingBatch, ClearingStepLog, PlannedStep
from requests_app.states import ClearingState

SORTS = {
    "due": "due_at",
    "batch": "request__name",
    "owner": "request__owner__username",
    "protocol": "protocol__name",
    "species": "request__species__label",
    "samples": "sample_count",
    "handoff": "expected_handoff_date",
    "clearer": "clearer__username",
    "submitted": "request__submitted_at",
    "since": "state_since",
}
DUE = {"overdue": "Overdue", "week": "Due in 7 days"}
NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the queue is asked for, as the address says it; what is unknown is ignored."""

    state: str = ""
    protocol: str = ""
    due: str = ""
    clearer: str = ""
    species: str = ""
    mine: bool = False
    words: str = ""
    sort: str = ""
    descending: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Wanted":
        return cls(
            state=query.get("state", ""),
            protocol=query.get("protocol", ""),
            due=query.get("due", "") if query.get("due") in DUE else "",
            clearer=query.get("clearer", ""),
            species=query.get("species", ""),
            mine=query.get("mine") == "1",
            words=query.get("q", "").strip()[:100],
            sort=query.get("sort", "") if query.get("sort") in SORTS else "",
            descending=query.get("dir") == "desc",
        )


def batch_events(batch: ClearingBatch) -> QuerySet[Event]:
    return Event.objects.filter(kind=batch.KIND, object_id=batch.pk).order_by("id")


def queue(wanted: Wanted, *, to: User) -> QuerySet[ClearingBatch]:
    """Return the batches of this person's queue that are asked for, with `due_at`, `planned_end`,
    `sample_count` and `received_count`."""
    logged = ClearingStepLog.objects.filter(batch=OuterRef("batch"), step=OuterRef("step"))
    open_steps = PlannedStep.objects.exclude(Exists(logged))
    last = open_steps.filter(batch=OuterRef("pk")).order_by("-starts_at")
    rows = selectors.clearing_queue(to=to).annotate(
        received_count=Count("samples", filter=Q(samples__received_at__isnull=False)),
        planned_end=Subquery(last.values("starts_at")[:1]),
    )
    rows = rows.annotate(
        due_at=Coalesce("planned_end", Cast("expected_handoff_date", DateTimeField()))
    )
    return _filtered(rows, wanted, to)


def _filtered(rows: QuerySet[ClearingBatch], wanted: Wanted, user: User) -> QuerySet[ClearingBatch]:
    exact = {
        "protocol__name": wanted.protocol,
        "request__species__name": wanted.species,
        "clearer__username": wanted.clearer if wanted.clearer != NOBODY else "",
    }
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if wanted.clearer == NOBODY:
        rows = rows.filter(clearer=None)
    if wanted.mine:
        rows = rows.filter(clearer=user)
    if wanted.words:
        rows = rows.filter(_mentions(wanted.words))
    return rows.filter(_due(wanted.due)) if wanted.due else rows


def _mentions(words: str) -> Q:
    found = ClearingBatch.objects.filter(samples__name__icontains=words)
    return (
        Q(request__name__icontains=words)
        | Q(request__owner__username__icontains=words)
        | Q(antibody1__icontains=words)
        | Q(antibody2__icontains=words)
        | Q(pk__in=found.values("pk"))
    )


def _due(which: str) -> Q:
    """Return what is due before today, or within a week from now, in the facility's days."""
    today = timezone.localdate()
    last = today if which == "overdue" else today + timedelta(days=7)
    midnight = timezone.make_aware(datetime.combine(last, time()))
    open_states = Q(state__in=[ClearingState.WAITING, ClearingState.IN_PROGRESS])
    by_date = Q(planned_end=None, expected_handoff_date__lt=last)
    return open_states & (Q(planned_end__lt=midnight) | by_date)


def ordered(
    rows: QuerySet[ClearingBatch], wanted: Wanted, *, newest_first: bool = False
) -> QuerySet[ClearingBatch]:
    """Return the rows as the person sorted them; else by due date, or what was finished last."""
    if not wanted.sort:
        last_first = ("-state_since", "-pk")
        return rows.order_by(
            *(last_first if newest_first else (F("due_at").asc(nulls_last=True), "pk"))
        )
    column = F(SORTS[wanted.sort])
    order = column.desc(nulls_last=True) if wanted.descending else column.asc(nulls_last=True)
    return rows.order_by(order, "pk")


def is_overdue(batch: ClearingBatch) -> bool:
    """Return True if an open batch of the queue was due before today."""
    planned = getattr(batch, "planned_end", None)
    due = timezone.localtime(planned).date() if planned else batch.expected_handoff_date
    is_open = batch.state in {ClearingState.WAITING, ClearingState.IN_PROGRESS}
    return bool(is_open and due and due < timezone.localdate())


def clearing_staff() -> list[User]:
    """Return the people whose work is clearing, by name."""
    names = [Role.CLEARER.value, Role.MANAGER.value]
    rows = User.objects.filter(is_active=True, groups__name__in=names).distinct()
    return sorted(rows, key=lambda user: str(user).casefold())


def may_be_given(batch: ClearingBatch, staff: list[User]) -> list[User]:
    """Return who can be made the clearer of this batch: staff, and a self-clearing owner."""
    owner = batch.request.owner
    extra = [owner] if owner not in staff and roles.can(owner, Action.CLEAR, batch.request) else []
    return staff + extra


def clearers_in(rows: QuerySet[ClearingBatch]) -> list[User]:
    """Return who is the clearer of anything in these rows."""
    names = rows.exclude(clearer=None).order_by().values("clearer")
    return list(User.objects.filter(pk__in=names).order_by("username"))
