"""Permissions are remembered for half a minute at most."""

from uuid import UUID

from core_app.paths import DataPath
from viewers_app.data_access import MOST_VERDICTS, Access, Verdict, Verdicts

KEY = (UUID(int=1), UUID(int=2))
ALLOWED = Verdict(Access.ALLOWED, DataPath("a/b"))


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_verdict_is_known_until_thirty_seconds_after_it_was_asked_for() -> None:
    clock = Clock()
    verdicts = Verdicts(clock)
    verdicts.keep(KEY, ALLOWED, asked_at=clock())

    clock.now += 29.9
    assert verdicts.get(KEY) is ALLOWED
    clock.now += 0.1
    assert verdicts.get(KEY) is None


def test_a_verdict_of_one_viewer_is_none_of_another_or_of_another_volume() -> None:
    clock = Clock()
    verdicts = Verdicts(clock)
    verdicts.keep(KEY, ALLOWED, asked_at=clock())

    assert verdicts.get((UUID(int=9), KEY[1])) is None
    assert verdicts.get((KEY[0], UUID(int=9))) is None


def test_the_memory_is_bounded() -> None:
    clock = Clock()
    verdicts = Verdicts(clock)
    for number in range(MOST_VERDICTS + 1):
        verdicts.keep((UUID(int=number), KEY[1]), ALLOWED, asked_at=clock())

    assert len(verdicts._kept) <= MOST_VERDICTS
