"""Write clearing: group samples into batches, claim, log steps, complete, re-open."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from core_app import roles
from core_app.changes import changed
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import User
from core_app.roles import Role
from core_app.transitions import advance, advance_many, born_many, record
from requests_app import selectors
from requests_app.models import (
    ClearingBatch,
    ClearingProtocol,
    ClearingStepLog,
    ProtocolStep,
    Request,
)
from requests_app.plans import SamplePlan
from requests_app.states import ClearingState, RequestState

MOST_LOT = 64
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


def start(batch: ClearingBatch, *, by: User) -> None:
    """Claim the batch and begin. If two people press at once, one gets it, the other is told."""
    _require(
        selectors.may_clear(batch, by),
        "Only clearing staff, or a self-clearing owner, start clearing.",
    )
    _require_open(batch.request)
    if batch.state == ClearingState.IN_PROGRESS:
        if batch.clearer_id == by.pk:
            return  # pressed twice
        raise StaleState(f"{batch.clearer} has started this batch already.")
    with transaction.atomic():
        advance(batch, ClearingState.IN_PROGRESS, by=by, note="claimed")
        ClearingBatch.objects.filter(pk=batch.pk).update(clearer=by)
    batch.clearer = by


def put_back(batch: ClearingBatch, *, by: User, reason: str) -> None:
    """Give a claimed batch back to the queue, as long as no step is logged."""
    _require(selectors.can_log(batch, by), "Only who works on the batch may put it back.")
    with transaction.atomic():
        _hold(batch)
        if batch.log.exists():
            raise NotReady(
                "Steps are logged already, so the batch cannot go back to the queue. "
                "A colleague can go on with it as it is."
            )
        advance(batch, ClearingState.WAITING, by=by, note=reason.strip())
        ClearingBatch.objects.filter(pk=batch.pk).update(clearer=None)
    batch.clearer = None


def assign(batch: ClearingBatch, *, clearer: User, by: User) -> None:
    """Give the batch to a colleague of the clearing staff."""
    _require(roles.has_role(by, Role.CLEARER, Role.MANAGER), "Only clearing staff assign batches.")
    if not roles.can(clearer, roles.Action.CLEAR, batch.request):
        raise Invalid(f"{clearer} is not clearing staff; choose somebody who is.")
    if batch.state not in {ClearingState.WAITING, ClearingState.IN_PROGRESS}:
        raise NotReady(
            f"The batch is {batch.get_state_display().lower()}; there is nothing to assign."
        )
    if batch.clearer_id == clearer.pk:
        return
    with transaction.atomic():
        ClearingBatch.objects.filter(pk=batch.pk).update(clearer=clearer)
        record(batch, "assigned", by=by, note=str(clearer))
    batch.clearer = clearer


def record_step(
    batch: ClearingBatch,
    slug: str,
    *,
    performed_at: datetime,
    by: User,
    note: str = "",
    lot: str = "",
    replaces: int = 0,
) -> ClearingStepLog:
    """Log one step at once. `replaces` is the revision that the person saw: 0 for none.

    Pressing twice is harmless; if a colleague logged the step meanwhile, StaleState says who and
    when.
    """
    _require(
        selectors.can_log(batch, by),
        "Only who works on this batch logs its steps; start or re-open it first.",
    )
    step = batch.protocol.steps.filter(slug=slug).first()
    if step is None:
        raise Invalid(f"{batch.protocol} has no step {slug}; reload the page.")
    _check_entry(step, performed_at, note, lot)
    with transaction.atomic():
        _hold(batch)
        existing = batch.log.filter(step=step).select_related("by").first()
        if existing is None:
            log = batch.log.create(
                step=step, performed_at=performed_at, by=by, note=note.strip(), lot=lot.strip()
            )
            verb = "step logged"
        elif _says_the_same(existing, performed_at, note.strip(), lot.strip()):
            return existing
        else:
            log, verb = (
                _correct(existing, performed_at, by, note.strip(), lot.strip(), replaces),
                "step corrected",
            )
        changed(log)
        record(batch, verb, by=by, note=_said(step, log))
    return log


def take_back_step(batch: ClearingBatch, slug: str, *, by: User, replaces: int) -> None:
    """Remove an entry made by mistake; the history keeps it.

    `replaces` is the revision that the person saw. Taking back what is gone changes nothing.
    """
    _require(selectors.can_log(batch, by), "Only who works on this batch takes its steps back.")
    with transaction.atomic():
        _hold(batch)
        log = batch.log.filter(step__slug=slug).select_related("step", "by").first()
        if log is None:
            return
        if log.revision != replaces:
            raise StaleState(
                f"{log.by} corrected this step meanwhile; nothing was taken back. "
                "Look at their entry first."
            )
        said = _said(log.step, log)
        log.delete()
        record(batch, "step taken back", by=by, note=said)


def _hold(batch: ClearingBatch) -> None:
    """Take the row for this transaction: the batch must still be in progress when entries land."""
    held = ClearingBatch.objects.select_for_update().filter(
        pk=batch.pk, state=ClearingState.IN_PROGRESS
    )
    if not held.exists():
        raise StaleState(
            "The batch was completed or put back meanwhile; your entry was not saved. "
            "Reload the page."
        )


def _says_the_same(log: ClearingStepLog, performed_at: datetime, note: str, lot: str) -> bool:
    """Return True for an entry that arrives twice, or that two people made in the same minute."""
    return (log.note, log.lot) == (note, lot) and abs(
        (log.performed_at - performed_at).total_seconds()
    ) < 60


def _correct(
    log: ClearingStepLog, performed_at: datetime, by: User, note: str, lot: str, replaces: int
) -> ClearingStepLog:
    changed_rows = ClearingStepLog.objects.filter(pk=log.pk, revision=replaces).update(
        performed_at=performed_at,
        by=by,
        note=note,
        lot=lot,
        revision=replaces + 1,
        recorded_at=timezone.now(),
    )
    if changed_rows != 1:
        when = timezone.localtime(log.recorded_at).strftime("%H:%M")
        raise StaleState(
            f"{log.by} logged this step at {when} already; your entry was not saved. "
            "Look at theirs first."
        )
    log.refresh_from_db()
    return log


def _check_entry(step: ProtocolStep, performed_at: datetime, note: str, lot: str) -> None:
    if performed_at > timezone.now() + timedelta(minutes=5):
        raise Invalid(
            "This time lies in the future; log a step when it is done.",
            fields={"performed_at": ["Not in the future."]},
        )
    if len(note.strip()) > step.note_max:
        raise Invalid(
            f"The note has {len(note.strip())} characters; at most {step.note_max} fit.",
            fields={"note": [f"At most {step.note_max} characters."]},
        )
    if len(lot.strip()) > MOST_LOT:
        raise Invalid(
            f"The lot has {len(lot.strip())} characters; at most {MOST_LOT} fit.",
            fields={"lot": [f"At most {MOST_LOT} characters."]},
        )


def _said(step: ProtocolStep, log: ClearingStepLog) -> str:
    extras = [text for text in (log.note, f"lot {log.lot}" if log.lot else "") if text]
    return ": ".join([step.label, *extras])


def complete(batch: ClearingBatch, *, by: User, link: str = "", skip_missing: bool = False) -> None:
    """Finish the batch. Unlogged steps are named.

    `skip_missing` says they were left out on purpose.
    """
    _require(selectors.can_log(batch, by), "Only who works on this batch completes it.")
    if batch.protocol.needs_link and not (link or batch.link).startswith(("http://", "https://")):
        raise Invalid(
            "Give the address of the spreadsheet with the steps.",
            fields={"link": ["Begin with https://"]},
        )
    if len(link) > MOST_LINK:
        raise Invalid(
            f"The address has {len(link)} characters; at most {MOST_LINK} fit.",
            fields={"link": ["Shorten it."]},
        )
    with transaction.atomic():
        _hold(batch)
        note = _left_out(batch, skip_missing=skip_missing)
        if link:
            ClearingBatch.objects.filter(pk=batch.pk).update(link=link)
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
    return f"left out: {', '.join(step.slug for step in missing)}" if missing else ""


def reopen(batch: ClearingBatch, *, by: User, reason: str) -> None:
    """Open a finished batch again, to correct its log. The history keeps both."""
    _require(roles.has_role(by, Role.CLEARER, Role.MANAGER), "Only staff re-open a batch.")
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


def _require(allowed: bool, otherwise: str) -> None:  # noqa: FBT001  # the sentence reads as one
    if not allowed:
        raise NotAllowed(otherwise)


def _require_open(request: Request) -> None:
    if request.state != RequestState.SUBMITTED:
        raise NotReady(f"The request is {request.get_state_display().lower()}.")
