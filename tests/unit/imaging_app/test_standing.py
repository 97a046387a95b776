"""The effective status of an instrument: the worse of its own and of what holds now."""

from datetime import UTC, datetime, timedelta

import pytest

from imaging_app.standing import Standing, StatusView, Stop, notice_of, status_at

NOW = datetime(2026, 3, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_stop(severity="down", *, start=-1, end=1, reason="laser"):
    ends_at = None if end is None else NOW + end * HOUR
    return Stop(severity, reason, NOW + start * HOUR, ends_at)


def test_without_outages_its_own_status_counts():
    assert status_at("limited", "one arm", [], NOW) == StatusView("limited", "one arm")


def test_an_outage_that_holds_makes_it_worse_until_its_end():
    found = status_at("operational", "", [a_stop()], NOW)

    assert found == StatusView("down", "laser", NOW + HOUR)


@pytest.mark.parametrize("stop", [a_stop(start=1, end=2), a_stop(start=-2, end=0)])
def test_outages_to_come_and_past_ones_do_not_count(stop):
    assert status_at("operational", "", [stop], NOW).is_fine


def test_a_lesser_outage_does_not_make_a_broken_instrument_better():
    found = status_at("down", "no stage", [a_stop("limited")], NOW)

    assert found == StatusView("down", "no stage")


def test_the_worse_of_two_outages_counts_with_its_reason():
    found = status_at("operational", "", [a_stop("limited", reason="arm"), a_stop()], NOW)

    assert (found.status, found.reason) == ("down", "laser")


def test_of_two_equal_outages_the_later_end_counts():
    stops = [a_stop(end=1), a_stop(end=3, reason="stage")]

    found = status_at("operational", "", stops, NOW)

    assert (found.until, found.reason) == (NOW + 3 * HOUR, "laser; stage")


def test_an_outage_that_follows_without_a_gap_moves_the_end():
    found = status_at("operational", "", [a_stop(end=1), a_stop(start=1, end=5)], NOW)

    assert found.until == NOW + 5 * HOUR


def test_a_later_outage_after_a_gap_does_not():
    found = status_at("operational", "", [a_stop(end=1), a_stop(start=2, end=5)], NOW)

    assert found.until == NOW + HOUR


def test_an_open_outage_is_down_for_good():
    assert status_at("operational", "", [a_stop(end=None)], NOW).is_down_for_good
    assert not status_at("operational", "", [a_stop()], NOW).is_down_for_good


def test_orders_are_refused_only_where_nobody_knows_the_end():
    broken, back_soon = StatusView("down", "laser"), StatusView("down", "laser", NOW + HOUR)

    assert notice_of(Standing(1, "a", "A", broken)).is_refused
    assert not notice_of(Standing(1, "a", "A", back_soon)).is_refused


def test_a_planned_outage_is_worth_a_word():
    notice = notice_of(Standing(1, "a", "A", StatusView("operational"), (a_stop(start=1, end=2),)))

    assert notice.text.startswith("A: down from 2026-03-24")


def test_an_instrument_that_is_well_needs_no_word():
    assert notice_of(Standing(1, "a", "A", StatusView("operational"))) is None
