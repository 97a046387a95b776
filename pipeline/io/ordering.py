"""Let threads work at the same time and still take their turns in a fixed order."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Abandoned(RuntimeError):
    """Another thread failed before its turn came, so this turn will never come."""


class Turns:
    """Tickets 0, 1, 2, ... each get one turn, in that order. Tickets must be started in order."""

    def __init__(self) -> None:
        self._next = 0
        self._is_broken = False
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, ticket: int) -> Iterator[None]:
        """Wait for the turn of `ticket` and hold it; raise Abandoned after a failure elsewhere."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == ticket or self._is_broken)
            if self._is_broken:
                raise Abandoned("an earlier part of the volume failed")
            yield
            self._next += 1
            self._changed.notify_all()

    def abandon(self) -> None:
        """Release everybody who waits: the work has failed."""
        with self._changed:
            self._is_broken = True
            self._changed.notify_all()
