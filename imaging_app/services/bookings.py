"""Write the calendars of microscopes: book a slot, move it, cancel it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core_app.errors import Invalid, NotReady, StaleState, Taken
from core_app.models import User
from core_app.transitions import record_on
from imaging_app import selectors
from imaging_app.local_times import length_words
from imaging_app.models import Booking, ImagingBatch, Microscope, Outage
from imaging_app.selectors import bookings as reads
from imaging_app.services.guards import require, require_reason
from imaging_app.slots import Slot, next_quarter

GRACE = timedelta(hours=1)
LONGEST = timedelta(days=14)
FARTHEST = timedelta(days=730)
MOST_PURPOSE = Booking._meta.get_field("purpose").max_length or 0


def book(
    microscope: Microscope,
    slot: Slot,
    *,
    person: User,
    by: User,
    purpose: str = "",
    batch: ImagingBatch | None = None,
) -> Booking:
    """Book the microscope for a person. Of two who want one time one gets it.

    Raises Taken, naming the other slot and the next free time of that length. The same slot for the
    same person twice is one booking.
    """
    _require_may_book(person, by)
    text = _purpose(purpose)
    _require_possible(slot)
    with transaction.atomic():
        held = _hold(microscope)
        same = _same(held, slot, person)
        if same:
            return same
        _require_bookable(held)
        _require_fitting(batch, held, person)
        _require_free(held, slot)
        made = Booking.objects.create(
            microscope=held, starts_at=slot.begins, ends_at=slot.ends, person=person,
            booked_by=by, batch=batch, purpose=text,
        )  # fmt: skip
        record_on(made, "booked", by=by, note=f"{held.name}: {reads.words_of(slot)}")
    return made


def move(booking: Booking, slot: Slot, *, purpose: str, seen: int, by: User) -> None:
    """Give a booking another time or purpose. `seen` is the revision that the person saw.

    A slot that only becomes shorter asks nobody; for any other time one must still be allowed to
    book. Raises StaleState if somebody changed it since.
    """
    require(reads.may_change(booking, by), "Only its person and imaging staff move a booking.")
    text = _purpose(purpose)
    with transaction.atomic():
        held = _hold(booking.microscope)
        now = _as_seen(booking, seen)
        before = reads.slot_of(now)
        slot = Slot(_kept(before.begins, slot.begins), _kept(before.ends, slot.ends))
        if (before, now.purpose) == (slot, text):
            return
        _require_possible(slot, before=before)
        if not slot.is_within(before):
            _require_still_books(by)
            _require_bookable(held)
            _require_free(held, slot, but=now)
        _change(now, seen, starts_at=slot.begins, ends_at=slot.ends, purpose=text)
        note = f"{reads.words_of(before)} → {reads.words_of(slot)}"
        moved = before != slot
        record_on(now, "moved" if moved else "purpose changed", by=by, note=note if moved else "")


def cancel(booking: Booking, *, seen: int, by: User, reason: str = "") -> None:
    """Give the time back; the booking stays in the history. Cancelled twice is cancelled once."""
    require(reads.may_change(booking, by), "Only its person and imaging staff cancel a booking.")
    if booking.person_id != by.pk:
        require_reason(reason, f"Say why; {booking.person} will read it.")
    with transaction.atomic():
        _hold(booking.microscope)
        if Booking.objects.filter(pk=booking.pk).exclude(cancelled_at=None).exists():
            return
        now = _as_seen(booking, seen)
        _change(now, seen, cancelled_at=timezone.now())
        record_on(now, "cancelled", by=by, note=reason.strip())


def _hold(microscope: Microscope) -> Microscope:
    """Let one person after the other look for room on this microscope, and take it."""
    return Microscope.objects.select_for_update().get(pk=microscope.pk)


def _require_may_book(person: User, by: User) -> None:
    is_own = person.pk == by.pk and reads.may_book(by)
    require(
        is_own or reads.is_imaging_staff(by),
        "Only imaging staff book for others; who images their own samples books for themselves.",
    )
    if not person.is_active:
        raise _refused("person", f"The account of {person} is closed; choose somebody else.")


def _require_still_books(by: User) -> None:
    require(
        reads.may_book(by),
        "You image nothing yourself any more, so the slot can only be shortened or cancelled. Ask "
        "imaging staff for another time.",
    )


def _purpose(given: str) -> str:
    text = " ".join(given.split())
    if len(text) > MOST_PURPOSE:
        raise _refused(
            "purpose",
            f"The purpose has {len(text)} characters; shorten it to {MOST_PURPOSE}.",
        )
    return text


def _require_possible(slot: Slot, *, before: Slot | None = None) -> None:
    """Refuse what no calendar takes. A slot that has begun keeps its beginning when it is moved."""
    now = timezone.now()
    if slot.ends <= slot.begins:
        raise _refused("ends", "The end lies before the beginning; give a later one.")
    if slot.length > LONGEST:
        raise _refused(
            "ends",
            f"At most {LONGEST.days} days go into one booking; this is "
            f"{length_words(slot.length)}. End it earlier, or book several.",
        )
    is_kept = before is not None and slot.begins == before.begins
    if slot.begins < now - GRACE and not is_kept:
        raise _refused("begins", f"This is past. Begin at {_clock(next_quarter(now))} or later.")
    if slot.begins > now + FARTHEST:
        raise _refused("begins", "Choose a day within the next two years.")


def _kept(before: datetime, given: datetime) -> datetime:
    """Return the old time where the new one is the same minute: forms know no seconds."""
    first, second = (moment.replace(second=0, microsecond=0) for moment in (before, given))
    return before if first == second else given


def _require_bookable(microscope: Microscope) -> None:
    if not microscope.is_bookable:
        raise NotReady(f"{microscope} takes no bookings. Ask imaging staff, or choose another.")


def _same(microscope: Microscope, slot: Slot, person: User) -> Booking | None:
    """Return the booking that a button pressed twice has made already."""
    rows = reads.standing().filter(microscope=microscope, person=person)
    return rows.filter(starts_at=slot.begins, ends_at=slot.ends).first()


def _require_fitting(batch: ImagingBatch | None, microscope: Microscope, person: User) -> None:
    if batch is None:
        return
    if batch.state not in reads.OPEN:
        raise _refused("batch", f"{batch} is {batch.get_state_display().lower()}; book without it.")
    if microscope not in reads.microscopes_of(batch):
        raise _refused("batch", f"{batch} has no objective of {microscope}; book without it.")
    if not selectors.may_image(batch, person):
        raise _refused("batch", f"{person} does not image {batch}; book it for who does.")


def _require_free(microscope: Microscope, slot: Slot, *, but: Booking | None = None) -> None:
    down = reads.outages_in(slot, microscope).filter(severity=Outage.Severity.DOWN).first()
    others = reads.bookings_in(slot, microscope).exclude(pk=but.pk if but else 0)
    taken = others.first()
    if down is None and taken is None:
        return
    if down is not None:
        span = reads.words_of(reads.slot_of(down))
        why = f"{microscope} is down {span}: {down.reason.rstrip('.')}."
    else:
        assert taken is not None
        why = f"{microscope} is booked {reads.words_of(reads.slot_of(taken))}."
    instead = reads.next_free(microscope, slot.length, after=slot.begins, but=but)
    raise Taken(f"{why} {_instead(instead, slot.length)}")


def _instead(begins: datetime | None, length: timedelta) -> str:
    if begins is None:
        return "Nobody knows yet when it ends; choose another microscope, or ask imaging staff."
    return f"The next free {length_words(length)} begin at {_clock(begins)}."


def _clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"


def _as_seen(booking: Booking, seen: int) -> Booking:
    """Return the booking as it is now; it must still be what the person saw, and not be over."""
    now = Booking.objects.select_related("microscope").get(pk=booking.pk)
    if now.cancelled_at is not None:
        raise StaleState("This booking was cancelled meanwhile. Book another time.")
    if now.revision != seen:
        raise _stale()
    if now.ends_at <= timezone.now():
        raise NotReady("This slot is over, so it stays in the calendar as it was.")
    return now


def _change(booking: Booking, seen: int, **values: object) -> None:
    rows = Booking.objects.filter(pk=booking.pk, revision=seen, cancelled_at=None)
    if rows.update(**values, revision=F("revision") + 1) != 1:
        raise _stale()


def _stale() -> StaleState:
    return StaleState(
        "Somebody else changed this booking meanwhile, so yours was not saved. Look at it again."
    )


def _refused(field: str, message: str) -> Invalid:
    return Invalid(message, fields={field: [message]})
