"""How values look to people."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from lightserv_site.templatetags import display

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@dataclass
class Stage:
    state: str
    stage: str = "Imaging"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    return NOW


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=24), "1 day ago"),
        (timedelta(days=13), "13 days ago"),
        (timedelta(days=14), "2 weeks ago"),
        (timedelta(days=30), "1 month ago"),
        (timedelta(days=364), "12 months ago"),
        (timedelta(days=730), "2 years ago"),
        (timedelta(seconds=-30), "in a moment"),
        (timedelta(minutes=-5), "in 5 min"),
    ],
)
def test_times_are_told_from_now(now: datetime, passed: timedelta, words: str) -> None:
    assert display.ago_words(now - passed) == words


def test_the_absolute_time_is_in_the_facility_zone_on_hover(now: datetime) -> None:
    with timezone.override("America/New_York"):
        shown = display.ago(now - timedelta(hours=3))

    assert 'datetime="2026-03-14T05:00:00-04:00"' in shown
    assert 'title="2026-03-14 05:00 EDT"' in shown
    assert ">3 h ago<" in shown


@pytest.mark.parametrize("shown", [display.ago, display.ago_words, display.iso])
def test_no_time_is_shown_as_nothing(shown: object) -> None:
    assert shown(None) == ""  # type: ignore[operator]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 MB"),
        (1, "0.1 MB"),
        (4_200_000, "4.2 MB"),
        (312_000_000, "312 MB"),
        (999_600_000, "1.0 GB"),
        (412_345_000_000, "412.3 GB"),
        (999_960_000_000, "1.0 TB"),
        (18_250_000_000_000, "18.2 TB"),
        (None, ""),
    ],
)
def test_sizes_have_one_decimal_and_never_reach_a_thousand(count: int | None, text: str) -> None:
    assert display.size(count) == text


@pytest.mark.parametrize(
    ("length", "text"), [(5, "5.0 µm"), (1.81, "1.81 µm"), ("4.0", "4.0 µm"), (None, "")]
)
def test_lengths_are_in_micrometers(length: float | str | None, text: str) -> None:
    assert display.um(length) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (250, "4 min"),
        (3600, "1 h"),
        (timedelta(hours=1, minutes=20), "1 h 20 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (None, ""),
    ],
)
def test_durations_have_two_units(span: timedelta | float | None, text: str) -> None:
    assert display.duration(span) == text


def test_a_long_name_loses_its_middle_and_keeps_the_whole_on_hover() -> None:
    shown = display.middle("animal_0017_left_hemisphere", 11)

    assert shown == '<span class="middle" title="animal_0017_left_hemisphere">anima…phere</span>'


def test_a_short_name_stays_as_it_is() -> None:
    assert display.middle("animal_1", 8) == "animal_1"


def test_names_from_people_are_escaped() -> None:
    assert "<b>" not in display.middle("<b>" * 20, 10)


@pytest.mark.parametrize(
    ("state", "token"),
    [
        ("in progress", "progress"),
        ("succeeded", "done"),
        ("lost", "failed"),
        ("cancelled", "skipped"),
        ("draft", "waiting"),
        ("needs-you", "needs-you"),
    ],
)
def test_every_state_has_a_token(state: str, token: str) -> None:
    assert display.state_token(state) == token


@pytest.mark.parametrize(
    ("states", "current"),
    [
        (["done", "progress", "waiting"], 1),
        (["done", "failed", "progress"], 1),
        (["progress", "needs-you"], 1),
        (["done", "waiting", "waiting"], 1),
        (["done", "done"], 1),
    ],
)
def test_the_current_stage_is_what_people_ask_about(states: list[str], current: int) -> None:
    strip = [Stage(state) for state in states]

    assert display.current_stage(strip) is strip[current]


def test_an_icon_is_hidden_from_readers_because_a_word_stands_beside_it() -> None:
    shown = Template("{% load display %}{% icon 'done' %}").render(Context())

    assert 'aria-hidden="true"' in shown
    assert "icons.svg#done" in shown
