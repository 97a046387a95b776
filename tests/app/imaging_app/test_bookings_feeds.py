"""Slots, outages and due maintenance of microscopes in calendar programs."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from icalendar import Calendar

from core_app import feeds
from core_app.errors import Invalid
from core_app.models import CalendarFeed
from imaging_app.models import MaintenanceEntry, Microscope, Outage
from imaging_app.selectors.instruments import due_maintenance
from imaging_app.services import bookings, upkeep
from imaging_app.slots import Slot
from tests.support.instruments import a_built_in_part, a_maintenance, days_ago
from tests.support.instruments import scope as microscope

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
HOSTILE = "Ann; END:VCALENDAR, X-EVIL:1 \\ 💥 " + "long " * 30


@pytest.fixture(autouse=True)
def _in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"


@pytest.fixture
def scope():
    return Microscope.objects.get(name="smartspim")


def a_booking(scope, by, person=None, purpose="a secret aim", days=3):
    begins = timezone.now().replace(second=0, microsecond=0) + timedelta(days=days)
    slot = Slot(begins, begins + timedelta(hours=2))
    return bookings.book(scope, slot, person=person or by, purpose=purpose, by=by)


def read(client, token):
    answered = client.get(f"/feeds/{token}.ics")
    assert answered.status_code == 200
    return Calendar.from_ical(answered.content).walk("VEVENT")


def of_scope(person, scope):
    return feeds.make_feed(person, "microscope", about=scope.pk)


def titles(events):
    return [str(event["summary"]) for event in events]


def test_my_own_slots_are_in_my_calendar(client, scope, imager, researcher):
    made = a_booking(scope, imager, person=researcher)
    a_booking(scope, imager, days=4)

    (event,) = read(client, feeds.make_feed(researcher, "mine"))

    assert str(event["summary"]) == "SmartSPIM: a secret aim"
    assert event["dtstart"].dt == made.starts_at
    assert event["dtend"].dt == made.ends_at
    assert event["dtstart"].to_ical().endswith(b"Z")


def test_staff_read_who_and_what_for_in_the_calendar_of_a_microscope(
    client, scope, imager, manager
):
    a_booking(scope, imager)

    assert titles(read(client, of_scope(manager, scope))) == ["a secret aim (imager)"]


def test_others_read_that_it_is_taken(client, scope, imager, researcher):
    a_booking(scope, imager)

    text = client.get(f"/feeds/{of_scope(researcher, scope)}.ics").content.decode()

    assert "SUMMARY:Booked" in text
    assert "secret" not in text
    assert "imager" not in text


def test_who_lost_the_role_reads_no_more_than_others(client, scope, imager, manager):
    a_booking(scope, imager)
    token = of_scope(manager, scope)

    manager.groups.clear()

    assert titles(read(client, token)) == ["Booked"]


def test_a_moved_slot_keeps_its_id_and_a_cancelled_one_is_gone(client, scope, imager):
    made, token = a_booking(scope, imager), of_scope(imager, scope)
    (before,) = read(client, token)
    later = Slot(made.starts_at + timedelta(days=1), made.ends_at + timedelta(days=1))
    bookings.move(made, later, purpose="later", seen=1, by=imager)
    (after,) = read(client, token)

    bookings.cancel(made, seen=2, by=imager)

    assert before["uid"] == after["uid"]
    assert after["dtstart"].dt == later.begins
    assert read(client, token) == []


def test_outages_are_there_for_everybody(client, scope, researcher):
    Outage.objects.create(
        microscope=scope, severity="down", starts_at=timezone.now(), reason="The stage is stuck"
    )

    (event,) = read(client, of_scope(researcher, scope))

    assert str(event["summary"]) == "SmartSPIM down: The stage is stuck"
    assert event["dtend"].dt > timezone.now()


def a_service(scope, performed_on, due):
    return MaintenanceEntry.objects.create(
        microscope=scope, kind="Laser service", performed_on=performed_on, next_due_on=due
    )


def test_the_newest_due_date_of_maintenance_is_a_whole_day_for_staff(
    client, scope, imager, researcher
):
    today = timezone.localdate()
    a_service(scope, date(2026, 1, 1), today + timedelta(days=3))
    a_service(scope, date(2026, 5, 1), today + timedelta(days=30))

    (event,) = read(client, of_scope(imager, scope))

    assert str(event["summary"]) == "SmartSPIM, maintenance due: Laser service"
    assert event["dtstart"].dt == today + timedelta(days=30)
    assert event["dtend"].dt == today + timedelta(days=31)
    assert event["dtstart"].params["VALUE"] == "DATE"
    assert read(client, of_scope(researcher, scope)) == []


def test_maintenance_that_was_done_again_in_other_letters_is_due_no_more(client, imager):
    a_maintenance(by=imager, kind="Laser service", ago=30, due_in=3)
    a_maintenance(by=imager, kind="laser service", ago=2)

    assert read(client, of_scope(imager, microscope())) == []
    assert list(due_maintenance(until=days_ago(-300))) == []


def test_a_part_out_of_use_is_not_due_in_the_calendar(client, imager):
    built_in = a_built_in_part(by=imager)
    a_maintenance(by=imager, component=built_in.component, due_in=3)
    upkeep.remove(built_in, by=imager)
    upkeep.retire(built_in.component, by=imager)

    assert read(client, of_scope(imager, microscope())) == []


def test_hostile_text_is_escaped_and_folded(client, scope, imager):
    a_booking(scope, imager, purpose=HOSTILE)
    token = of_scope(imager, scope)

    text = client.get(f"/feeds/{token}.ics").content

    (event,) = Calendar.from_ical(text).walk("VEVENT")
    assert str(event["summary"]).startswith("Ann; END:VCALENDAR, X-EVIL:1 \\ 💥")
    assert max(len(line) for line in text.split(b"\r\n")) <= 75


def test_the_page_offers_each_microscope_and_names_it(client, scope, researcher):
    client.force_login(researcher, backend=BACKEND)
    value = f"microscope:{scope.pk}"

    page = client.get("/feeds/", {"show": value}).content.decode()
    client.post("/feeds/make/", {"scope": value})

    assert f'<option value="{value}" selected>Calendar of SmartSPIM</option>' in page
    assert CalendarFeed.objects.get().about_id == scope.pk
    assert "Calendar of SmartSPIM</td>" in client.get("/feeds/").content.decode()


@pytest.mark.parametrize("value", ["microscope", "microscope:", "microscope:999", "microscope:x"])
def test_a_calendar_of_no_microscope_is_refused(client, researcher, value):
    client.force_login(researcher, backend=BACKEND)

    client.post("/feeds/make/", {"scope": value})

    assert not CalendarFeed.objects.exists()


def test_other_calendars_are_of_no_microscope(scope, researcher):
    with pytest.raises(Invalid):
        feeds.make_feed(researcher, "mine", about=scope.pk)


def test_the_number_of_queries_does_not_grow(client, scope, imager, django_assert_max_num_queries):
    for day in range(3, 13):
        a_booking(scope, imager, days=day)
    token = of_scope(imager, scope)

    with django_assert_max_num_queries(9):
        client.get(f"/feeds/{token}.ics")
