"""Reads of requests and clearing. Every one takes the person, so that nobody sees too much."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.http import Http404

from core_app import roles
from core_app.models import Event, User
from core_app.roles import Action, Role
from requests_app import drafts
from requests_app.models import (
    ClearingBatch,
    ClearingProtocol,
    ClearingStepLog,
    ProtocolStep,
    Request,
    Sample,
    Subject,
)
from requests_app.models.request import folder_of
from requests_app.states import ClearingState, RequestState

HANDED_OVER = "handed over to"  # the verb of a draft that became another person's


def visible_requests(*, to: User) -> QuerySet[Request]:
    """Return the requests that this person may read: the rule of roles.can(READ) as a query."""
    rows = Request.objects.select_related("owner", "lab", "species")
    if not to.is_active:
        return rows.none()
    mine = Q(owner=to) | Q(requested_by=to)
    if roles.has_role(to, Role.MANAGER):
        return rows
    submitted = ~Q(state=RequestState.DRAFT)
    if roles.roles_of(to):
        return rows.filter(mine | submitted)
    labs = roles.labs_led_by(to) | roles.sharing_labs_of(to)
    return rows.filter(mine | (submitted & (Q(auditor=to) | Q(lab__in=labs))))


def visible_samples(*, to: User) -> QuerySet[Sample]:
    """Return the samples of visible, submitted requests."""
    requests = visible_requests(to=to).exclude(state=RequestState.DRAFT)
    rows = Sample.objects.filter(request__in=requests)
    return rows.select_related("request__owner", "clearing_batch__protocol")


def get_request(*, owner: str, name: str, to: User) -> Request:
    """Return the submitted request at /requests/<owner>/<name>/; 404 if `to` may not read it."""
    found = (
        visible_requests(to=to)
        .filter(owner__username=owner, name_key=folder_of(name).casefold())
        .first()
    )
    if found is None:
        raise Http404("There is no such request, or it is not yours to see.")
    return found


def get_draft(pk: int, *, to: User) -> Request:
    """Return a draft that this person may edit, or 404."""
    found = visible_requests(to=to).filter(pk=pk, state=RequestState.DRAFT).first()
    if found is None or not roles.can(to, Action.EDIT_DRAFT, found):
        raise Http404("There is no such draft, or it is not yours to edit.")
    return found


def drafts_of(user: User) -> QuerySet[Request]:
    """Return the drafts this person writes, newest first."""
    rows = Request.objects.filter(state=RequestState.DRAFT)
    return rows.filter(Q(owner=user) | Q(requested_by=user)).order_by("-id")


def samples_in_draft(request: Request) -> int:
    """Return the number of samples that a draft holds so far; no query."""
    return drafts.samples_in(request.draft)


def clearing_queue(*, to: User) -> QuerySet[ClearingBatch]:
    """Return the batches that this person clears, or all of them for clearing staff."""
    rows = ClearingBatch.objects.select_related(
        "request__owner", "request__species", "protocol", "clearer"
    )
    rows = rows.annotate(sample_count=Count("samples")).order_by("expected_handoff_date", "id")
    rows = rows.exclude(request__state=RequestState.DRAFT)
    if roles.has_role(to, Role.CLEARER, Role.MANAGER):
        return rows
    # Who was clearing staff once reads of it only what anybody in their place may read.
    own = Q(clearer=to) | Q(request__owner=to, request__self_clearing=True)
    return rows.filter(own, request__in=visible_requests(to=to))


def get_batch(pk: int, *, to: User) -> ClearingBatch:
    """Return a clearing batch of a visible request, or 404."""
    rows = ClearingBatch.objects.select_related(
        "request__owner", "request__species", "protocol", "clearer"
    )
    found = rows.filter(pk=pk, request__in=visible_requests(to=to)).first()
    if found is None:
        raise Http404("There is no such batch, or it is not yours to see.")
    return found


@dataclass(frozen=True, slots=True)
class BenchStep:
    """One step of a batch's protocol with what was logged for it, if anything."""

    step: ProtocolStep
    log: ClearingStepLog | None
    starts_phase: bool
    planned: datetime | None = None

    @property
    def is_done(self) -> bool:
        return self.log is not None


def bench_steps(batch: ClearingBatch) -> list[BenchStep]:
    """Return the steps of the batch's protocol version in order, each with its log and plan."""
    plan = dict(batch.plan.order_by().values_list("step_id", "starts_at"))
    logs = {log.step_id: log for log in batch.log.select_related("by")}
    steps = list(batch.protocol.steps.all())
    before = [None, *[step.phase for step in steps]]
    return [
        BenchStep(s, logs.get(s.pk), s.phase != phase, plan.get(s.pk))
        for s, phase in zip(steps, before, strict=False)
    ]


def missing_steps(batch: ClearingBatch) -> list[ProtocolStep]:
    """Return the steps without a log."""
    done = batch.log.values("step_id")
    return list(batch.protocol.steps.exclude(pk__in=done))


def offered_protocols() -> QuerySet[ClearingProtocol]:
    """Return the protocols that new requests may choose, with their species."""
    return ClearingProtocol.objects.filter(is_offered=True).prefetch_related("species")


def events_of(request: Request, *, last: int = 200) -> list[Event]:
    """Return the events that people care for, newest first; attempts are told by their run."""
    rows = Event.objects.filter(root_id=request.pk).exclude(kind="attempt")
    rows = rows.exclude(~Q(kind=Request.KIND), verb="created")
    return list(rows.select_related("by").order_by("-id")[:last])


def has_history(request: Request) -> bool:
    """Return True once anybody worked on the request: received, cleared, imaged or processed it.

    Corrections of what was typed are no work.
    """
    words = ["created", "corrected"]
    events = Event.objects.filter(root_id=request.pk).exclude(verb__in=words)
    events = events.exclude(kind=Request.KIND, verb__in=["moved", HANDED_OVER])
    return events.exclude(came_from="waiting", to="cancelled").exists()


def offered_subjects(*, to: User) -> QuerySet[Subject]:
    """Return the animals this person may name: those of their labs, and those of no lab."""
    rows = Subject.objects.filter(is_offered=True)
    if roles.roles_of(to):
        return rows
    labs = to.memberships.values_list("lab_id", flat=True)
    return rows.filter(Q(lab=None) | Q(lab__in=labs))


def may_clear(batch: ClearingBatch, by: User) -> bool:
    """Return True for clearing staff, and for the owner of a self-cleared request."""
    return roles.can(by, Action.CLEAR, batch.request)


def can_start(batch: ClearingBatch, by: User) -> bool:
    return batch.state == ClearingState.WAITING and may_clear(batch, by)


def can_log(batch: ClearingBatch, by: User) -> bool:
    """Clearing staff log any batch in progress; a self-clearing owner logs their own."""
    if batch.state != ClearingState.IN_PROGRESS or not may_clear(batch, by):
        return False
    return batch.clearer_id in {by.pk, None} or roles.has_role(by, Role.MANAGER, Role.CLEARER)


def can_reopen(batch: ClearingBatch, by: User) -> bool:
    return batch.state == ClearingState.COMPLETE and roles.has_role(by, Role.CLEARER, Role.MANAGER)


def clearing_has_started(batches: Iterable[ClearingBatch]) -> bool:
    return any(batch.state != ClearingState.WAITING for batch in batches)
