"""How much a microscope is used: the figures, and that page, CSV and selector say the same."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest

from imaging_app.models import Booking, ImagingResolution, Microscope, Outage
from imaging_app.selectors.utilization import (
    by_period,
    months_between,
    utilization,
    weeks_between,
    working_slots,
)
from imaging_app.slots import hours
from tests.support.console import words_of
from tests.support.scenarios import a_plan, a_request_being_imaged, a_sample_plan

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
MONDAY, SUNDAY = date(2026, 3, 2), date(2026, 3, 8)
PAGE = "/imaging/calendar/lavision/utilization/"
CSV = "/imaging/calendar/lavision/utilization.csv"


@pytest.fixture(autouse=True)
def _in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    settings.WORKDAY_START, settings.WORKDAY_END = 8, 18


@pytest.fixture
def scope():
    return Microscope.objects.get(name="lavision")


def at(hour, day=2, month=3):
    """A time of March 2026 in Berlin, which is an hour ahead."""
    return datetime(2026, month, day, tzinfo=UTC) + timedelta(hours=hour - 1)


def a_booking(scope, person, begins, ends, **other):
    return Booking.objects.create(
        microscope=scope, person=person, booked_by=person, starts_at=begins, ends_at=ends, **other
    )


def an_outage(scope, severity, begins, ends):
    return Outage.objects.create(
        microscope=scope, severity=severity, starts_at=begins, ends_at=ends, reason="stuck"
    )


def two_acquisitions(researcher, clearer, imager, *spans):
    plan = a_plan(samples=[a_sample_plan(f"s{i}") for i in range(len(spans))])
    a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    rows = ImagingResolution.objects.order_by("pk")
    for row, (begins, ends) in zip(rows, spans, strict=True):
        row.acquisition_started_at, row.acquisition_ended_at = begins, ends
        row.save()


def test_a_week_has_five_working_days(scope):
    found = utilization(scope, start=MONDAY, end=SUNDAY)

    assert found.working_h == 50
    assert found.booked.hours == 0
    assert found.booked.percent == 0


def test_booked_hours_are_all_hours_and_percentages_are_of_working_hours(scope, imager):
    a_booking(scope, imager, at(16), at(26))

    booked = utilization(scope, start=MONDAY, end=SUNDAY).booked

    assert booked.hours == 10
    assert booked.in_work == 2
    assert booked.percent == 4


def test_what_was_cancelled_does_not_count(scope, imager):
    a_booking(scope, imager, at(9), at(12), cancelled_at=at(8))

    assert utilization(scope, start=MONDAY, end=SUNDAY).booked.hours == 0


def test_only_what_lies_in_the_days_counts(scope, imager):
    a_booking(scope, imager, at(20, day=1), at(4, day=2))

    assert utilization(scope, start=MONDAY, end=MONDAY).booked.hours == 4


def test_samples_that_share_time_count_once(scope, researcher, clearer, imager):
    two_acquisitions(researcher, clearer, imager, (at(9), at(12)), (at(11), at(13)))

    assert utilization(scope, start=MONDAY, end=SUNDAY).acquired.hours == 4


def test_an_acquisition_of_another_microscope_or_without_end_does_not_count(
    researcher, clearer, imager, scope
):
    two_acquisitions(researcher, clearer, imager, (at(9), at(12)), (at(9), None))
    other = Microscope.objects.get(name="smartspim")

    assert utilization(other, start=MONDAY, end=SUNDAY).acquired.hours == 0
    assert utilization(scope, start=MONDAY, end=SUNDAY).acquired.hours == 3


def test_down_and_limited_are_counted_apart(scope):
    an_outage(scope, "down", at(9), at(11))
    an_outage(scope, "down", at(10), at(12))
    an_outage(scope, "limited", at(9, day=3), at(10, day=3))

    found = utilization(scope, start=MONDAY, end=SUNDAY)

    assert (found.down.hours, found.limited.hours) == (3, 1)
    assert found.down.percent == 6


def test_an_outage_without_end_counts_until_now(scope):
    from django.utils import timezone

    today = timezone.localdate()
    an_outage(scope, "down", timezone.now() - timedelta(hours=2), None)

    found = utilization(scope, start=today - timedelta(days=1), end=today + timedelta(days=7))

    assert found.down.hours == pytest.approx(2, abs=0.02)


def test_days_on_which_the_clocks_change_have_their_real_hours(scope, imager):
    spring, fall = date(2026, 3, 29), date(2026, 10, 25)
    begins, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    a_booking(scope, imager, begins, ends)

    found = by_period(scope, [(spring, spring), (fall, fall)])

    assert [row.booked.hours for row in found] == [23, 25]


def test_working_hours_are_those_of_the_clocks_after_the_change(scope):
    (day,) = working_slots(date(2026, 3, 30), date(2026, 3, 30))

    assert day.begins == datetime(2026, 3, 30, 6, tzinfo=UTC)
    assert hours([day]) == 10


def test_a_weekend_has_no_percentage(scope):
    assert utilization(scope, start=date(2026, 3, 7), end=SUNDAY).booked.percent is None


def test_weeks_and_months_cover_the_days_once():
    start, end = date(2025, 12, 30), date(2026, 2, 3)

    weeks, months = weeks_between(start, end), months_between(start, end)

    assert weeks[0] == (start, date(2026, 1, 4))
    assert weeks[-1] == (date(2026, 2, 2), end)
    assert months == [
        (start, date(2025, 12, 31)),
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), end),
    ]


def test_many_periods_take_as_many_queries_as_one(scope, imager, django_assert_num_queries):
    a_booking(scope, imager, at(9), at(12))
    periods = weeks_between(date(2026, 1, 1), date(2026, 6, 30))

    with django_assert_num_queries(3):
        by_period(scope, periods)
    with django_assert_num_queries(3):
        utilization(scope, start=MONDAY, end=SUNDAY)


@pytest.fixture
def used(scope, researcher, clearer, imager):
    a_booking(scope, imager, at(9), at(14.5))
    two_acquisitions(researcher, clearer, imager, (at(9), at(12)))
    an_outage(scope, "down", at(9, day=4), at(10, day=4))
    return scope


def test_page_and_csv_say_what_the_selector_says(client, used, imager):
    client.force_login(imager, backend=BACKEND)
    asked = {"start": "2026-03-02", "end": "2026-03-08", "by": "week"}
    found = utilization(used, start=MONDAY, end=SUNDAY)

    page = words_of(client.get(PAGE, asked))
    text = client.get(CSV, asked).getvalue().decode("utf-8-sig")

    (line,) = csv.DictReader(io.StringIO(text))
    figures = [found.booked, found.acquired, found.down, found.limited]
    assert [figure.hours for figure in figures] == [5.5, 3, 1, 0]
    assert "50.0 5.5 11 3.0 6 1.0 2 0.0 0" in page
    assert [line[f"{name} h"] for name in ("Booked", "Acquiring", "Down", "Limited")] == [
        "5.5", "3.0", "1.0", "0.0",
    ]  # fmt: skip
    assert [line[f"{name} %"] for name in ("Booked", "Acquiring", "Down", "Limited")] == [
        "11", "6", "2", "0",
    ]  # fmt: skip


def test_the_chart_has_a_bar_for_each_figure(client, used, imager):
    client.force_login(imager, backend=BACKEND)
    asked = {"start": "2026-03-02", "end": "2026-03-15", "by": "week"}

    page = client.get(PAGE, asked).content.decode()

    assert page.count('<rect class="bar-') == 8
    assert "03-02, booked: 5.5 h" in page
    assert "style=" not in page.split('<svg class="hours-chart"')[1].split("</svg>")[0]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"start": "2026-03-08", "end": "2026-03-02"}, "lies before the first"),
        ({"start": "2001-01-01", "end": "2026-03-02"}, "At most five years"),
        ({"start": "soon"}, "Enter a valid date"),
        ({"by": "century"}, "Select a valid choice"),
    ],
)
def test_days_that_cannot_be_shown_are_refused_in_words(client, scope, imager, asked, words):
    client.force_login(imager, backend=BACKEND)

    page = client.get(PAGE, asked)
    file = client.get(CSV, asked)

    assert page.status_code == 422
    assert words in words_of(page)
    assert file.url.startswith(PAGE)


def test_by_month_and_without_days_there_is_a_page(client, scope, imager):
    client.force_login(imager, backend=BACKEND)

    answered = client.get(PAGE, {"by": "month"})

    assert "Hours by month" in words_of(answered)


def test_it_is_for_imaging_staff(client, scope, clearer, researcher):
    client.force_login(clearer, backend=BACKEND)

    assert client.get(PAGE).status_code == 404
    assert client.get(CSV).status_code == 404
