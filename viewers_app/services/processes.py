"""Processes behind views: started when somebody looks, watched, and removed with their view.

The row says what should run, the launcher what runs; every step here is safe to repeat.
"""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.errors import (
    DomainError,
    InvalidTransition,
    OutsideError,
    Rejected,
    StaleState,
    Unreachable,
)
from core_app.transitions import advance
from launcher.orders import LARGEST_BODY
from viewers_app import neuroglancer, regions, selectors, showing
from viewers_app.launcher import open_launcher, relay
from viewers_app.launcher.ports import Capacity, Condition, Kind, Launcher, Order, Running
from viewers_app.launcher.translate import order_body
from viewers_app.models import ViewerSession
from viewers_app.states import OPEN, SessionState

logger = logging.getLogger(__name__)

# Another request may be about to start it; after so long it has died over that.
BEING_STARTED = timedelta(seconds=5)
LOG_LINES = 20
# A page waits for the answer; what is not started by then is found at the next question.
PAGE_WAITS_S = 3.0
LONGEST_NAME = 60
TOO_LARGE = "There is too much in this view for a Python viewer. Choose fewer volumes."


def token_of(view: UUID) -> str:
    """Return the name below which the view's process answers: 64 hex digits.

    Derived, so that every process of the site knows it and none has to keep it.
    """
    secret = hashlib.sha256(f"viewers_app.processes {settings.SECRET_KEY}".encode()).digest()
    return hmac.new(secret, view.bytes, "sha256").hexdigest()


def bring_up(session: ViewerSession) -> ViewerSession:
    """Start what the view needs, or see how far that is. Asked again and again while it starts.

    Does not wait. Raises Unreachable while the launcher is silent and there is time left; any
    other failure ends the view, which says why in `failure`.
    """
    if session.state == SessionState.REQUESTED and _claimed(session):
        _attempt(session, lambda launcher: launcher.ensure(_order_of(session)))
    elif session.state == SessionState.STARTING:
        _attempt(session, lambda launcher: _see(session, launcher))
    return session


def ask(
    session: ViewerSession, method: str, path: str, *, body: bytes = b"", content_type: str = ""
) -> relay.Answer:
    """Pass a request on to the view's process. Raises Unreachable if it does not answer."""
    found = _running(open_launcher(PAGE_WAITS_S), session.uuid)
    if found is None or found.condition is not Condition.READY:
        raise Unreachable("The Python viewer does not run")
    return relay.ask(found.address, method, path, body, content_type)


def logs_of(session: ViewerSession, *, lines: int = 200) -> str:
    """Return what its process wrote last; "" if it has none. Raises OutsideError."""
    return open_launcher().logs(session.uuid, lines=lines) if session.has_process else ""


def capacity() -> Capacity:
    """Return how many processes run and may. Raises OutsideError."""
    return open_launcher().capacity()


@dataclass(frozen=True, slots=True)
class Trial:
    """How a viewer of nothing fared: seconds until it was ready, and the places that are taken."""

    seconds: float
    capacity: Capacity


def trial(*, limit_s: float = 30.0) -> Trial:
    """Start a viewer of nothing, wait for it, and remove it again.

    Raises OutsideError if it does not come up within `limit_s`, with the last lines it wrote.
    """
    launcher, view, began = open_launcher(), uuid4(), time.monotonic()
    values = {"token": token_of(view), "state": "{}"}
    ends_at = timezone.now() + timedelta(seconds=limit_s + 60)
    launcher.ensure(Order(view, Kind.PYTHON, "doctor", ends_at, values))
    try:
        while True:
            found = _running(launcher, view)
            seconds = time.monotonic() - began
            if found and found.condition is Condition.READY:
                return Trial(seconds, launcher.capacity())
            if found is None or found.condition is Condition.GONE or seconds > limit_s:
                raise Rejected(
                    "A Python viewer did not come up", launcher.logs(view, lines=LOG_LINES)
                )
            time.sleep(0.2)
    finally:
        launcher.remove(view)


@dataclass(frozen=True, slots=True)
class Drift:
    """Where rows and processes differ, and what to do: `mend` does it."""

    view: UUID
    words: str
    mend: Callable[[], None]


def drift() -> list[Drift]:
    """Return every difference between views and processes. Raises OutsideError, then none is known.

    What is just being started is none.
    """
    launcher = open_launcher()
    asked_at = timezone.now()
    running = {each.view: each for each in launcher.running()}
    rows = selectors.views_with_process([*running])
    return [
        *_unwanted(launcher, running, rows),
        *_unfinished(launcher, running, rows, asked_at),
    ]


def tend() -> tuple[int, int]:
    """Mend every difference; return how many were mended, and how many not. Stops at none."""
    mended = failed = 0
    for difference in drift():
        try:
            difference.mend()
        except (DomainError, OutsideError) as problem:
            logger.error("view %s: %s: %s", difference.view, difference.words, problem)
            failed += 1
        else:
            logger.info("view %s: %s", difference.view, difference.words)
            mended += 1
    return mended, failed


# --- starting ---


def _claimed(session: ViewerSession) -> bool:
    """Take the start upon us. False if another request did, or the view ended meanwhile."""
    try:
        with transaction.atomic():
            advance(session, SessionState.STARTING, by=session.owner)
    except StaleState:
        session.refresh_from_db(fields=["state", "state_since", "failure"])
        return False
    return True


def _attempt(session: ViewerSession, step: Callable[[Launcher], object]) -> None:
    try:
        launcher = open_launcher(PAGE_WAITS_S)
        step(launcher)
    except Unreachable:
        if not _is_late(session):
            raise
        _fail(session, "The launcher of viewers does not answer.")
    except OutsideError as refusal:
        logger.error("view %s does not start: %s", session.uuid, refusal)
        _fail(session, refusal.detail if isinstance(refusal, Rejected) else refusal.reason)


def _see(session: ViewerSession, launcher: Launcher) -> None:
    found = _running(launcher, session.uuid)
    if found and found.condition is Condition.READY:
        _move(session, SessionState.READY)
    elif found and found.condition is Condition.GONE:
        logger.error("view %s ended: %s", session.uuid, _last_words(launcher, session.uuid))
        _fail(session, f"Its process ended at once: {found.detail or 'it said nothing'}")
        launcher.remove(session.uuid)
    elif _is_late(session):
        limit = settings.VIEWER_START_TIMEOUT_S
        _fail(session, f"It was not ready within {limit} seconds.")
        launcher.remove(session.uuid)
    elif found is None and session.state_since < timezone.now() - BEING_STARTED:
        launcher.ensure(_order_of(session))


def _is_late(session: ViewerSession) -> bool:
    limit = timedelta(seconds=settings.VIEWER_START_TIMEOUT_S)
    return session.state_since < timezone.now() - limit


def _running(launcher: Launcher, view: UUID) -> Running | None:
    return next((each for each in launcher.running() if each.view == view), None)


def _last_words(launcher: Launcher, view: UUID) -> str:
    try:
        return launcher.logs(view, lines=LOG_LINES)
    except OutsideError as problem:
        return f"(no log: {problem})"


def _order_of(session: ViewerSession) -> Order:
    """Return what should run: the state that a static view would show, with today's addresses."""
    rows = selectors.layers_of(session)
    state = neuroglancer.delivered(
        showing.state_for(session, rows, neuroglancer.DESKTOP),
        origin=settings.VIEWER_URL,
        revisions=showing.revisions_of(rows),
    )
    values = {"token": token_of(session.uuid), "state": json.dumps(state, sort_keys=True)}
    tree = regions.tree_in(rows)
    if tree is not None:
        structures = {each.id: [each.parent, each.label[:LONGEST_NAME]] for each in tree}
        values["ontology"] = json.dumps(structures, sort_keys=True, ensure_ascii=False)
    order = Order(
        view=session.uuid,
        kind=Kind.PYTHON,
        owner=f"user-{session.owner_id}",
        ends_at=session.expires_at,
        values=values,
    )
    if len(order_body(order)) > LARGEST_BODY:
        raise Rejected("The view was not started", TOO_LARGE)
    return order


# --- moving rows ---


def _move(session: ViewerSession, to: SessionState, note: str = "") -> None:
    """Advance the row; where somebody else was first, theirs counts."""
    try:
        with transaction.atomic():
            advance(session, to, by=None, note=note)
    except (StaleState, InvalidTransition):
        session.refresh_from_db(fields=["state", "state_since", "failure"])


def _fail(session: ViewerSession, why: str) -> None:
    with transaction.atomic():
        _move(session, SessionState.FAILED, why[:200])
        if session.state == SessionState.FAILED and not session.failure:
            session.failure = why[:2000]
            session.save(update_fields=["failure"])


# --- drift ---


def _unwanted(
    launcher: Launcher, running: Mapping[UUID, Running], rows: Collection[ViewerSession]
) -> list[Drift]:
    """Return processes that no open view wants."""
    wanted = {row.uuid for row in rows if row.state in OPEN and row.has_process}
    stopping = {row.uuid: row for row in rows if row.state == SessionState.STOPPING}

    def removal(view: UUID) -> Callable[[], None]:
        def remove() -> None:
            launcher.remove(view)
            if view in stopping:
                _move(stopping[view], SessionState.STOPPED)

        return remove

    return [
        Drift(
            view, "is stopping" if view in stopping else "a process without a view", removal(view)
        )
        for view in running
        if view not in wanted
    ]


def _unfinished(
    launcher: Launcher,
    running: Mapping[UUID, Running],
    rows: Collection[ViewerSession],
    asked_at: datetime,
) -> list[Drift]:
    """Return views whose process is not what their row says."""
    found: list[Drift] = []
    for row in rows:
        # What moved since is another question.
        if not row.has_process or row.state_since >= asked_at:
            continue
        there = running.get(row.uuid)
        judged = _judged(row, there, launcher)
        if judged:
            found.append(Drift(row.uuid, *judged))
    return found


def _judged(
    row: ViewerSession, there: Running | None, launcher: Launcher
) -> tuple[str, Callable[[], None]] | None:
    is_gone = there is None or there.condition is Condition.GONE
    if row.state == SessionState.READY and is_gone:
        why = "Its process ended. Open it again to go on."
        return "its process is gone", lambda: _lose(row, launcher, why)
    if row.state == SessionState.STARTING and there and there.condition is Condition.READY:
        return "has become ready", lambda: _move(row, SessionState.READY)
    if row.state == SessionState.STARTING and _is_late(row):
        why = f"It was not ready within {settings.VIEWER_START_TIMEOUT_S} seconds."
        return "did not become ready", lambda: _lose(row, launcher, why)
    if row.state == SessionState.REQUESTED and _is_late(row):
        return "nobody came to it", lambda: _move(row, SessionState.STOPPED, "nobody came to it")
    if row.state == SessionState.STOPPING and there is None:
        return "its process is gone, as it should be", lambda: _move(row, SessionState.STOPPED)
    return None


def _lose(row: ViewerSession, launcher: Launcher, why: str) -> None:
    _fail(row, why)
    launcher.remove(row.uuid)
