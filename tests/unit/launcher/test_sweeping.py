"""What is past its end is removed; one failure never stops the rest."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from launcher.backend_memory import MemoryBackend
from launcher.errors import EngineRefused
from launcher.orders import Order
from launcher.sessions import Sessions
from tests.support.launchers import LAYER, new_token
from viewers_app.launcher.here import CATALOGUE


class Clock:
    def __init__(self):
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


def started(sessions, clock, *, hours):
    """Start one session per number of hours until its end; return their ids."""
    orders = [
        Order(
            session=str(uuid4()),
            kind="volume",
            owner=f"person{number}",
            ends_at=clock.now + timedelta(hours=until),
            values={"layer": LAYER, "token": new_token()},
        )
        for number, until in enumerate(hours)
    ]
    for order in orders:
        sessions.ensure(order)
    return [order.session for order in orders]


def test_what_is_past_its_end_is_removed_and_nothing_else(data_root):
    clock, backend = Clock(), MemoryBackend()
    sessions = Sessions(backend, CATALOGUE, data_root=data_root, now=clock)
    first, second, later = started(sessions, clock, hours=[1, 2, 5])

    clock.now += timedelta(hours=2)
    swept = sessions.reap()

    assert (set(swept.removed), swept.failed) == ({first, second}, {})
    assert [running.session for running in sessions.all()] == [later]


def test_one_that_cannot_be_removed_is_named_and_the_rest_goes_on(data_root):
    clock, backend = Clock(), MemoryBackend()
    sessions = Sessions(backend, CATALOGUE, data_root=data_root, now=clock)
    first, second, third = started(sessions, clock, hours=[1, 1, 1])
    backend.fail(f"remove {second}", EngineRefused("it hangs"))

    clock.now += timedelta(hours=2)
    swept = sessions.reap()

    assert (set(swept.removed), dict(swept.failed)) == ({first, third}, {second: "it hangs"})
    assert sessions.reap().removed == (second,)
