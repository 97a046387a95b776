"""How instruments stand: status from outages, who is told, what the page shows to whom."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core_app.models import User
from imaging_app.models import Booking, Microscope, Outage, Wavelength
from imaging_app.selectors import instruments
from imaging_app.services import bookings, upkeep
from imaging_app.slots import Slot
from tests.support.console import browser_of, words_of
from tests.support.instruments import (
    a_built_in_part,
    a_calibration,
    a_maintenance,
    a_swap,
    an_outage,
    scope,
)

pytestmark = pytest.mark.django_db
LIST, PAGE = "/imaging/instruments/", "/imaging/instruments/lavision/"


def test_an_outage_makes_its_microscope_worse_and_no_other(imager):
    an_outage(by=imager, severity="limited")

    found = instruments.statuses(timezone.now())

    assert found[scope().pk].status == "limited"
    assert found[scope("smartspim").pk].is_fine


def test_one_microscope_and_all_of_them_say_the_same(imager):
    an_outage(by=imager, severity="limited", reason="One arm")
    an_outage(by=imager, ends_in=3)
    at = timezone.now()

    assert instruments.status_of(scope(), at) == instruments.statuses(at)[scope().pk]


def test_the_status_of_all_costs_one_query(imager, django_assert_num_queries):
    an_outage(by=imager)
    an_outage(by=imager, on="smartspim", begins_in=5)

    with django_assert_num_queries(1):
        found = instruments.standings(timezone.now())

    assert [len(standing.coming) for standing in found] == [0, 1]


def test_calendars_get_the_outages_that_touch_a_time(imager):
    over_there = an_outage(by=imager, begins_in=1, ends_in=3)
    an_outage(by=imager, begins_in=5, ends_in=6, reason="Another")
    now = timezone.now()

    found = instruments.outages_between(scope(), now + timedelta(hours=2), now + timedelta(hours=4))

    assert list(found) == [over_there]


def test_an_open_outage_touches_every_later_time(imager):
    open_end = an_outage(by=imager)
    later = timezone.now() + timedelta(days=400)

    assert list(instruments.outages_between(scope(), later, later + timedelta(hours=1))) == [
        open_end
    ]


def test_everybody_sees_status_reason_and_end(imager, researcher):
    outage = an_outage(by=imager, severity="limited", ends_in=5, reason="One arm is dark")

    page = words_of(browser_of(researcher).get(LIST))

    assert "Limited until" in page
    assert "One arm is dark" in page
    assert f"{timezone.localtime(outage.ends_at):%Y-%m-%d %H:%M}" in page


def test_everybody_sees_pixels_tiles_and_lines_with_their_equals(researcher):
    page = words_of(browser_of(researcher).get(LIST))

    assert "5.909" in page
    assert "10 × 10" in page
    assert "555 nm ≈ 561 of SmartSPIM" in page
    assert "561 nm ≈ 555 of LaVision light sheet" in page


def test_equal_lines_know_each_other_both_ways(db):
    green = Wavelength.objects.get(name="555")

    assert green in Wavelength.objects.get(name="561").equivalents.all()


def test_the_next_booking_is_shown_and_a_canceled_one_is_not(imager, researcher):
    soon = timezone.now() + timedelta(hours=2)
    usual = {"microscope": scope(), "person": imager, "booked_by": imager}
    Booking.objects.create(
        **usual, starts_at=soon, ends_at=soon + timedelta(hours=1), cancelled_at=timezone.now()
    )
    later = soon + timedelta(days=1)
    Booking.objects.create(**usual, starts_at=later, ends_at=later + timedelta(hours=1))

    page = words_of(browser_of(researcher).get(LIST))

    assert f"{timezone.localtime(later):%Y-%m-%d %H:%M}" in page
    assert f"{timezone.localtime(soon):%Y-%m-%d %H:%M}" not in page


def test_the_list_costs_the_same_whatever_is_entered(
    imager, researcher, django_assert_max_num_queries
):
    browser = browser_of(researcher)
    with django_assert_max_num_queries(16) as before:
        browser.get(LIST)
    for number in range(4):
        an_outage(by=imager, begins_in=number, reason=f"Reason {number}")
        a_maintenance(by=imager, ago=number, due_in=1, kind=f"Kind {number}")

    with django_assert_max_num_queries(len(before)):
        browser.get(LIST)


def test_serials_people_and_maintenance_are_for_staff(imager, researcher, clearer):
    a_built_in_part(by=imager)
    a_maintenance(by=imager, notes="Residue in the chamber")
    a_swap(by=imager, to="1.3x")

    seen = {who: words_of(browser_of(who).get(PAGE)) for who in (researcher, clearer)}

    assert "L-1" in seen[clearer]
    assert "Residue in the chamber" in seen[clearer]
    assert "Laser 488" in seen[researcher]
    assert "L-1" not in seen[researcher]
    assert "Residue" not in seen[researcher]
    assert "imager" not in seen[researcher]


def test_only_keepers_get_forms(imager, clearer):
    assert "Report an outage" in words_of(browser_of(imager).get(PAGE))
    assert "Report an outage" not in words_of(browser_of(clearer).get(PAGE))


def test_overdue_maintenance_is_marked_until_it_is_done_again(imager):
    a_maintenance(by=imager, ago=60, due_in=-3)
    before = words_of(browser_of(imager).get(PAGE))

    a_maintenance(by=imager, ago=0, due_in=90)

    after = words_of(browser_of(imager).get(PAGE))
    assert "overdue" in before
    assert "overdue" not in after
    assert "done since" in after


def test_measurements_are_drawn_with_their_unit_and_listed_below(imager, researcher):
    a_calibration(by=imager, value=6.1, ago=30)
    a_calibration(by=imager, value=6.4)

    answer = browser_of(researcher).get(PAGE)

    text = answer.content.decode()
    assert "<polyline points=" in text
    assert "PSF, axial FWHM in µm over time" in text
    assert "2 measurements as a table" in words_of(answer)
    assert "style=" not in text.partition("<main")[2]


def test_a_microscope_that_is_none_is_not_found(researcher):
    assert browser_of(researcher).get("/imaging/instruments/none/").status_code == 404


@pytest.mark.parametrize("address", ["/", "/requests/", "/imaging/"])
def test_pages_of_everybody_tell_what_is_wrong_now_and_soon(imager, researcher, address):
    an_outage(by=imager, reason="No laser")
    an_outage(by=imager, on="smartspim", begins_in=48, reason="Service by the vendor")
    an_outage(by=imager, on="smartspim", begins_in=24 * 9, reason="Far away")

    page = words_of(browser_of(researcher).get(address))

    assert "No laser" in page
    assert "Service by the vendor" in page
    assert "Far away" not in page


def test_when_all_is_well_nothing_is_said(researcher):
    assert "instrument-banner" not in browser_of(researcher).get("/").content.decode()


def test_the_banner_costs_one_query_however_much_is_wrong(
    imager, researcher, django_assert_max_num_queries
):
    browser = browser_of(researcher)
    with django_assert_max_num_queries(60) as before:
        browser.get("/requests/")
    for number in range(5):
        an_outage(by=imager, begins_in=number, reason=f"Reason {number}")

    with django_assert_max_num_queries(len(before)):
        browser.get("/requests/")


def test_a_status_set_by_hand_holds_until_another_is_set(imager, researcher):
    upkeep.set_status(scope(), "down", note="The stage does not move", by=imager)

    assert "The stage does not move" in words_of(browser_of(researcher).get(LIST))
    assert instruments.status_of(scope(), timezone.now()).is_down_for_good


def test_looking_at_the_pages_changes_nothing(imager):
    an_outage(by=imager, ends_in=1)
    before = (list(Outage.objects.values()), list(Microscope.objects.values()))

    browser_of(imager).get(PAGE)

    assert (list(Outage.objects.values()), list(Microscope.objects.values())) == before


def test_whose_the_next_booking_is_imaging_staff_alone_see(imager, clearer):
    User.objects.filter(pk=imager.pk).update(last_name="Zebrafinch")
    begins = timezone.now() + timedelta(days=1)
    slot = Slot(begins, begins + timedelta(hours=1))
    bookings.book(scope(), slot, person=imager, by=imager)

    for_staff = [browser_of(imager).get(page).content.decode() for page in (LIST, PAGE)]
    for_others = [browser_of(clearer).get(page).content.decode() for page in (LIST, PAGE)]

    assert [page.count("Zebrafinch") > 0 for page in for_staff] == [True, True]
    assert [page.count("Zebrafinch") for page in for_others] == [0, 0]


def test_a_name_may_have_a_slash(imager):
    Microscope.objects.filter(name="lavision").update(name="a/b c?")
    an_outage(by=imager, on="a/b c?")
    browser = browser_of(imager)

    pages = [browser.get(page) for page in ("/", LIST, f"{LIST}a%2Fb%20c%3F/")]
    entered = browser.post(
        f"{LIST}a%2Fb%20c%3F/enter/status/", {"status-status": "limited", "status-reason": "Old"}
    )

    assert [page.status_code for page in pages] == [200, 200, 200]
    assert entered.status_code == 302
    assert scope("a/b c?").status == "limited"
