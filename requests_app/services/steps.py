"""Write the log of a clearing batch: one step at a time, corrected or taken back."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from core_app.changes import changed
from core_app.errors import Invalid, StaleState
from core_app.models import User
from core_app.transitions import record
from requests_app import selectors
from requests_app.models import ClearingBatch, ClearingStepLog, ProtocolStep
from requests_app.selectors.bench import batch_events
from requests_app.services import antibodies, planning
from requests_app.services.guards import hold, require
from requests_app.states import ClearingState

MOST_LOT = 64


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
    _require_not_over(batch)
    require(
        selectors.can_log(batch, by),
        "Only who works on this batch logs its steps; start or re-open it first.",
    )
    step = batch.protocol.steps.filter(slug=slug).first()
    if step is None:
        raise Invalid(f"{batch.protocol} has no step {slug}; reload the page.")
    _check_entry(step, performed_at, note, lot)
    with transaction.atomic():
        hold(batch)
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
        planning.follow(batch)
        changed(log)
        record(batch, verb, by=by, note=_said(step, log))
        if step.asks_lot:
            antibodies.note_lots(batch, by=by)
    return log


def take_back_step(batch: ClearingBatch, slug: str, *, by: User, replaces: int) -> None:
    """Remove an entry made by mistake; the history keeps it.

    `replaces` is the revision that the person saw. Taking back what is gone changes nothing.
    """
    require(selectors.can_log(batch, by), "Only who works on this batch takes its steps back.")
    with transaction.atomic():
        hold(batch)
        log = batch.log.filter(step__slug=slug).select_related("step", "by").first()
        if log is None:
            return
        if log.revision != replaces:
            raise StaleState(
                f"{log.by} corrected this step meanwhile; nothing was taken back. "
                "Look at their entry first."
            )
        step, said = log.step, _said(log.step, log)
        log.delete()
        planning.follow(batch)
        record(batch, "step taken back", by=by, note=said)
        if step.asks_lot:
            antibodies.note_lots(batch, by=by)


def _require_not_over(batch: ClearingBatch) -> None:
    """Tell who types into a finished batch who finished it, and when."""
    if batch.state != ClearingState.COMPLETE:
        return
    last = batch_events(batch).filter(to=ClearingState.COMPLETE).select_related("by").last()
    who = str(last.by) if last and last.by else "Somebody"
    when = timezone.localtime(batch.state_since)
    raise StaleState(
        f"{who} completed this batch on {when:%Y-%m-%d at %H:%M}; your entry was not saved. "
        "Staff can re-open the batch with a reason."
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
