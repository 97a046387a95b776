"""The calendar and the forms of bookings as people meet them, and bookings in the console."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.models import Event
from imaging_app.models import Booking, ImagingBatch, Microscope, Outage
from imaging_app.selectors import bookings as reads
from imaging_app.services import bookings
from imaging_app.slots import Slot
from tests.support.console import HOSTILE, answer, browser_of, page_of, press, words_of
from tests.support.scenarios import a_cleared_request, a_plan, a_submitted_request

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
WEEK = "/imaging/calendar/smartspim/"
BOOK = f"{WEEK}book/"


@pytest.fixture(autouse=True)
def _in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"


@pytest.fixture
def scope():
    return Microscope.objects.get(name="smartspim")


@pytest.fixture
def seen_by(client):
    def open_as(person):
        client.force_login(person, backend=BACKEND)
        return client

    return open_as


def in_days(days, clock="09:00"):
    return f"{timezone.localdate() + timedelta(days=days)}T{clock}"


def typed(begins=None, ends=None, **other):
    return {"begins": begins or in_days(3), "ends": ends or in_days(3, "11:00"), **other}


def a_booking(scope, by, begins=None, hours=2, purpose="a secret aim", person=None):
    start = begins or timezone.now().replace(second=0, microsecond=0) + timedelta(days=3)
    slot = Slot(start, start + timedelta(hours=hours))
    return bookings.book(scope, slot, person=person or by, purpose=purpose, by=by)


def a_row(scope, person, begins, ends, **other):
    """A booking on a day that the service would not take any more, or not yet."""
    return Booking.objects.create(
        microscope=scope, person=person, booked_by=person, starts_at=begins, ends_at=ends, **other
    )


def week_of(client, moment):
    return client.get(f"{WEEK}?week={timezone.localtime(moment):%Y-%m-%d}").content.decode()


def test_the_index_leads_to_a_calendar(seen_by, researcher):
    answered = seen_by(researcher).get("/imaging/calendar/")

    assert answered.url in {WEEK, "/imaging/calendar/lavision/"}


def test_everybody_sees_that_it_is_busy_and_not_for_what(seen_by, scope, imager, researcher):
    made = a_booking(scope, imager)

    page = week_of(seen_by(researcher), made.starts_at)

    assert "Booked" in page
    assert "secret" not in page
    assert "imager" not in page.split("slot is-booked")[1].split("</li>")[0]
    assert f"/imaging/calendar/bookings/{made.pk}/" not in page


def test_staff_and_its_person_see_what_it_is_for(seen_by, scope, imager, manager, researcher):
    made = a_booking(scope, imager, person=researcher)

    pages = [week_of(seen_by(person), made.starts_at) for person in (manager, researcher)]

    assert all("a secret aim" in page for page in pages)
    assert all(f"/imaging/calendar/bookings/{made.pk}/" in page for page in pages)


def test_a_cancelled_booking_is_not_in_the_calendar(seen_by, scope, imager):
    made = a_booking(scope, imager)
    bookings.cancel(made, seen=1, by=imager)

    page = week_of(seen_by(imager), made.starts_at)

    assert "a secret aim" not in page


def test_blocks_stand_where_the_clock_shows_them(seen_by, scope, imager):
    begins = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
    a_row(scope, imager, begins, begins + timedelta(hours=3))

    page = seen_by(imager).get(f"{WEEK}?week=2026-12-03").content.decode()

    assert "q-36 n-12" in page
    assert "09:00–12:00" in page


def test_a_slot_over_midnight_is_on_both_days(seen_by, scope, imager):
    begins = datetime(2026, 12, 1, 19, 0, tzinfo=UTC)
    a_row(scope, imager, begins, begins + timedelta(hours=12))

    page = seen_by(imager).get(f"{WEEK}?week=2026-12-01").content.decode()

    assert "from 20:00" in page
    assert "until 08:00" in page


@pytest.mark.parametrize(
    ("day", "words"),
    [("2026-03-29", "02:00–03:00 does not exist"), ("2026-10-25", "02:00–03:00 comes twice")],
)
def test_the_week_says_when_the_clocks_change(seen_by, researcher, day, words):
    assert words in seen_by(researcher).get(f"{WEEK}?week={day}").content.decode()


def test_an_outage_is_shown_with_its_reason(seen_by, scope, researcher):
    Outage.objects.create(
        microscope=scope, severity="down", starts_at=timezone.now(), reason="The stage is stuck"
    )

    page = seen_by(researcher).get(WEEK).content.decode()

    assert "The stage is stuck" in page
    assert "no end known" in page


def test_weeks_lead_to_each_other(seen_by, researcher):
    page = seen_by(researcher).get(f"{WEEK}?week=2026-12-31").content.decode()

    assert "?week=2026-12-21" in page
    assert "?week=2027-01-04" in page
    assert "/imaging/calendar/lavision/?week=2026-12-28" in page


@pytest.mark.parametrize("week", ["soon", "0001-01-01", "9999-12-31", "%00"])
def test_a_week_that_is_none_is_this_week(seen_by, researcher, week):
    assert "is-today" in seen_by(researcher).get(WEEK, {"week": week}).content.decode()


def test_an_unknown_microscope_is_not_found(seen_by, imager):
    assert seen_by(imager).get("/imaging/calendar/nowhere/").status_code == 404


def test_a_name_may_have_a_slash(seen_by, imager):
    Microscope.objects.create(name="a/b", label="Two arms", layout="lavision")

    answered = seen_by(imager).get(reverse("imaging:calendar-week", args=["a/b"]))

    assert "Two arms" in answered.content.decode()


def test_the_number_of_queries_does_not_grow(seen_by, scope, imager, django_assert_max_num_queries):
    begins = timezone.now()
    for i in range(10):
        a_row(scope, imager, begins + timedelta(hours=i), begins + timedelta(hours=i + 1))
    client = seen_by(imager)

    with django_assert_max_num_queries(9):
        client.get(WEEK)


def test_booking_from_the_form_leads_to_its_week(seen_by, imager):
    answered = seen_by(imager).post(BOOK, typed(person=imager.pk, purpose="Test"), follow=True)

    made = Booking.objects.get()
    assert timezone.localtime(made.starts_at).hour == 9
    assert "SmartSPIM is booked" in words_of(answered)
    assert "Test" in words_of(answered)


def test_a_self_imaging_owner_books_for_themselves_only(seen_by, researcher, labmate):
    a_submitted_request(researcher, a_plan(self_imaging=True))
    client = seen_by(researcher)

    page = client.get(BOOK).content.decode()
    client.post(BOOK, typed(person=labmate.pk))

    assert 'name="person"' not in page
    assert Booking.objects.get().person == researcher


def test_what_was_typed_survives_a_refusal(seen_by, scope, imager, manager):
    a_booking(scope, manager, hours=60)

    answered = seen_by(imager).post(
        BOOK, typed(in_days(4), in_days(4, "10:30"), purpose=HOSTILE, person=imager.pk)
    )

    assert answered.status_code == 422
    assert "The next free 1 h 30 min begin at" in words_of(answered)
    assert f'value="{in_days(4)}"' in answered.content.decode()
    assert "alert(&#x27;x&#x27;)" in answered.content.decode()
    assert "a secret aim" not in answered.content.decode()


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T09:00", "9999-12-31T09:00", "\x00"])
def test_a_time_that_is_none_is_refused_beside_its_field(seen_by, imager, text):
    answered = seen_by(imager).post(BOOK, {"begins": text, "ends": in_days(3), "purpose": ""})

    assert answered.status_code == 422
    assert Booking.objects.count() == 0


def next_change(month):
    """Return the last Sunday of the month in the next year, when the clocks change here."""
    last = datetime(timezone.now().year + 1, month, 31)
    return f"{last - timedelta(days=(last.weekday() + 1) % 7):%Y-%m-%d}"


def test_a_time_that_does_not_exist_is_named(seen_by, imager):
    day = next_change(3)

    answered = seen_by(imager).post(BOOK, typed(f"{day}T02:30", f"{day}T05:00", person=imager.pk))

    assert f"02:30 does not exist on {day}" in words_of(answered)
    assert "such as 03:30" in words_of(answered)


def test_a_time_that_comes_twice_is_asked_for_and_kept(seen_by, imager):
    day, client = next_change(10), seen_by(imager)
    sent = typed(f"{day}T01:00", f"{day}T02:30", person=imager.pk)

    asked = client.post(BOOK, sent)
    client.post(BOOK, {**sent, "ends_which": "1"})

    assert f"The clocks show 02:30 twice on {day}" in words_of(asked)
    assert "the second (CET)" in words_of(asked)
    made = Booking.objects.get()
    assert made.ends_at - made.starts_at == timedelta(hours=2, minutes=30)
    page = client.get(f"/imaging/calendar/bookings/{made.pk}/").content.decode()
    (radio,) = re.findall(r'<input[^>]*name="ends_which"[^>]*checked[^>]*>', page)
    assert 'value="1"' in radio


def test_a_time_of_the_address_is_filled_in(seen_by, imager):
    page = seen_by(imager).get(f"{BOOK}?at={in_days(5, '13:15')}").content.decode()

    assert f'value="{in_days(5, "13:15")}"' in page
    assert f'value="{in_days(5, "15:15")}"' in page


def test_a_batch_fills_in_its_microscope_purpose_and_length(seen_by, researcher, clearer, imager):
    a_cleared_request(researcher, clearer=clearer)
    batch, client = ImagingBatch.objects.get(), seen_by(imager)
    link = f"/imaging/calendar/?batch={batch.pk}"

    assert link in client.get(reverse("imaging:batch", args=[batch.pk])).content.decode()
    answered = client.get(link, follow=True)

    assert answered.redirect_chain[-1][0] == f"/imaging/calendar/lavision/book/?batch={batch.pk}"
    assert f'value="{batch}"' in answered.content.decode()
    assert f'<option value="{batch.pk}" selected' in answered.content.decode()
    assert "2 h as a start" in words_of(answered)


def test_a_batch_of_strangers_is_not_found(seen_by, researcher, stranger, clearer):
    a_cleared_request(researcher, clearer=clearer)
    a_submitted_request(stranger, a_plan("own", lab="Hill lab", self_imaging=True))

    answered = seen_by(stranger).get(
        f"/imaging/calendar/lavision/book/?batch={ImagingBatch.objects.order_by('pk')[0].pk}"
    )

    assert answered.status_code == 404


def test_who_only_reads_a_batch_is_offered_no_slot(seen_by, researcher, clearer):
    a_cleared_request(researcher, clearer=clearer)

    page = seen_by(researcher).get(reverse("imaging:batch", args=[ImagingBatch.objects.get().pk]))

    assert "Book a slot" not in page.content.decode()


def test_a_booking_is_moved_on_its_page(seen_by, scope, imager):
    made, client = a_booking(scope, imager), seen_by(imager)
    address = f"/imaging/calendar/bookings/{made.pk}/"

    page = client.get(address).content.decode()
    answered = client.post(f"{address}move/", typed(seen=1, purpose="later"), follow=True)

    assert 'name="seen" value="1"' in page
    assert "Saved:" in words_of(answered)
    assert Booking.objects.get().purpose == "later"


def test_a_colleagues_change_is_told_and_what_was_typed_stays(seen_by, scope, imager, manager):
    made, client = a_booking(scope, imager), seen_by(imager)
    other = Slot(made.starts_at + timedelta(days=1), made.ends_at + timedelta(days=1))
    bookings.move(made, other, purpose="", seen=1, by=manager)

    answered = client.post(
        f"/imaging/calendar/bookings/{made.pk}/move/", typed(seen=1, purpose="mine")
    )

    assert answered.status_code == 422
    assert "Somebody else changed this booking" in words_of(answered)
    assert 'value="mine"' in answered.content.decode()
    assert reads.slot_of(Booking.objects.get()) == other


def test_a_form_that_is_sent_back_unchanged_changes_nothing(seen_by, scope, imager):
    made = a_booking(scope, imager)
    Booking.objects.update(starts_at=made.starts_at + timedelta(seconds=17))
    moment = timezone.localtime(made.starts_at)
    sent = typed(
        f"{moment:%Y-%m-%dT%H:%M}", f"{moment + timedelta(hours=2):%Y-%m-%dT%H:%M}",
        purpose=made.purpose, seen=1,
    )  # fmt: skip

    seen_by(imager).post(f"/imaging/calendar/bookings/{made.pk}/move/", sent)

    assert Booking.objects.get().revision == 1


def test_own_bookings_are_cancelled_by_one_button(seen_by, scope, imager):
    made = a_booking(scope, imager)

    answered = seen_by(imager).post(
        f"/imaging/calendar/bookings/{made.pk}/cancel/", {"seen": 1}, follow=True
    )

    assert "is free again" in words_of(answered)
    assert "Cancelled" in words_of(answered)
    assert "Move or shorten" not in words_of(answered)


@pytest.mark.parametrize("seen", ["1" * 5000, "9" * 30, "²", "-1", ""])
def test_a_revision_that_is_none_cancels_nothing(seen_by, scope, imager, seen):
    made = a_booking(scope, imager)

    answered = seen_by(imager).post(f"/imaging/calendar/bookings/{made.pk}/cancel/", {"seen": seen})

    assert answered.status_code == 302
    assert Booking.objects.get().cancelled_at is None


def test_a_limited_microscope_is_booked_with_a_warning(seen_by, scope, imager):
    Outage.objects.create(
        microscope=scope, severity="limited", starts_at=timezone.now(), reason="One laser is out"
    )

    answered = seen_by(imager).post(BOOK, typed(person=imager.pk), follow=True)

    assert "SmartSPIM is limited" in words_of(answered)
    assert "One laser is out" in words_of(answered)


def test_hostile_text_is_text(seen_by, scope, imager):
    made, client = a_booking(scope, imager, purpose=HOSTILE), seen_by(imager)
    pages = [
        week_of(client, made.starts_at),
        client.get(f"/imaging/calendar/bookings/{made.pk}/").content.decode(),
    ]

    assert not any("<script>alert" in page or "<img src=x" in page for page in pages)


def test_the_console_finds_and_filters_bookings(scope, imager):
    made = a_booking(scope, imager)
    client, listed = browser_of(imager), page_of(Booking, "changelist")

    found = client.get(listed, {"q": "secret", "stands": "coming"})
    other = client.get(listed, {"stands": "cancelled"})
    page = client.get(page_of(Booking, "change", made.pk))

    assert "a secret aim" in words_of(found)
    assert "a secret aim" not in words_of(other)
    assert "booked" in words_of(page)


def test_the_console_cancels_with_a_reason(scope, imager, manager):
    made, client = a_booking(scope, imager), browser_of(manager)

    asked = press(client, "cancel_bookings", made)
    without = answer(client, "cancel_bookings", made, reason="")
    before = Booking.objects.get().cancelled_at
    done = answer(client, "cancel_bookings", made, reason="The laser is serviced")

    assert "Cancel these bookings" in words_of(asked)
    assert "This field is required" in words_of(without)
    assert before is None
    assert Booking.objects.get().cancelled_at is not None
    assert Event.objects.get(kind="booking", verb="cancelled").note == "The laser is serviced"
    assert "cancelled" in words_of(done)


def test_the_demo_gets_slots_once(db):
    from facility_app.bookings import DEMO_SLOTS, seed_bookings
    from facility_app.people import seed_people

    people = seed_people()

    first, second = seed_bookings(people), seed_bookings(people)

    assert (first, second) == (len(DEMO_SLOTS), 0)
