"""When a program in a container ends itself."""

import io
import json
import time

import pytest

from tests.support.viewer_programs import program

lifetime = program("lifetime")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(lifetime, "LOOK_EVERY_S", 0.01)


def order(*, ends_in=60.0, idle_s=60.0):
    return lifetime.Order(time.time() + ends_in, idle_s, {})


def test_it_ends_when_its_time_is_over_even_if_it_is_used():
    activity = lifetime.Activity()
    activity.begin()

    assert lifetime.live(order(ends_in=0.05), activity) == "its time was over"


def test_it_ends_when_nobody_uses_it():
    assert lifetime.live(order(idle_s=0.05), lifetime.Activity()) == "nobody used it any more"


def test_it_ends_with_its_parent(monkeypatch):
    monkeypatch.setenv(lifetime.PARENT, "1234567")

    assert lifetime.live(order(), lifetime.Activity()) == "its parent ended"


def test_an_answer_under_way_is_use():
    activity = lifetime.Activity()
    activity.begin()
    time.sleep(0.02)
    assert activity.quiet_s() == 0

    activity.end()

    assert activity.quiet_s() < 0.02


def test_ready_is_one_line(capsys):
    lifetime.say_ready(8080)

    assert capsys.readouterr().out == "READY 8080\n"


def test_the_order_is_one_line_of_json(monkeypatch):
    given = {"ends_at": 5.0, "idle_s": 6, "values": {"token": "t"}}
    monkeypatch.setattr(lifetime.signal, "signal", lambda *_: None)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(given).encode())))

    assert lifetime.read_order() == lifetime.Order(5.0, 6, {"token": "t"})
