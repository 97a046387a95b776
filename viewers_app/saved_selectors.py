"""Reads of saved views and of links. Every one takes the person who asks."""

from collections.abc import Iterator

from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from core_app.models import User
from viewers_app.models import SavedView, ShareLink, ViewerSession

LATEST_OPENED = 20


def saved_views(*, owner: User) -> QuerySet[SavedView]:
    """Return the person's own views that were not removed, the last saved first."""
    return removable_views(owner=owner).filter(removed_at=None)


def removable_views(*, owner: User) -> QuerySet[SavedView]:
    """Return the person's own views, also those that were removed."""
    return SavedView.objects.filter(owner=owner).select_related("owner")


def with_counts(rows: QuerySet[SavedView]) -> QuerySet[SavedView]:
    """Return the views with the number of their newest version and of links that may open them."""
    live = Q(links__revoked_at=None, links__expires_at__gt=timezone.now())
    counted = rows.annotate(
        newest_number=Max("versions__number"), live_links=Count("links", filter=live, distinct=True)
    )
    return counted.order_by("-updated_at", "-pk")


def shared_with(person: User) -> QuerySet[ShareLink]:
    """Return the links that name this person and still open something, those that last first."""
    rows = ShareLink.objects.select_related("view__owner", "created_by").filter(
        people=person, scope=ShareLink.Scope.NAMED, revoked_at=None,
        expires_at__gt=timezone.now(), view__removed_at=None, created_by__is_active=True,
    )  # fmt: skip
    return rows.order_by("-expires_at", "-pk")


def views_shared_with(person: User) -> Iterator[ShareLink]:
    """Return one link for each view that is shared with this person."""
    seen: set[int] = set()
    for link in shared_with(person):
        if link.view_id not in seen:
            seen.add(link.view_id)
            yield link


def opened_by(view: SavedView) -> QuerySet[ViewerSession]:
    """Return when the links of this view were opened and by whom, the latest first."""
    rows = ViewerSession.objects.filter(share__view=view).select_related("owner", "share")
    return rows.order_by("-created_at")[:LATEST_OPENED]
