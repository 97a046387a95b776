"""When the steps of a protocol are due."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from requests_app.planning import Hours, Task, best_start, clashes, next_working_time, plan

BERLIN = ZoneInfo("Europe/Berlin")
HOURS = Hours(8, 18, BERLIN)


def at(text: str) -> datetime:
    """A clock time in the facility's zone."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def clock(moment: datetime) -> str:
    return moment.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M")


def times(tasks: list[Task], start: str) -> list[str]:
    return [clock(due) for due in plan(tasks, start=at(start), hours=HOURS).values()]


def test_a_step_is_due_when_the_one_before_it_is_over():
    tasks = [Task(1, 30), Task(2, 60), Task(3, 5)]

    assert times(tasks, "2026-03-02 09:00") == [
        "2026-03-02 09:00",
        "2026-03-02 09:30",
        "2026-03-02 10:30",
    ]


def test_a_step_without_fixed_duration_takes_no_time():
    assert times([Task(1, None), Task(2, 60)], "2026-03-02 09:00")[1] == "2026-03-02 09:00"


@pytest.mark.parametrize(
    ("free", "due"),
    [
        ("2026-03-02 17:59", "2026-03-02 17:59"),
        ("2026-03-02 18:00", "2026-03-03 08:00"),
        ("2026-03-02 23:30", "2026-03-03 08:00"),
        ("2026-03-03 03:00", "2026-03-03 08:00"),
        ("2026-03-03 08:00", "2026-03-03 08:00"),
    ],
)
def test_outside_the_working_hours_the_next_morning_counts(free, due):
    assert clock(next_working_time(at(free), HOURS)) == due


def test_an_overnight_step_ends_in_the_morning():
    assert times([Task(1, 960), Task(2, 60)], "2026-03-02 17:00")[1] == "2026-03-03 09:00"


def test_weekends_are_not_skipped():
    assert times([Task(1, 1440), Task(2, 60)], "2026-03-06 10:00")[1] == "2026-03-07 10:00"


def test_what_is_logged_moves_only_what_is_not():
    tasks = [Task(1, 60, done_at=at("2026-03-02 11:00")), Task(2, 60), Task(3, 60)]

    due = plan(tasks, start=at("2026-03-02 09:00"), hours=HOURS)

    assert {key: clock(when) for key, when in due.items()} == {
        2: "2026-03-02 12:00",
        3: "2026-03-02 13:00",
    }


def test_a_pinned_time_stays_and_the_rest_follows_it():
    tasks = [Task(1, 60), Task(2, 60, pinned_at=at("2026-03-08 20:00")), Task(3, 60)]

    assert times(tasks, "2026-03-02 09:00") == [
        "2026-03-02 09:00",
        "2026-03-08 20:00",
        "2026-03-09 08:00",
    ]


def test_a_step_done_counts_more_than_the_time_pinned_for_it():
    tasks = [
        Task(1, 60, done_at=at("2026-03-02 10:00"), pinned_at=at("2026-03-05 10:00")),
        Task(2, 60),
    ]

    assert times(tasks, "2026-03-02 09:00") == ["2026-03-02 11:00"]


def test_no_steps_make_no_plan():
    assert plan([], start=at("2026-03-02 09:00"), hours=HOURS) == {}


# The clock goes forward on 2026-03-29 and back on 2026-10-25.
@pytest.mark.parametrize(
    ("start", "due"),
    [("2026-03-28 16:00", "2026-03-29 09:00"), ("2026-10-24 16:00", "2026-10-25 08:00")],
)
def test_sixteen_hours_are_sixteen_hours_on_the_days_the_clock_changes(start, due):
    assert times([Task(1, 960), Task(2)], start)[1] == due


@pytest.mark.parametrize(
    ("free", "utc"),
    [("2026-03-28 19:00", "2026-03-29T06:00"), ("2026-10-24 19:00", "2026-10-25T07:00")],
)
def test_the_morning_is_at_eight_by_the_clock_on_the_days_it_changes(free, utc):
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)

    assert next_working_time(at(free), HOURS) == expected


def test_plans_are_in_universal_time():
    (due,) = plan([Task(1)], start=at("2026-07-01 10:00"), hours=HOURS).values()

    assert due.isoformat() == "2026-07-01T08:00:00+00:00"


def test_weekends_and_closed_days_are_told():
    due = plan(
        [Task(1, 1440), Task(2, 1440), Task(3, 1440), Task(4, 60)],
        start=at("2026-03-06 10:00"), hours=HOURS,
    )  # fmt: skip

    found = clashes(due, zone=BERLIN, closed={date(2026, 3, 9)})

    assert [(clash.key, clash.why) for clash in found] == [
        (2, "Saturday"),
        (3, "Sunday"),
        (4, "closed"),
    ]


def test_the_best_start_is_the_first_with_the_fewest_clashes():
    three_days = [Task(1, 1440), Task(2, 1440), Task(3, 60)]

    start, left = best_start(three_days, start=at("2026-03-05 10:00"), hours=HOURS, closed=set())

    assert (clock(start), left) == ("2026-03-09 10:00", 0)


def test_the_best_start_avoids_a_closed_day():
    start, _ = best_start(
        [Task(1, 1440), Task(2, 60)],
        start=at("2026-03-09 10:00"), hours=HOURS, closed={date(2026, 3, 10)},
    )  # fmt: skip

    assert clock(start) == "2026-03-11 10:00"


def test_where_every_start_clashes_the_fewest_are_left():
    ten_days = [Task(n, 1440) for n in range(10)]

    start, left = best_start(ten_days, start=at("2026-03-05 10:00"), hours=HOURS, closed=set())

    assert (clock(start), left) == ("2026-03-09 10:00", 2)
