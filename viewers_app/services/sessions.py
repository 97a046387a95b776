"""Views: opened with a one-time ticket, renewed while somebody looks, ended by hand or by time."""

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from urllib.parse import urlencode

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from core_app.bell import ring
from core_app.errors import (
    DomainError,
    Invalid,
    InvalidTransition,
    NotAllowed,
    NotReady,
    StaleState,
)
from core_app.models import User
from core_app.transitions import advance, born, record
from viewers_app import rights
from viewers_app.models import Layer, SavedVersion, ShareLink, Ticket, ViewerSession
from viewers_app.recipes import RECIPES
from viewers_app.states import OPEN, SessionState

SPEC_VERSION = 2
MOST_LAYERS = 32
EXPIRED_AT_ONCE = 500
TEND = "viewers_app.tasks.tend_views"
TICKET_OVER = "This link was used before, or is older than a minute."
NO_PROCESSES = (
    "Python viewers are not set up on this site, so this kind of view cannot be opened. "
    "Tell an operator if you need it."
)


class Full(DomainError):
    """There is no place for one more view with a process."""

    code = "full"


class Gone(DomainError):
    """The ticket or the view is over; the person opens a new one."""

    code = "gone"


@dataclass(frozen=True, slots=True)
class OpenedView:
    """Where the person is sent. The address opens the view once."""

    url: str
    session: ViewerSession


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to open: volumes, and how they are shown.

    `recipe` is a key of viewers_app.recipes with its `options`; `version` a saved view's, which is
    shown as it was saved; `share` the link that opens it. `once` is of one press of a button.
    """

    layers: Sequence[Layer]
    title: str
    recipe: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    version: SavedVersion | None = None
    share: ShareLink | None = None
    once: str = ""

    @property
    def needs_process(self) -> bool:
        """Return True if only a Python viewer can show it."""
        return self.version is None and self.recipe in RECIPES and RECIPES[self.recipe].needs_python


def open_view(wanted: Wanted, by: User | None, *, sign_in: str = "") -> OpenedView:
    """Start a view and return its one-time address.

    `sign_in` is the key of the application's session it is opened from; the view ends with that.
    `by` is None only for a visitor of a share link that needs no account. Raises Invalid without a
    volume or with too many, NotAllowed if one is not the person's, or the link's, to see, and Full
    if it needs a process and there is no place for one. The same press twice opens one view.
    """
    _require_some(wanted.layers)
    if not all(rights.may_fetch(_new(wanted, by, sign_in), layer) for layer in wanted.layers):
        raise NotAllowed("One of these volumes is not yours to see. Ask its owner to share it.")
    try:
        return _opened(_new(wanted, by, sign_in), by)
    except IntegrityError:
        if not wanted.once:
            raise
        return _opened(_new(wanted, by, sign_in), by)  # the other of two presses was first


def enter(session: ViewerSession, by: User) -> OpenedView:
    """Return another one-time address of a view that is still open. Raises Gone if it is not."""
    if not session.is_live:
        raise Gone("This view has ended.")
    with transaction.atomic():
        record(session, "opened again", by=by)
        return OpenedView(_ticket_for(session), session)


def holder_of(token: str) -> ViewerSession:
    """Return the view that the ticket opens, and leave the ticket. Raises Gone if it opens none."""
    return _live(_ticket(token))


def use_ticket(token: str) -> ViewerSession:
    """Take the ticket and return its view. Exactly one caller succeeds; the others get Gone."""
    ticket = _ticket(token)
    # The deleted row is the claim: of two racing callers one deletes it.
    if Ticket.objects.filter(pk=ticket.pk).delete()[0] != 1:
        raise Gone(TICKET_OVER)
    return _live(ticket)


def _ticket(token: str) -> Ticket:
    rows = Ticket.objects.select_related(
        "session__owner", "session__share__view", "session__share__created_by"
    )
    found = rows.filter(digest=digest_of(token), expires_at__gt=timezone.now()).first()
    if found is None:
        raise Gone(TICKET_OVER)
    return found


def _live(ticket: Ticket) -> ViewerSession:
    if not ticket.session.is_live:
        raise Gone("This view has ended.")
    return ticket.session


def renew(session: ViewerSession) -> ViewerSession:
    """Note that somebody is still looking. Raises Gone if the view has ended."""
    if not session.is_live:
        raise Gone("This view has ended.")
    session.last_activity_at = timezone.now()
    session.save(update_fields=["last_activity_at"])
    return session


def stop_session(session: ViewerSession, by: User | None) -> None:
    """End a view now; its process, if it has one, soon after. Ending it twice changes nothing."""
    if session.state in {SessionState.STOPPED, SessionState.STOPPING}:
        return
    with transaction.atomic():
        _end(session, SessionState.STOPPED, by=by)
        session.tickets.all().delete()


def extend(session: ViewerSession, by: User) -> None:
    """Give a view that is still open its full time once more, from now on.

    Raises Gone if it is over, and NotReady if a process runs for it, which ends when it was told.
    """
    if not session.is_live:
        raise Gone("This view has ended. Its person opens it again.")
    if session.has_process and session.state != SessionState.REQUESTED:
        raise NotReady(
            "A Python viewer ends at the time that it was started with. Its person opens it again."
        )
    now = timezone.now()
    until = now + timedelta(seconds=settings.VIEWER_MAX_AGE_S)
    with transaction.atomic():
        rows = ViewerSession.objects.filter(pk=session.pk, state=session.state, expires_at__gt=now)
        if rows.update(expires_at=until) != 1:
            raise Gone("This view has just ended. Its person opens it again.")
        record(session, "extended", by=by, note=f"until {timezone.localtime(until):%Y-%m-%d %H:%M}")
    session.expires_at = until


@dataclass(frozen=True, slots=True)
class Over:
    """A view that should have ended, and why."""

    session: ViewerSession
    why: str


def views_over() -> Iterator[Over]:
    """Return the views whose time or sign-in is over, or at which nobody looks any more."""
    rows = ViewerSession.objects.select_related("owner", "share__view", "share__created_by")
    for session in rows.filter(state=SessionState.READY).order_by("expires_at"):
        if why := _why_over(session):
            yield Over(session, why)


def expire_sessions() -> int:
    """End the views that are over, drop dead tickets; return how many ended.

    One that cannot be ended stops none of the others.
    """
    Ticket.objects.filter(expires_at__lt=timezone.now()).delete()
    return sum(_expire(over) for over in islice(views_over(), EXPIRED_AT_ONCE))


def _expire(over: Over) -> bool:
    try:
        with transaction.atomic():
            _end(over.session, SessionState.EXPIRED, by=None, note=over.why)
    except (StaleState, InvalidTransition):
        return False  # stopped by somebody in this very moment
    return True


def _end(session: ViewerSession, to: SessionState, *, by: User | None, note: str = "") -> None:
    """Advance the row to its end. Where something runs for it, that is removed first."""
    runs = session.has_process and session.state != SessionState.REQUESTED
    advance(session, SessionState.STOPPING if runs else to, by=by, note=note)
    if runs:
        ring(TEND)


def _why_over(session: ViewerSession) -> str:
    now = timezone.now()
    if session.expires_at <= now:
        return "time was over"
    if session.share and not session.share.is_live:
        return "its share link ended"
    if not session.is_live:
        return "its owner signed out"
    if session.last_activity_at <= now - timedelta(seconds=settings.VIEWER_IDLE_S):
        return "nobody looked at it"
    return ""


def _new(wanted: Wanted, by: User | None, sign_in: str) -> ViewerSession:
    return ViewerSession(
        owner=by,
        share=wanted.share,
        version=wanted.version,
        mode=ViewerSession.Mode.PYTHON if wanted.needs_process else ViewerSession.Mode.STATIC,
        title=wanted.title[:200],
        once=wanted.once[:64] or None,
        spec={
            "version": SPEC_VERSION,
            "layers": [str(layer.uuid) for layer in wanted.layers],
            "recipe": wanted.recipe,
            "options": dict(wanted.options),
        },
        sign_in=sign_in,
        password_stamp=by.get_session_auth_hash() if by else "",
        expires_at=timezone.now() + timedelta(seconds=settings.VIEWER_MAX_AGE_S),
    )


def _opened(session: ViewerSession, by: User | None) -> OpenedView:
    with transaction.atomic():
        session = _pressed_before(session) or _started(session, by)
        return OpenedView(_ticket_for(session), session)


def _ticket_for(session: ViewerSession) -> str:
    token = secrets.token_urlsafe(32)
    Ticket.objects.create(
        digest=digest_of(token),
        session=session,
        expires_at=timezone.now() + timedelta(seconds=settings.VIEWER_TICKET_AGE_S),
    )
    return f"{settings.VIEWER_URL}/open?{urlencode({'ticket': token})}"


def _started(session: ViewerSession, by: User | None) -> ViewerSession:
    if session.has_process:
        _require_place(session)
    session.full_clean(validate_unique=False)
    session.save()
    born(session, by=by)
    if not session.has_process:
        # The client fetches what it needs. A process is started once somebody looks.
        advance(session, SessionState.READY, by=by)
    return session


def _pressed_before(session: ViewerSession) -> ViewerSession | None:
    """Return the view that this very press opened already; a press with other wishes is another."""
    if session.once is None:
        return None
    rows = ViewerSession.objects.select_for_update().filter(once=session.once)
    found = rows.first()
    if found is None:
        return None
    is_same = (found.owner_id, found.spec) == (session.owner_id, session.spec)
    if is_same and found.is_live:
        return found
    if found.owner_id == session.owner_id:
        found.once = None
        found.save(update_fields=["once"])
    else:
        session.once = None
    return None


def _require_place(session: ViewerSession) -> None:
    """Raise Full where one more process is too much. The launcher has the last word on it."""
    if settings.LAUNCHER == "static":
        raise Invalid(NO_PROCESSES)
    if session.owner is None:
        raise NotAllowed("Sign in to open this kind of view; it takes a place of your own.")
    # Two presses of one person wait for each other here.
    list(User.objects.select_for_update().filter(pk=session.owner.pk).values_list("pk"))
    rows = ViewerSession.objects.filter(
        mode=ViewerSession.Mode.PYTHON, state__in={*OPEN, SessionState.STOPPING}
    )
    own = rows.filter(owner=session.owner_id).order_by("pk").values_list("title", flat=True)
    if len(own) >= settings.VIEWER_MAX_PER_USER:
        raise Full(
            f"You have {len(own)} Python viewers open, which is the limit: {', '.join(own)}. "
            "Close one of them on the page Viewers, then press the button again."
        )
    if rows.count() >= settings.VIEWER_MAX_TOTAL:
        raise Full(
            "All places for Python viewers are taken. Open the atlas without keys, or try again "
            "in some minutes."
        )


def _require_some(layers: Sequence[Layer]) -> None:
    if not layers:
        raise Invalid("Choose at least one volume, then press Open.")
    if len(layers) > MOST_LAYERS:
        raise Invalid(f"Choose at most {MOST_LAYERS} volumes for one view.")


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
