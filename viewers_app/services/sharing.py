"""Share links: made once, kept as a digest, counted, extended, revoked."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import User
from core_app.roles import know_roles
from viewers_app import mails, rights, selectors
from viewers_app.models import Layer, SavedVersion, SavedView, ShareLink
from viewers_app.services import sessions
from viewers_app.showing import names_missing

TOKEN_BYTES = 32
HINT = 4
MOST_LINKS = 100
MOST_A_DAY = 200
NOT_SHARED = "Whoever made this link may not share these volumes any more."
MOST_PEOPLE = 100
MOST_USES = 1_000_000


class Standing(StrEnum):
    """Whether a link opens something today."""

    LIVE = "live"
    OVER = "over"
    REVOKED = "revoked"
    NO_ACCESS = "creator lost access"


@dataclass(frozen=True, slots=True)
class Terms:
    """For whom a link is, and how long."""

    scope: str
    days: int
    people: tuple[User, ...] = ()
    most_uses: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A new link. The token is kept nowhere: show it now or never."""

    link: ShareLink
    token: str
    left_out: tuple[str, ...]


def share(view: SavedView, terms: Terms, *, by: User) -> Made:
    """Make a link to a saved view. Volumes that its owner may not share stay out, and are named.

    Raises NotAllowed for somebody else's view and where nothing may be shared, Invalid for terms
    that cannot be.
    """
    if view.owner_id != by.pk:
        raise NotAllowed("Only the owner of a saved view shares it.")
    if view.removed_at is not None:
        raise NotReady("This saved view was removed. Bring it back first.")
    _require_sound(terms)
    if view.links.filter(revoked_at=None, expires_at__gt=timezone.now()).count() >= MOST_LINKS:
        raise NotReady(f"This view has {MOST_LINKS} links. Revoke one that is no longer used.")
    today = ShareLink.objects.filter(
        created_by=by, created_at__gt=timezone.now() - timedelta(days=1)
    )
    if today.count() >= MOST_A_DAY:
        raise NotReady(f"You made {MOST_A_DAY} links within a day. Make further ones tomorrow.")
    version = view.newest
    left_out = not_shareable(version, by)
    if not shareable(version, by):
        raise NotAllowed(
            "You may look at these volumes but not share them. Ask the owner of the request or "
            "the head of the lab to share them."
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        link = ShareLink.objects.create(
            digest=sessions.digest_of(token), hint=token[-HINT:], view=view, scope=terms.scope,
            note=terms.note, created_by=by, most_uses=terms.most_uses,
            expires_at=timezone.now() + timedelta(days=terms.days),
        )  # fmt: skip
        link.people.set(terms.people)
        mails.tell_shared(link, terms.people)
    return Made(link, token, tuple(left_out))


def find_link(token: str) -> ShareLink | None:
    """Return the link of this token, whatever became of it.

    The database looks for a digest, so how long it takes says nothing about any token.
    """
    return _links().filter(digest=sessions.digest_of(token)).first()


def link_for(view: SavedView, person: User) -> ShareLink | None:
    """Return a link by which this person may open the view as one of those it names."""
    rows = _links().filter(view=view, scope=ShareLink.Scope.NAMED, people=person)
    return next((link for link in rows.order_by("-expires_at") if not why_over(link)), None)


def is_for(link: ShareLink, person: User | None) -> bool:
    """Return True if the link is meant for this visitor; None is one without an account."""
    if person is None:
        return link.scope == ShareLink.Scope.ANYONE
    if link.scope == ShareLink.Scope.NAMED and person.pk != link.view.owner_id:
        return link.people.filter(pk=person.pk).exists()
    return True


def with_reasons(view: SavedView, user: User) -> list[tuple[ShareLink, str]]:
    """Return the links of an own view with why each is over; rights are asked once for all."""
    may_share = bool(shareable(view.newest, user))
    links = view.links.select_related("view", "created_by").prefetch_related("people")
    return [(link, _why_ended(link) or ("" if may_share else NOT_SHARED)) for link in links]


def standings(links: Sequence[ShareLink]) -> list[tuple[ShareLink, Standing]]:
    """Return each link with how it stands today; volumes, versions and roles are read once."""
    creators = {link.created_by_id: link.created_by for link in links}
    know_roles(creators.values())
    versions = SavedVersion.objects.filter(view__in={link.view_id for link in links})
    newest = dict(versions.order_by("number").values_list("view", "layers"))
    wanted = list({uuid for uuids in newest.values() for uuid in uuids})
    layers = {str(layer.uuid): layer for layer in selectors.find_layers(wanted)}

    def stands(link: ShareLink) -> Standing:
        if link.revoked_at is not None:
            return Standing.REVOKED
        if link.created_by.is_active and _why_ended(link):
            return Standing.OVER
        found = [layers[uuid] for uuid in newest.get(link.view_id, []) if uuid in layers]
        creator = creators[link.created_by_id]
        may = any(rights.may_share(creator, layer) for layer in found)
        return Standing.LIVE if may else Standing.NO_ACCESS

    return [(link, stands(link)) for link in links]


def why_over(link: ShareLink) -> str:
    """Return why the link opens nothing any more, as a sentence; "" if it does."""
    if ended := _why_ended(link):
        return ended
    return "" if shareable(link.view.newest, link.created_by) else NOT_SHARED


def _why_ended(link: ShareLink) -> str:
    """Return what the rows say of its end, rights aside."""
    if link.revoked_at is not None:
        return "This link was revoked by whoever shared it."
    if link.expires_at <= timezone.now():
        return f"This link ended on {timezone.localtime(link.expires_at):%Y-%m-%d}."
    if not link.has_uses_left:
        return "This link was used as often as it may be."
    if link.view.removed_at is not None:
        return "The view behind this link was removed."
    return "" if link.created_by.is_active else NOT_SHARED


def open_link(link: ShareLink, by: User | None, *, sign_in: str) -> sessions.OpenedView:
    """Open the newest version of what the link shows, and count the use.

    Of several visitors at once no more get in than there are uses left; the others get Gone.
    Raises NotAllowed for whom it is not meant.
    """
    if not is_for(link, by):
        raise NotAllowed("This link is for other people.")
    if over := why_over(link):
        raise sessions.Gone(over)
    version = link.view.newest
    wanted = sessions.Wanted(
        shareable(version, link.created_by), link.view.name, version=version, share=link
    )
    with transaction.atomic():
        if not _count_use(link):
            link.refresh_from_db()
            raise sessions.Gone(why_over(link) or "This link has just ended.")
        return sessions.open_view(wanted, by, sign_in=sign_in)


def open_saved(version: SavedVersion, by: User, *, sign_in: str) -> sessions.OpenedView:
    """Open a version of an own saved view, with those of its volumes that are there and visible."""
    layers = [layer for layer in selectors.find_layers(version.layers) if rights.may_see(by, layer)]
    if not layers:
        raise NotReady("None of the volumes of this view is still there and yours to see.")
    wanted = sessions.Wanted(layers, version.view.name, version=version)
    return sessions.open_view(wanted, by, sign_in=sign_in)


def revoke(link: ShareLink) -> None:
    """End the link; views that it opened lose their data within 30 s."""
    ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now())


def extend(link: ShareLink, *, days: int) -> None:
    """Let the link last so many days from now. A revoked one stays revoked."""
    _require_days(days)
    until = timezone.now() + timedelta(days=days)
    if ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(expires_at=until) != 1:
        raise NotReady("This link was revoked, which is for good. Make a new one.")


def shareable(version: SavedVersion, person: User) -> list[Layer]:
    """Return the volumes of the version that this person may let others see today."""
    rows = selectors.find_layers(version.layers)
    return [layer for layer in rows if rights.may_share(person, layer)]


def not_shareable(version: SavedVersion, person: User) -> list[str]:
    """Return the names of the layers that a link of this person leaves out."""
    return names_missing(version, shareable(version, person))


def _links() -> QuerySet[ShareLink]:
    return ShareLink.objects.select_related("view__owner", "created_by")


def _count_use(link: ShareLink) -> bool:
    now = timezone.now()
    left = Q(most_uses=None) | Q(uses__lt=F("most_uses"))
    rows = ShareLink.objects.filter(left, pk=link.pk, revoked_at=None, expires_at__gt=now)
    return rows.update(uses=F("uses") + 1, last_used_at=now) == 1


def _require_sound(terms: Terms) -> None:
    if terms.scope not in ShareLink.Scope.values:
        raise Invalid("Choose for whom the link is.", fields={"scope": ["Choose one."]})
    if terms.scope == ShareLink.Scope.NAMED and not terms.people:
        raise Invalid("Name at least one person.", fields={"people": ["Name at least one person."]})
    if len(terms.people) > MOST_PEOPLE:
        raise Invalid(f"Name at most {MOST_PEOPLE} people.", fields={"people": ["Too many."]})
    if terms.most_uses is not None and not 1 <= terms.most_uses <= MOST_USES:
        words = f"Give a number from 1 to {MOST_USES:,}, or leave it empty."
        raise Invalid(words, fields={"most_uses": [words]})
    _require_days(terms.days)


def _require_days(days: int) -> None:
    most = settings.VIEWER_SHARE_MAX_DAYS
    if not 1 <= days <= most:
        words = f"A link lasts 1 to {most} days."
        raise Invalid(words, fields={"days": [words]})
