"""Write the hand-off calendar: what a day takes, and on which day a sample comes."""

from datetime import date

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from core_app import roles
from core_app.changes import changed_many
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState, Taken
from core_app.models import User
from core_app.roles import Action, Role
from core_app.transitions import record
from requests_app.days_of_plans import FARTHEST
from requests_app.models import ClearingBatch, HandoffDay, HandoffWeekday, Sample
from requests_app.selectors.handoffs import Day, handoff_days, open_days, seen_of
from requests_app.states import ClearingState, RequestState

MOST_CAPACITY = 999
MOST_NOTE = 100


def set_day(day: date, *, capacity: int | None, note: str, seen: str, by: User) -> Day:
    """Let one date differ from its weekday: None = no limit, 0 = closed.

    Less than is expected already is allowed; the calendar then shows the day as overbooked. `seen`
    is what the person saw; raises StaleState if a colleague changed the day since.
    """
    _require_staff(by)
    _require_known(day, capacity, note)
    with transaction.atomic():
        _hold_as_seen(day, seen)
        row = {"capacity": capacity, "note": note.strip()}
        HandoffDay.objects.update_or_create(day=day, defaults=row)
    return handoff_days([day])[day]


def clear_day(day: date, *, seen: str, by: User) -> Day:
    """Let one date be like its weekday again."""
    _require_staff(by)
    with transaction.atomic():
        _hold_as_seen(day, seen)
        HandoffDay.objects.filter(day=day).delete()
    return handoff_days([day])[day]


def move(sample: Sample, day: date, *, by: User) -> None:
    """Hand the sample in on another day, if that day still takes one.

    Of two people who want the last place one gets it; the other is told which days are open.
    """
    if not may_move(sample, by):
        raise NotAllowed("Only who handed the request in, or clearing staff, change this day.")
    if not timezone.localdate() <= day <= timezone.localdate() + FARTHEST:
        raise _refused("Choose a day to come, within five years.")
    with transaction.atomic():
        hold(day)
        batch = _waiting_batch_of(sample)
        _require_still_expected(sample)
        if day == sample.expected_handoff_date:
            return
        if not sample.request.self_clearing:
            _require_open(handoff_days([day])[day])
        came_from = sample.expected_handoff_date
        expected = Sample.objects.filter(
            pk=sample.pk, received_at=None, expected_handoff_date=came_from
        )
        if expected.update(expected_handoff_date=day) != 1:
            raise StaleState("Somebody else changed this tube a moment ago. Look at it again.")
        _note_earliest(batch)
        note = f"{sample.name}: {came_from or 'no day'} → {day}"
        record(sample.request, "hand-off moved", by=by, note=note)
        changed_many([sample, batch])
    sample.refresh_from_db(fields=["expected_handoff_date"])


def may_move(sample: Sample, by: User) -> bool:
    """Return True for owner, submitter, manager and who clears the request, states aside."""
    allowed = roles.actions_on(by, sample.request)
    return bool(allowed & {Action.EDIT_DRAFT, Action.CLEAR})


def hold(*days: date) -> None:
    """Let one person after the other count and change the places of these days."""
    weekdays = {day.weekday() for day in days}
    rows = HandoffWeekday.objects.select_for_update().filter(weekday__in=weekdays)
    list(rows.order_by("pk").values_list("pk"))


def _require_staff(by: User) -> None:
    if not roles.has_role(by, Role.CLEARER, Role.MANAGER):
        raise NotAllowed("Only clearing staff and managers change the hand-off calendar.")


def _require_known(day: date, capacity: int | None, note: str) -> None:
    if day < timezone.localdate():
        raise Invalid("This day is over; change one to come.", fields={"day": ["Not in the past."]})
    if capacity is not None and not 0 <= capacity <= MOST_CAPACITY:
        raise Invalid(
            f"A day takes 0 to {MOST_CAPACITY} samples; leave it empty for no limit.",
            fields={"capacity": [f"0 to {MOST_CAPACITY}."]},
        )
    if len(note.strip()) > MOST_NOTE:
        raise Invalid(
            f"The note has {len(note.strip())} characters; at most {MOST_NOTE} fit.",
            fields={"note": [f"At most {MOST_NOTE} characters."]},
        )


def _hold_as_seen(day: date, seen: str) -> None:
    hold(day)
    if seen_of(handoff_days([day])[day]) != seen:
        raise StaleState(
            f"A colleague changed {day} meanwhile, so yours was not saved. Look at the day again."
        )


def _waiting_batch_of(sample: Sample) -> ClearingBatch:
    """Take the row of the tube's batch, so that nobody begins to clear it meanwhile."""
    rows = ClearingBatch.objects.select_for_update().filter(pk=sample.clearing_batch_id or 0)
    batch = rows.filter(state=ClearingState.WAITING).first()
    if batch is None or sample.request.state != RequestState.SUBMITTED:
        raise NotReady("This tube is no longer expected, so its day stays as it is.")
    return batch


def _require_still_expected(sample: Sample) -> None:
    if sample.received_at is not None:
        raise NotReady(f"{sample.name} is here already, so its day stays as it is.")


def _require_open(day: Day) -> None:
    if day.is_open:
        return
    why = f" ({day.note})" if day.note else ""
    state = "closed" if day.capacity == 0 else "full"
    others = ", ".join(str(other) for other in open_days(day.day))
    instead = f"such as {others}" if others else "later than that"
    refusal = f"{day.day} is {state}{why}; choose another day, {instead}."
    raise Taken(refusal)


def _refused(message: str) -> Invalid:
    return Invalid(message, fields={"day": [message]})


def _note_earliest(batch: ClearingBatch) -> None:
    """Let the batch show the earliest hand-off of its samples, as when it was made."""
    dates = Sample.objects.filter(clearing_batch=batch)
    earliest = dates.aggregate(day=Min("expected_handoff_date"))["day"]
    ClearingBatch.objects.filter(pk=batch.pk).update(expected_handoff_date=earliest)
