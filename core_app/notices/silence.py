"""silenced(): requests that nobody asked for, such as seeded ones, tell nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_silenced: ContextVar[bool] = ContextVar("notices_silenced", default=False)


@contextmanager
def silenced() -> Iterator[None]:
    """Write no mails in this block."""
    before = _is_silenced.set(True)
    try:
        yield
    finally:
        _is_silenced.reset(before)


def is_silenced() -> bool:
    return _is_silenced.get()
