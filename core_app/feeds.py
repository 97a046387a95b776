"""Secret addresses of calendar feeds: made once, kept as a digest, revoked for good."""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from core_app import roles
from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import CalendarFeed, User
from core_app.roles import Role

MOST_FEEDS = 20
TOKEN_BYTES = 32
NOTED_EVERY = timedelta(hours=1)
FOR_STAFF = frozenset({CalendarFeed.Scope.CLEARING, CalendarFeed.Scope.HANDOFFS})


def is_clearing_staff(user: User) -> bool:
    return roles.has_role(user, Role.CLEARER, Role.MANAGER)


def scopes_for(user: User) -> list[CalendarFeed.Scope]:
    """Return what this person may subscribe to."""
    return [s for s in CalendarFeed.Scope if s not in FOR_STAFF or is_clearing_staff(user)]


def feeds_of(user: User) -> QuerySet[CalendarFeed]:
    return CalendarFeed.objects.filter(user=user, revoked_at=None)


def make_feed(user: User, scope: str, *, about: int | None = None) -> str:
    """Make an address and return its token, which is kept nowhere: show it now or never.

    `about` is the id of the microscope, for a calendar of one.
    """
    if scope not in CalendarFeed.Scope.values:
        raise Invalid("Choose what the calendar shows.", fields={"scope": ["Choose one."]})
    if (scope == CalendarFeed.Scope.MICROSCOPE) != (about is not None):
        raise Invalid("Choose one of the microscopes.", fields={"scope": ["Choose one."]})
    if CalendarFeed.Scope(scope) not in scopes_for(user):
        raise NotAllowed("Only clearing staff and managers subscribe to everybody's work.")
    if feeds_of(user).count() >= MOST_FEEDS:
        raise NotReady(f"You have {MOST_FEEDS} addresses; revoke one that is no longer used.")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    CalendarFeed.objects.create(user=user, scope=scope, about_id=about, digest=digest_of(token))
    return token


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def revoke_feed(pk: int, *, by: User) -> bool:
    """End one of the person's own addresses. Returns False if there is no such address."""
    return bool(feeds_of(by).filter(pk=pk).update(revoked_at=timezone.now()))


def find_feed(token: str) -> CalendarFeed | None:
    """Return the feed at this address unless it is revoked or its person's account is closed.

    The database looks for a digest, so how long it takes says nothing about any token.
    """
    rows = CalendarFeed.objects.select_related("user")
    return rows.filter(digest=digest_of(token), revoked_at=None, user__is_active=True).first()


def note_use(feed: CalendarFeed) -> None:
    """Note that somebody reads the feed, at most once an hour."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTED_EVERY)
    CalendarFeed.objects.filter(stale, pk=feed.pk).update(last_used_at=now)
