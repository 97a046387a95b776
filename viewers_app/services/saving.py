"""Saved views: kept under a name, added to, renamed, removed and brought back."""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import User
from viewers_app import annotations, documents, rights, selectors
from viewers_app.models import SavedVersion, SavedView, ViewerSession
from viewers_app.rendering import State
from viewers_app.services.sessions import MOST_LAYERS

MOST_VIEWS = 500
MOST_VERSIONS = 200
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Saved:
    """A version that was just made, and sentences about what is not in it."""

    version: SavedVersion
    left_out: tuple[str, ...]


def save(
    session: ViewerSession, state: object, *, name: str, onto: SavedView | None = None
) -> Saved:
    """Keep what the page of this view shows, as a new saved view or as a version of `onto`.

    Raises NotAllowed for a visitor without an account, Invalid for a state that cannot be kept.
    """
    owner = session.owner
    if owner is None:
        raise NotAllowed("Saving needs an account. Sign in, open the link again, and save then.")
    if onto is not None and onto.owner_id != owner.pk:
        raise NotAllowed("This saved view is somebody else's. Save yours under a name of its own.")

    @cache  # the same volume may be named a thousand times
    def may_keep(uuid: str) -> bool:
        layer = selectors.find_layer(UUID(uuid))
        return (
            layer is not None and rights.may_fetch(session, layer) and rights.may_see(owner, layer)
        )

    found = documents.kept(state, origin=settings.VIEWER_URL, may_keep=may_keep)
    if len(found.layers) > MOST_LAYERS:
        raise Invalid(f"A view has at most {MOST_LAYERS} volumes. Close some and save again.")
    with transaction.atomic():
        view = onto or _new_view(owner, name)
        version = add_version(view, found.document, found.layers, by=owner)
        _go_on_from(session, version)
    return Saved(version, found.left_out)


def add_version(
    view: SavedView, document: State, layers: Sequence[str], *, by: User
) -> SavedVersion:
    """Make the document the newest version of the view. Two at once become two versions."""
    with transaction.atomic():
        held = SavedView.objects.select_for_update().get(pk=view.pk)
        if held.removed_at is not None:
            raise NotReady("This saved view was removed. Bring it back first.")
        newest = held.versions.aggregate(newest=Max("number"))["newest"] or 0
        if newest >= MOST_VERSIONS:
            raise NotReady(f"It has {MOST_VERSIONS} versions. Save under another name.")
        made = SavedVersion.objects.create(
            view=held, number=newest + 1, document=document, layers=list(layers), by=by
        )
        held.updated_at = timezone.now()
        held.save(update_fields=["updated_at"])
    return made


def add_annotations(
    view: SavedView, found: Sequence[State], *, by: User, name: str = "annotations"
) -> SavedVersion:
    """Add a layer with these annotations, in a new version. Raises Invalid if it gets too large."""
    with transaction.atomic():
        # Held, so that two who add at once both find what the other added.
        newest = SavedView.objects.select_for_update().get(pk=view.pk).newest
        document = annotations.added(newest.document, name, list(found))
        most = settings.VIEWER_STATE_MAX_BYTES
        if len(json.dumps(document)) > most:
            raise Invalid(
                f"With these annotations the view is larger than {most:,} bytes. Add fewer."
            )
        return add_version(view, document, newest.layers, by=by)


def rename(view: SavedView, name: str) -> None:
    """Give the view another name; its address and its links stay."""
    view.name = named(name)
    view.save(update_fields=["name"])


def remove(view: SavedView) -> None:
    """Take the view away; its links open nothing until it is brought back."""
    SavedView.objects.filter(pk=view.pk, removed_at=None).update(removed_at=timezone.now())


def restore(view: SavedView) -> None:
    """Bring back a view that was removed, with its links as they were."""
    SavedView.objects.filter(pk=view.pk).update(removed_at=None)


def named(text: str) -> str:
    """Return the name on one line. Raises Invalid for none, or one that is too long."""
    printable = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    name = " ".join(printable.split())
    if not name:
        raise Invalid("Give the view a name.", fields={"name": ["Give the view a name."]})
    if len(name) > LONGEST_NAME:
        words = f"A name has at most {LONGEST_NAME} characters; this one has {len(name)}."
        raise Invalid(words, fields={"name": [words]})
    return name


def _new_view(owner: User, name: str) -> SavedView:
    # Removed ones can be brought back, so they take room as well.
    if owner.saved_views.count() >= MOST_VIEWS:
        raise NotReady(
            f"You have {MOST_VIEWS} saved views, those that you removed among them. Save this one "
            "onto a view that you no longer need."
        )
    return SavedView.objects.create(owner=owner, name=named(name))


def _go_on_from(session: ViewerSession, version: SavedVersion) -> None:
    """Let an own view go on as what was saved, so that saving again adds to it.

    One that a link opened stays what the link opened: its volumes are those of the link.
    """
    if session.share_id is not None:
        return
    session.version = version
    session.title = version.view.name
    session.spec = {**session.spec, "layers": list(version.layers)}
    session.save(update_fields=["version", "title", "spec"])
