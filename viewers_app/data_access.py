"""Who may fetch which volume on the viewer origin. The verdict only; bytes are served elsewhere."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from uuid import UUID

from core_app.paths import DataPath
from viewers_app import rights, selectors

VERDICT_AGE_S = 30.0
MOST_VERDICTS = 10_000


class Access(Enum):
    """What the data path says to a request for a volume."""

    ALLOWED = "allowed"
    NOBODY = "nobody"  # none of the views that the cookie names is live: 401
    HIDDEN = "hidden"  # somebody known, but there is nothing for them here: 404


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one viewer and one volume; the rest is set only if it is allowed.

    `view` is the one that allows it: what is fetched counts as its activity.
    """

    access: Access
    folder: DataPath | None = None
    made: str = ""
    view: UUID | None = None


# The views that a cookie names, and the volume that is asked for.
Question = tuple[frozenset[UUID], UUID]

NOBODY = Verdict(Access.NOBODY)
HIDDEN = Verdict(Access.HIDDEN)


class Verdicts:
    """Permissions granted a moment ago. Refusals are not kept, so a new right works at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._lock = Lock()
        self._kept: dict[Question, tuple[float, Verdict]] = {}

    def get(self, key: Question) -> Verdict | None:
        until, verdict = self._kept.get(key, (0.0, NOBODY))
        return verdict if self.clock() < until else None

    def keep(self, key: Question, verdict: Verdict, *, asked_at: float) -> None:
        with self._lock:
            if len(self._kept) >= MOST_VERDICTS:
                self._kept.clear()
            self._kept[key] = (asked_at + VERDICT_AGE_S, verdict)

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()


# The clock is looked up at each call, so that a test can move it.
verdicts = Verdicts(lambda: time.monotonic())


def verdict_on(named: frozenset[UUID], layer: UUID, *, anew: bool = False) -> Verdict:
    """Return what a browser may do whose cookie names these views; at most 30 s old."""
    if not named:
        return NOBODY
    known = None if anew else verdicts.get((named, layer))
    if known:
        return known
    # Counted from before the question: the rights may change while it is being answered.
    asked_at = verdicts.clock()
    fresh = _judge(named, layer)
    if fresh.access is Access.ALLOWED:
        verdicts.keep((named, layer), fresh, asked_at=asked_at)
    return fresh


def _judge(named: Collection[UUID], uuid: UUID) -> Verdict:
    views = list(selectors.live_views(named))
    if not views:
        return NOBODY
    layer = selectors.find_layer(uuid)
    if layer is None:
        return HIDDEN
    allowing = [view for view in views if rights.may_fetch(view, layer)]
    if not allowing:
        return HIDDEN
    # Several views may show it; the newest of those that do counts as its visitor.
    showing = [view for view in allowing if str(uuid) in view.layer_uuids] or allowing
    return Verdict(Access.ALLOWED, layer.folder, layer.made, showing[0].uuid)
