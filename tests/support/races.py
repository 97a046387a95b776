"""Several people at the same instant, each on a connection of their own."""

import threading
from collections.abc import Callable

from django.db import connection

from core_app.errors import DomainError

LIMIT_S = 60


def at_once(*actions: Callable[[], object]) -> list[object]:
    """Do all of them at once; return for each what it returned, or the error that it raised."""
    barrier = threading.Barrier(len(actions))
    found: list[object] = [None] * len(actions)

    def act(place: int) -> None:
        try:
            barrier.wait(LIMIT_S)
            found[place] = actions[place]()
        except Exception as error:  # the test looks at it
            found[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(i,)) for i in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    return found


def refusals(found: list[object]) -> list[DomainError]:
    """Return the refusals among the outcomes; anything else that was raised is a failure."""
    for outcome in found:
        assert not isinstance(outcome, Exception) or isinstance(outcome, DomainError), outcome
    return [outcome for outcome in found if isinstance(outcome, DomainError)]
