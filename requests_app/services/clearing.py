"""Write clearing: group samples into batches, claim, log steps, complete, re-open."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from core_app import roles
from core_app.errors import Invalid, NotReady, StaleState
from core_app.models import User
from core_app.roles import Role
from core_app.transitions import advance, advance_many, born_many, record
from requests_app import selectors
from requests_app.models import ClearingBatch, ClearingProtocol, Request
from requests_app.plans import SamplePlan
from requests_app.services import planning, requests
from requests_app.services.guards import hold, hold_open, require, require_open
from requests_app.services.steps import record_step, take_back_step
from requests_app.states import ClearingState, RequestState

__all__ = [
    "assign", "cancel_open", "claim", "complete", "make_batches", "put_back", "receive_and_start",
    "record_step", "release", "reopen", "start", "take_back_step",
]  # fmt: skip

MOST_LINK = 500


def make_batches(request: Request, plans: Sequence[SamplePlan], *, by: User) -> list[ClearingBatch]:
    """Make one batch per chemistry (protocol, antibodies), numbered in the order of the samples.

    The caller holds the transaction. Returns the batch of each plan, in their order. Samples keep
    their own dates; the batch shows the earliest hand-off.
    """
    groups: dict[tuple[str, str, str], list[SamplePlan]] = {}
    for plan in plans:
        groups.setdefault(plan.chemistry, []).append(plan)
    protocols = {p.name: p for p in reversed(selectors.offered_protocols())}
    if gone := {name for name, _, _ in groups} - set(protocols):
        raise StaleState(
            f"{', '.join(sorted(gone))} is no longer offered; choose another clearing protocol."
        )
    batches = ClearingBatch.objects.bulk_create(
        _batch(request, number, protocols[chemistry[0]], chemistry, members)
        for number, (chemistry, members) in enumerate(groups.items(), start=1)
    )
    born_many(batches, by=by)
    batch_of = dict(zip(groups, batches, strict=True))
    return [batch_of[plan.chemistry] for plan in plans]


def _batch(
    request: Request,
    number: int,
    protocol: ClearingProtocol,
    chemistry: tuple[str, str, str],
    plans: Sequence[SamplePlan],
) -> ClearingBatch:
    dates = [plan.expected_handoff_date for plan in plans if plan.expected_handoff_date]
    notes = [
        f"{plan.notes_for_clearer.strip()} ({plan.name})"
        for plan in plans
        if plan.notes_for_clearer.strip()
    ]
    return ClearingBatch(
        request=request,
        number=number,
        protocol=protocol,
        antibody1=chemistry[1],
        antibody2=chemistry[2],
        clearer=request.owner if request.self_clearing else None,
        expected_handoff_date=min(dates, default=None),
        notes_for_clearer="\n".join(notes),
    )


def claim(batch: ClearingBatch, *, by: User) -> None:
    """Take an unassigned batch without starting it. If two press at once, one gets it."""
    require(selectors.may_clear(batch, by), "Only clearing staff claim batches.")
    require_open(batch.request)
    with transaction.atomic():
        held = hold_open(batch)
        if held.clearer_id == by.pk:
            return  # pressed twice
        if held.clearer_id is not None:
            raise StaleState(f"{held.clearer} has claimed this batch already.")
        _give_to(batch, by, verb="claimed", by=by)


def release(batch: ClearingBatch, *, by: User) -> None:
    """Let go of a batch that is not started: it is anybody's again."""
    staff = roles.has_role(by, Role.CLEARER, Role.MANAGER)
    require(staff or batch.clearer_id == by.pk, "Only clearing staff release a batch.")
    with transaction.atomic():
        held = hold_open(batch)
        if held.state != ClearingState.WAITING:
            raise NotReady("The batch is started; put it back in the queue instead.")
        if held.clearer_id is not None:
            _give_to(batch, None, verb="released", by=by)


def assign(batch: ClearingBatch, *, clearer: User, by: User) -> None:
    """Give the batch to a colleague of the clearing staff, or to its self-clearing owner."""
    require(roles.has_role(by, Role.CLEARER, Role.MANAGER), "Only clearing staff assign batches.")
    if not roles.can(clearer, roles.Action.CLEAR, batch.request):
        raise Invalid(f"{clearer} is not clearing staff; choose somebody who is.")
    with transaction.atomic():
        held = hold_open(batch)
        if held.clearer_id != clearer.pk:
            _give_to(batch, clearer, verb="assigned", by=by)


def _give_to(batch: ClearingBatch, clearer: User | None, *, verb: str, by: User) -> None:
    ClearingBatch.objects.filter(pk=batch.pk).update(clearer=clearer)
    record(batch, verb, by=by, note=str(clearer) if clearer and clearer != by else "")
    batch.clearer = clearer


def start(batch: ClearingBatch, *, by: User) -> None:
    """Claim the batch and begin; its steps are planned from now on.

    All its tubes must be received. If two people press at once, one gets it, the other is told.
    """
    require(
        selectors.may_clear(batch, by),
        "Only clearing staff, or a self-clearing owner, start clearing.",
    )
    require_open(batch.request)
    if batch.state == ClearingState.IN_PROGRESS:
        if batch.clearer_id == by.pk:
            return  # pressed twice
        raise StaleState(f"{batch.clearer} has started this batch already.")
    if batch.state != ClearingState.WAITING:
        raise NotReady(
            f"The batch is {batch.get_state_display().lower()}, so there is nothing to start. "
            "A finished one is re-opened, with a reason."
        )
    with transaction.atomic():
        _require_unclaimed(batch, by)
        _require_received(batch)
        advance(batch, ClearingState.IN_PROGRESS, by=by, note="claimed")
        ClearingBatch.objects.filter(pk=batch.pk).update(clearer=by)
        planning.plan_from(batch, timezone.now().replace(second=0, microsecond=0))
    batch.clearer = by


def receive_and_start(batch: ClearingBatch, *, by: User) -> None:
    """Note that every missing tube of the batch is here in good condition, and begin."""
    with transaction.atomic():
        if batch.state == ClearingState.WAITING:
            hold_open(batch)
            for sample in batch.samples.filter(received_at=None).select_related("request__owner"):
                requests.receive(sample, by=by)
        start(batch, by=by)


def _require_received(batch: ClearingBatch) -> None:
    missing = list(batch.samples.filter(received_at=None).values_list("name", flat=True))
    if missing:
        named = ", ".join(missing[:3]) + (" and more" if len(missing) > 3 else "")
        raise NotReady(
            f"{len(missing)} of {batch.samples.count()} tubes of this batch are not received yet "
            f"({named}). Press “The tubes are here: receive them and start”, or receive them one "
            "by one."
        )


def _require_unclaimed(batch: ClearingBatch, by: User) -> None:
    """Hold the row: nobody begins what a colleague has claimed."""
    held = ClearingBatch.objects.select_for_update().get(pk=batch.pk)
    if held.state == ClearingState.WAITING and held.clearer_id not in {None, by.pk}:
        raise StaleState(
            f"{held.clearer} has claimed this batch. Take it over first, if that is agreed."
        )


def put_back(batch: ClearingBatch, *, by: User, reason: str) -> None:
    """Give a claimed batch back to the queue, as long as no step is logged."""
    require(selectors.can_log(batch, by), "Only who works on the batch may put it back.")
    with transaction.atomic():
        hold(batch)
        if batch.log.exists():
            raise NotReady(
                "Steps are logged already, so the batch cannot go back to the queue. "
                "A colleague can go on with it as it is."
            )
        advance(batch, ClearingState.WAITING, by=by, note=reason.strip())
        ClearingBatch.objects.filter(pk=batch.pk).update(clearer=None)
        planning.forget(batch)
    batch.clearer = None


def complete(batch: ClearingBatch, *, by: User, link: str = "", skip_missing: bool = False) -> None:
    """Finish the batch. Unlogged steps are named.

    `skip_missing` says they were left out on purpose.
    """
    if batch.state == ClearingState.WAITING:
        raise NotReady("The batch is not started yet; start it first.")
    require(selectors.can_log(batch, by), "Only who works on this batch completes it.")
    if batch.protocol.needs_link and not (link or batch.link).startswith(("http://", "https://")):
        raise Invalid(
            "Give the address of the spreadsheet with the steps.",
            fields={"link": ["Begin with https://"]},
        )
    if link and not link.startswith(("http://", "https://")):
        raise Invalid(
            "The address of the spreadsheet begins with https:// or http://.",
            fields={"link": ["Begin with https://"]},
        )
    if len(link) > MOST_LINK:
        raise Invalid(
            f"The address has {len(link)} characters; at most {MOST_LINK} fit.",
            fields={"link": ["Shorten it."]},
        )
    with transaction.atomic():
        hold(batch)
        note = _left_out(batch, skip_missing=skip_missing)
        if link:
            ClearingBatch.objects.filter(pk=batch.pk).update(link=link)
        planning.forget(batch, only_open=True)
        advance(batch, ClearingState.COMPLETE, by=by, note=note)


def _left_out(batch: ClearingBatch, *, skip_missing: bool) -> str:
    """Return the note that names the unlogged steps; raises NotReady unless they may be skipped."""
    missing = selectors.missing_steps(batch)
    if missing and not skip_missing:
        raise NotReady(
            f"{len(missing)} of {batch.protocol.steps.count()} steps are not logged, "
            f"the first is “{missing[0].label}”. "
            "Log them, or complete with “left out on purpose”."
        )
    return f"left out: {'; '.join(step.label for step in missing)}" if missing else ""


def reopen(batch: ClearingBatch, *, by: User, reason: str) -> None:
    """Open a finished batch again, to correct its log. The history keeps both."""
    require(roles.has_role(by, Role.CLEARER, Role.MANAGER), "Only staff re-open a batch.")
    if not reason.strip():
        raise Invalid("Say why the batch is opened again.", fields={"reason": ["Give a reason."]})
    if batch.request.state == RequestState.WITHDRAWN:
        raise NotReady("The request is withdrawn, so nothing of it is opened again.")
    with transaction.atomic():
        advance(batch, ClearingState.IN_PROGRESS, by=by, note=reason.strip())


def cancel_open(request: Request, *, by: User, note: str) -> None:
    """Cancel the batches that are not finished. The caller holds the transaction."""
    open_states = [ClearingState.WAITING, ClearingState.IN_PROGRESS]
    batches = ClearingBatch.objects.filter(request=request, state__in=open_states).select_related(
        "request"
    )
    advance_many(batches, ClearingState.CANCELLED, by=by, note=note)
