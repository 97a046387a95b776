"""Booking a microscope: who may, what is refused, two people at once, moving, cancelling."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState, Taken
from core_app.models import Event, User
from imaging_app.local_times import moment_of
from imaging_app.models import Booking, ImagingBatch, Microscope, Outage
from imaging_app.selectors import bookings as reads
from imaging_app.services import bookings
from imaging_app.slots import Slot, next_quarter
from requests_app.models import Request
from requests_app.plans import ChannelPlan, ResolutionPlan
from requests_app.workflows import request_imaging_again, withdraw_request
from tests.support.races import at_once, refusals
from tests.support.scenarios import (
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_sample_plan,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db
AT_SMARTSPIM = ResolutionPlan("3.6x", (ChannelPlan("488", ("generic_imaging",)),))


@pytest.fixture(autouse=True)
def _in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"


@pytest.fixture
def scope() -> Microscope:
    return Microscope.objects.get(name="smartspim")


@pytest.fixture
def self_imager(researcher: User) -> User:
    a_submitted_request(researcher, a_plan(self_imaging=True))
    return researcher


def tomorrow(hour: float = 9) -> datetime:
    """A time of the day after tomorrow, by the clocks of the facility."""
    day = timezone.localdate() + timedelta(days=2)
    clock = datetime(day.year, day.month, day.day) + timedelta(hours=hour)
    return moment_of(clock, timezone.get_current_timezone())


def slot(begins: float = 9, ends: float = 12) -> Slot:
    return Slot(tomorrow(begins), tomorrow(ends))


def a_booking(scope: Microscope, by: User, *, begins: float = 9, ends: float = 12) -> Booking:
    return bookings.book(scope, slot(begins, ends), person=by, purpose="a secret aim", by=by)


def an_outage(scope: Microscope, severity: str, begins: float = 9, ends: float | None = 12):
    return Outage.objects.create(
        microscope=scope,
        severity=severity,
        starts_at=tomorrow(begins),
        ends_at=None if ends is None else tomorrow(ends),
        reason="The stage is stuck",
    )


def events_of(booking: Booking) -> list[str]:
    rows = Event.objects.filter(kind="booking", object_id=booking.pk)
    return list(rows.order_by("id").values_list("verb", flat=True))


def test_staff_book_for_anybody(scope: Microscope, imager: User, stranger: User) -> None:
    made = bookings.book(scope, slot(), person=stranger, purpose=" a\n demo ", by=imager)

    assert (made.person, made.booked_by, made.purpose) == (stranger, imager, "a demo")
    assert events_of(made) == ["booked"]


def test_who_images_their_own_samples_books_for_themselves(
    scope: Microscope, self_imager: User, labmate: User
) -> None:
    made = a_booking(scope, self_imager)

    assert made.person == self_imager
    with pytest.raises(NotAllowed, match="staff book for others"):
        bookings.book(scope, slot(14, 15), person=labmate, by=self_imager)


def test_others_do_not_book(scope: Microscope, researcher: User, clearer: User) -> None:
    a_submitted_request(researcher)

    for person in (researcher, clearer):
        with pytest.raises(NotAllowed):
            bookings.book(scope, slot(), person=person, by=person)


def test_who_withdrew_their_request_does_not_book(scope: Microscope, researcher: User) -> None:
    request = a_submitted_request(researcher, a_plan(self_imaging=True))
    withdraw_request(request, by=researcher, reason="A mistake")

    with pytest.raises(NotAllowed):
        bookings.book(scope, slot(), person=researcher, by=researcher)


def test_who_images_one_further_round_themselves_books_for_it(
    scope: Microscope, researcher: User, clearer: User
) -> None:
    request = a_cleared_request(researcher, clearer=clearer)
    wanted = a_sample_plan("brain-001", resolutions=(AT_SMARTSPIM,))
    plan = a_plan(request.name, samples=[wanted], self_imaging=True)
    request_imaging_again(request, plan, by=researcher, after=1)
    batch = ImagingBatch.objects.get(imaging_request_number=2)

    offered = list(reads.bookable_batches(scope, to=researcher))
    made = bookings.book(scope, slot(), person=researcher, by=researcher, batch=batch)

    assert offered == [batch]
    assert made.batch == batch


def test_who_images_nothing_any_more_shortens_a_slot_and_does_not_move_it(
    scope: Microscope, self_imager: User, manager: User
) -> None:
    made = bookings.book(scope, slot(9, 12), person=self_imager, by=self_imager)
    withdraw_request(Request.objects.get(), by=manager, reason="Not needed.")

    with pytest.raises(NotAllowed, match="only be shortened or cancelled"):
        bookings.move(made, slot(9, 15), purpose="", seen=1, by=self_imager)
    bookings.move(made, slot(9, 10), purpose="", seen=1, by=self_imager)

    assert Booking.objects.get().ends_at == tomorrow(10)


def test_nobody_books_for_a_closed_account(scope: Microscope, imager: User, stranger: User) -> None:
    stranger.is_active = False
    stranger.save()

    with pytest.raises(Invalid, match="closed"):
        bookings.book(scope, slot(), person=stranger, by=imager)


def test_a_conflict_names_the_other_slot_and_the_next_free_time(
    scope: Microscope, imager: User, manager: User
) -> None:
    a_booking(scope, imager)
    day = f"{tomorrow():%Y-%m-%d}"

    with pytest.raises(Taken) as refused:
        bookings.book(scope, slot(11, 13), person=manager, by=manager)

    said = refused.value.message
    assert f"SmartSPIM is booked {day} 09:00–12:00" in said
    assert f"The next free 2 h begin at {day} 12:00" in said
    assert "secret" not in said
    assert "imager" not in said


def test_slots_may_touch(scope: Microscope, imager: User) -> None:
    a_booking(scope, imager)

    bookings.book(scope, slot(12, 13), person=imager, by=imager)
    bookings.book(scope, slot(8, 9), person=imager, by=imager)

    assert Booking.objects.count() == 3


def test_another_microscope_is_another_calendar(scope: Microscope, imager: User) -> None:
    a_booking(scope, imager)

    a_booking(Microscope.objects.get(name="lavision"), imager)

    assert Booking.objects.count() == 2


def test_pressed_twice_is_booked_once(scope: Microscope, imager: User) -> None:
    first, second = a_booking(scope, imager), a_booking(scope, imager)

    assert first == second
    assert events_of(first) == ["booked"]


REFUSED: dict[str, tuple[Callable[[], Slot], str]] = {
    "ends first": (lambda: Slot(tomorrow(9), tomorrow(8)), "lies before the beginning"),
    "no length": (lambda: Slot(tomorrow(9), tomorrow(9)), "lies before the beginning"),
    "too long": (lambda: Slot(tomorrow(9), tomorrow(9 + 14 * 24 + 2)), "At most 14 days"),
    "past": (lambda: Slot(tomorrow(-72), tomorrow(15)), "This is past"),
    "too far": (lambda: Slot(tomorrow(20_000), tomorrow(20_002)), "next two years"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_calendar_takes_is_refused_with_its_reason(
    case: str, scope: Microscope, imager: User
) -> None:
    make, words = REFUSED[case]

    with pytest.raises(Invalid, match=words) as refused:
        bookings.book(scope, make(), person=imager, by=imager)

    assert set(refused.value.fields) <= {"begins", "ends"}


def test_what_began_less_than_an_hour_ago_is_booked(scope: Microscope, imager: User) -> None:
    now = timezone.now()

    bookings.book(
        scope, Slot(now - timedelta(minutes=50), now + timedelta(hours=1)), person=imager, by=imager
    )

    assert Booking.objects.count() == 1


def test_a_microscope_may_take_no_bookings(scope: Microscope, imager: User) -> None:
    Microscope.objects.filter(pk=scope.pk).update(is_bookable=False)

    with pytest.raises(NotReady, match="takes no bookings"):
        a_booking(scope, imager)


def test_while_it_is_down_nothing_is_booked(scope: Microscope, imager: User) -> None:
    an_outage(scope, "down")

    with pytest.raises(Taken) as refused:
        bookings.book(scope, slot(10, 11), person=imager, by=imager)

    assert "The stage is stuck" in refused.value.message
    assert f"begin at {tomorrow():%Y-%m-%d} 12:00" in refused.value.message


def test_an_outage_without_end_says_so(scope: Microscope, imager: User) -> None:
    an_outage(scope, "down", ends=None)

    with pytest.raises(Taken, match="Nobody knows yet"):
        bookings.book(scope, slot(200, 201), person=imager, by=imager)


def test_while_it_is_limited_it_is_booked_with_a_warning(scope: Microscope, imager: User) -> None:
    an_outage(scope, "limited")

    made = a_booking(scope, imager)

    (warning,) = reads.warnings_of(scope, reads.slot_of(made))
    assert "limited" in warning
    assert "The stage is stuck" in warning


def test_a_batch_is_booked_on_its_microscope_by_who_images_it(
    researcher: User, clearer: User, imager: User
) -> None:
    a_cleared_request(researcher, clearer=clearer)
    batch, lavision = ImagingBatch.objects.get(), Microscope.objects.get(name="lavision")

    made = bookings.book(lavision, slot(), person=imager, batch=batch, by=imager)

    assert made.batch == batch
    assert list(reads.bookable_batches(lavision, to=imager)) == [batch]


def test_a_batch_that_does_not_fit_is_refused(
    scope: Microscope, researcher: User, clearer: User, imager: User
) -> None:
    a_cleared_request(researcher, clearer=clearer)
    batch, lavision = ImagingBatch.objects.get(), Microscope.objects.get(name="lavision")

    with pytest.raises(Invalid, match="no objective of SmartSPIM"):
        bookings.book(scope, slot(), person=imager, batch=batch, by=imager)
    with pytest.raises(Invalid, match="does not image"):
        bookings.book(lavision, slot(), person=researcher, batch=batch, by=imager)


def test_a_booking_is_moved_and_shortened(scope: Microscope, imager: User) -> None:
    made = a_booking(scope, imager)

    bookings.move(made, slot(10, 11), purpose="shorter", seen=1, by=imager)

    made.refresh_from_db()
    assert reads.slot_of(made) == slot(10, 11)
    assert (made.purpose, made.revision) == ("shorter", 2)
    assert events_of(made) == ["booked", "moved"]


def test_a_move_into_anothers_slot_is_refused(
    scope: Microscope, imager: User, manager: User
) -> None:
    a_booking(scope, manager, begins=12, ends=14)
    made = a_booking(scope, imager)

    with pytest.raises(Taken):
        bookings.move(made, slot(11, 13), purpose="", seen=1, by=imager)

    made.refresh_from_db()
    assert reads.slot_of(made) == slot()


def test_a_move_over_its_own_time_is_no_conflict(scope: Microscope, imager: User) -> None:
    made = a_booking(scope, imager)

    bookings.move(made, slot(10, 13), purpose="", seen=1, by=imager)

    assert reads.slot_of(Booking.objects.get()) == slot(10, 13)


def test_a_slot_is_shortened_during_an_outage(scope: Microscope, imager: User) -> None:
    made = a_booking(scope, imager)
    an_outage(scope, "down")

    bookings.move(made, slot(9, 10), purpose="", seen=1, by=imager)

    assert reads.slot_of(Booking.objects.get()) == slot(9, 10)


def test_a_colleagues_change_is_not_overwritten(scope: Microscope, imager: User) -> None:
    made = a_booking(scope, imager)
    bookings.move(made, slot(10, 12), purpose="", seen=1, by=imager)

    with pytest.raises(StaleState):
        bookings.move(made, slot(14, 15), purpose="", seen=1, by=imager)
    with pytest.raises(StaleState):
        bookings.cancel(made, seen=1, by=imager)

    assert reads.slot_of(Booking.objects.get(cancelled_at=None)) == slot(10, 12)


def test_only_its_person_and_staff_change_a_booking(
    scope: Microscope, self_imager: User, imager: User, labmate: User
) -> None:
    made = a_booking(scope, self_imager)

    with pytest.raises(NotAllowed):
        bookings.move(made, slot(10, 12), purpose="", seen=1, by=labmate)
    with pytest.raises(NotAllowed):
        bookings.cancel(made, seen=1, by=labmate, reason="I want it")
    bookings.move(made, slot(10, 12), purpose="", seen=1, by=imager)

    assert Booking.objects.get().revision == 2


def test_a_cancelled_slot_is_free_and_stays_in_the_history(
    scope: Microscope, imager: User, manager: User
) -> None:
    made = a_booking(scope, imager)

    bookings.cancel(made, seen=1, by=imager)
    bookings.cancel(made, seen=1, by=imager)

    a_booking(scope, manager)
    assert Booking.objects.count() == 2
    assert events_of(made) == ["booked", "cancelled"]


def test_cancelling_anothers_needs_a_reason(scope: Microscope, imager: User, manager: User) -> None:
    made = a_booking(scope, imager)

    with pytest.raises(Invalid, match="Say why"):
        bookings.cancel(made, seen=1, by=manager, reason=" ")

    assert Booking.objects.filter(cancelled_at=None).exists()


def test_a_cancelled_booking_is_not_moved(scope: Microscope, imager: User) -> None:
    made = a_booking(scope, imager)
    bookings.cancel(made, seen=1, by=imager)

    with pytest.raises(StaleState, match="cancelled"):
        bookings.move(made, slot(10, 12), purpose="", seen=2, by=imager)


def a_running_slot(scope: Microscope, by: User) -> Booking:
    now = timezone.now()
    return bookings.book(
        scope, Slot(now - timedelta(minutes=59), now + timedelta(hours=3)), person=by, by=by
    )


def test_a_slot_that_runs_is_shortened_and_keeps_its_beginning(
    scope: Microscope, imager: User
) -> None:
    made = a_running_slot(scope, imager)
    later = Slot(made.starts_at, timezone.now() + timedelta(hours=1))
    Booking.objects.filter(pk=made.pk).update(starts_at=made.starts_at - timedelta(hours=5))

    with pytest.raises(Invalid, match="past"):
        bookings.move(
            made, Slot(made.starts_at - timedelta(hours=1), later.ends), purpose="", seen=1,
            by=imager,
        )  # fmt: skip
    kept = Slot(made.starts_at - timedelta(hours=5), later.ends)
    bookings.move(made, kept, purpose="", seen=1, by=imager)

    assert reads.slot_of(Booking.objects.get()) == kept


def test_what_is_over_stays_as_it_was(scope: Microscope, imager: User) -> None:
    made = a_booking(scope, imager)
    past = timezone.now() - timedelta(days=1)
    Booking.objects.update(starts_at=past, ends_at=past + timedelta(hours=1))

    with pytest.raises(NotReady, match="over"):
        bookings.cancel(made, seen=1, by=imager)
    with pytest.raises(NotReady, match="over"):
        bookings.move(made, slot(), purpose="", seen=1, by=imager)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(4))
def test_of_two_who_want_one_time_one_gets_it(turn: int, imager: User, manager: User) -> None:
    scope = Microscope.objects.get(name="smartspim")

    found = at_once(
        partial(bookings.book, scope, slot(9, 12), person=imager, by=imager),
        partial(bookings.book, scope, slot(11, 14), person=manager, by=manager),
    )

    assert [type(e) for e in refusals(found)] == [Taken]
    assert Booking.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(4))
def test_a_move_and_a_booking_do_not_meet(turn: int, imager: User, manager: User) -> None:
    scope = Microscope.objects.get(name="smartspim")
    made = a_booking(scope, imager, begins=6, ends=8)

    found = at_once(
        partial(bookings.move, made, slot(9, 12), purpose="", seen=1, by=imager),
        partial(bookings.book, scope, slot(11, 14), person=manager, by=manager),
    )

    assert [type(e) for e in refusals(found)] == [Taken]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(4))
def test_two_moves_of_one_booking_do_not_overwrite_each_other(
    turn: int, imager: User, manager: User
) -> None:
    scope = Microscope.objects.get(name="smartspim")
    made = a_booking(scope, imager)

    found = at_once(
        partial(bookings.move, made, slot(13, 14), purpose="", seen=1, by=imager),
        partial(bookings.move, made, slot(15, 16), purpose="", seen=1, by=manager),
    )

    assert [type(e) for e in refusals(found)] == [StaleState]
    assert Booking.objects.get().revision == 2


def test_today_shows_each_microscope_as_the_person_sees_it(
    scope: Microscope, imager: User, researcher: User, django_assert_num_queries
) -> None:
    now = next_quarter(timezone.now())
    span = Slot(now - timedelta(minutes=30), now + timedelta(minutes=30))
    bookings.book(scope, span, person=imager, purpose="a secret aim", by=imager)
    imager.groups.count()

    on = timezone.localdate(span.begins)
    for_imager = {day.microscope.name: day.entries for day in reads.today(to=imager, on=on)}
    with django_assert_num_queries(4):  # the roles of the person are read once
        for_researcher = {d.microscope.name: d.entries for d in reads.today(to=researcher, on=on)}

    assert for_imager["smartspim"][0].title == "a secret aim"
    assert for_researcher["smartspim"][0].title == "Booked"
    assert for_researcher["smartspim"][0].who == ""
    assert for_researcher["lavision"] == []


def test_an_estimate_is_made_of_what_is_left_to_image(
    researcher: User, clearer: User, imager: User
) -> None:
    found = a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    lavision = Microscope.objects.get(name="lavision")

    before = reads.suggestion_for(found.batch, lavision)
    found.resolutions.get().channels.update(z_planes=1000)
    after = reads.suggestion_for(found.batch, lavision)

    assert "not known yet" in before.why
    assert after.length == timedelta(hours=1, minutes=15)
