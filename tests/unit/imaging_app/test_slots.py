"""Slots, free times, clocks that change, weeks, estimates and bars: arithmetic alone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from imaging_app import charts, estimates, slots, weeks
from imaging_app.local_times import (
    Occurs,
    instead_of,
    length_words,
    moment_of,
    occurs,
    span_words,
    zone_names,
)
from imaging_app.slots import FOREVER, Slot

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, FALL = date(2026, 3, 29), date(2026, 10, 25)


def at(hour: float, day: int = 1) -> datetime:
    return datetime(2026, 12, day, tzinfo=UTC) + timedelta(hours=hour)


def slot(begins: float, ends: float) -> Slot:
    return Slot(at(begins), at(ends))


def local(day: date, clock: str, *, second: bool = False) -> datetime:
    return moment_of(datetime.fromisoformat(f"{day}T{clock}"), BERLIN, second=second)


def test_slots_that_touch_do_not_overlap() -> None:
    assert not slot(9, 10).overlaps(slot(10, 11))
    assert slot(9, 10.5).overlaps(slot(10, 11))


def test_what_two_slots_share_counts_once() -> None:
    assert slots.hours([slot(9, 12), slot(11, 13), slot(20, 21)]) == 5


def test_a_slot_over_the_change_has_its_real_length() -> None:
    night = Slot(local(SPRING, "00:00"), local(SPRING, "06:00"))
    long_night = Slot(
        datetime(2026, 10, 25, 0, tzinfo=BERLIN), datetime(2026, 10, 25, 6, tzinfo=BERLIN)
    )

    assert night.length == timedelta(hours=5)
    assert long_night.length == timedelta(hours=7)


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 10), (2, 12), (3, 15), (100, 15)], ids=["gap", "2", "3", "long"]
)
def test_the_next_free_time_is_long_enough(length: int, expected: int) -> None:
    busy = [slot(9, 10), slot(11, 12), slot(14, 15)]

    assert slots.first_free(timedelta(hours=length), busy, after=at(9)) == at(expected)


def test_what_has_no_end_leaves_no_free_time() -> None:
    busy = [Slot(at(9), FOREVER)]

    assert slots.first_free(timedelta(hours=2), busy, after=at(8)) is None
    assert slots.first_free(timedelta(hours=1), busy, after=at(8)) == at(8)


@pytest.mark.parametrize(("minute", "expected"), [(0, 0), (1, 15), (45, 45), (50, 60)])
def test_the_next_quarter_is_not_before_now(minute: int, expected: int) -> None:
    assert slots.next_quarter(at(9 + minute / 60)) == at(9 + expected / 60)


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (SPRING, "02:00", Occurs.NEVER),
        (SPRING, "02:59", Occurs.NEVER),
        (SPRING, "03:00", Occurs.ONCE),
        (FALL, "01:59", Occurs.ONCE),
        (FALL, "02:00", Occurs.TWICE),
        (FALL, "03:00", Occurs.ONCE),
    ],
)
def test_a_clock_time_comes_once_twice_or_never(day: date, clock: str, expected: Occurs) -> None:
    assert occurs(datetime.fromisoformat(f"{day}T{clock}"), BERLIN) is expected


def test_a_time_that_is_left_out_has_another_instead() -> None:
    assert instead_of(datetime(2026, 3, 29, 2, 30), BERLIN) == datetime(2026, 3, 29, 3, 30)


def test_the_two_of_a_time_that_comes_twice_are_an_hour_apart() -> None:
    clock = datetime(2026, 10, 25, 2, 30)

    first, second = moment_of(clock, BERLIN), moment_of(clock, BERLIN, second=True)

    assert second - first == timedelta(hours=1)
    assert zone_names(clock, BERLIN) == ("CEST", "CET")


def test_words_say_the_zone_twice_only_where_it_differs() -> None:
    usual = span_words(at(8), at(11), BERLIN)
    overnight = span_words(at(8), at(30), BERLIN)
    changing = span_words(local(FALL, "02:30"), local(FALL, "02:15", second=True), BERLIN)

    assert usual == "2026-12-01 09:00–12:00 CET"
    assert overnight == "2026-12-01 09:00 – 2026-12-02 07:00 CET"
    assert changing == "2026-10-25 02:30 CEST–02:15 CET"


@pytest.mark.parametrize(
    ("minutes", "words"), [(90, "1 h 30 min"), (120, "2 h"), (4560, "3 d 4 h"), (0, "0 min")]
)
def test_lengths_read_as_people_say_them(minutes: int, words: str) -> None:
    assert length_words(timedelta(minutes=minutes)) == words


@pytest.mark.parametrize("named", ["2026-12-02", "2026-12-06", "2026-11-30"])
def test_a_week_is_named_by_any_of_its_days(named: str) -> None:
    assert weeks.monday_of(named, today=date(2026, 5, 5)) == date(2026, 11, 30)


@pytest.mark.parametrize("named", ["", "soon", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_anything_else_is_this_week(named: str) -> None:
    assert weeks.monday_of(named, today=date(2026, 12, 2)) == date(2026, 11, 30)


def test_a_slot_over_midnight_stands_on_both_days() -> None:
    days = weeks.days_of(date(2026, 11, 30))

    first, second = weeks.places_of(slot(19, 30), days, BERLIN)

    assert (first.day.day, first.first, first.count) == (1, 80, 16)
    assert (second.day.day, second.first, second.count) == (2, 0, 28)
    assert (first.is_first_day, first.is_last_day) == (True, False)
    assert (second.is_first_day, second.is_last_day) == (False, True)


def test_minutes_between_quarters_are_covered() -> None:
    (place,) = weeks.places_of(slot(8 + 7 / 60, 8 + 17 / 60), [date(2026, 12, 1)], BERLIN)

    assert (place.first, place.count) == (36, 2)


def test_what_begins_at_midnight_is_not_on_the_day_before() -> None:
    days = [date(2026, 11, 30), date(2026, 12, 1)]

    (place,) = weeks.places_of(slot(-1, 1), days, BERLIN)

    assert (place.day, place.first, place.count) == (date(2026, 12, 1), 0, 8)


def test_a_day_in_spring_is_placed_by_its_clocks() -> None:
    over = Slot(local(SPRING, "01:00"), local(SPRING, "04:00"))

    (place,) = weeks.places_of(over, [SPRING], BERLIN)

    assert (place.first, place.count) == (4, 12)


def test_a_slot_within_the_hour_that_comes_twice_keeps_its_length() -> None:
    over = Slot(local(FALL, "02:30"), local(FALL, "02:15", second=True))

    (place,) = weeks.places_of(over, [FALL], BERLIN)

    assert (place.first, place.count) == (10, 3)


@pytest.mark.parametrize(
    ("day", "words"),
    [(SPRING, "02:00–03:00 does not exist"), (FALL, "02:00–03:00 comes twice")],
)
def test_the_day_says_how_its_clocks_change(day: date, words: str) -> None:
    change = weeks.change_on(day, BERLIN)

    assert change is not None
    assert change.words == words


def test_most_days_have_no_change() -> None:
    assert weeks.change_on(date(2026, 12, 1), BERLIN) is None


def test_what_the_clock_shows_at_once_stands_side_by_side() -> None:
    day = FALL
    places = [weeks.Place(day, 8, 4), weeks.Place(day, 10, 4), weeks.Place(day, 20, 4)]

    assert weeks.lanes_of(places) == [0, 1, 0]


def test_an_estimate_counts_images_and_says_how() -> None:
    stacks = [estimates.Stack("lavision", 400, tiles=2, sheets=2)] * 2

    found = estimates.suggest(stacks, samples=1)

    assert found.length == timedelta(hours=1, minutes=45)
    assert "3,200 images" in found.why
    assert "1.5 s each" in found.why


def test_without_planes_two_hours_are_proposed() -> None:
    stacks = [estimates.Stack("lavision", 400), estimates.Stack("lavision", None)]

    found = estimates.suggest(stacks, samples=1)

    assert found.length == timedelta(hours=2)
    assert "not known yet" in found.why


def test_no_estimate_is_longer_than_a_booking() -> None:
    stacks = [estimates.Stack("lavision", 5500, tiles=100, sheets=2)]

    assert estimates.suggest(stacks, samples=50).length == timedelta(days=14)


def test_bars_have_the_height_of_their_hours() -> None:
    chart = charts.bars(["a", "b"], [("booked", [10, 20]), ("down", [0, 5])])

    (first, _), (second, half) = (group.bars for group in chart.groups)
    assert second.height == 2 * first.height == 4 * half.height
    assert [line.value for line in chart.lines] == ["0", "5", "10", "15", "20"]


def test_bars_of_nothing_are_drawn_too() -> None:
    chart = charts.bars(["a"], [("booked", [0.0])])

    assert [bar.height for bar in chart.groups[0].bars] == [0]
    assert charts.bars([], []).groups == []


def test_many_labels_are_thinned_out() -> None:
    chart = charts.bars([str(i) for i in range(60)], [("booked", [1.0] * 60)])

    assert sum(group.shows_label for group in chart.groups) == 6
