"""What the client is told to show: of a saved view what was saved, else what the recipe makes."""

from collections.abc import Sequence

from viewers_app import documents, regions
from viewers_app.cuts import parse_cut
from viewers_app.described import spec_of
from viewers_app.models import Layer, SavedVersion, ViewerSession
from viewers_app.neuroglancer import state_of
from viewers_app.recipes import template_of
from viewers_app.rendering import State
from viewers_app.revisions import revision_of
from viewers_app.specs import ARRANGEMENTS, Screen, ViewerSpec


def state_for(session: ViewerSession, rows: Sequence[Layer], screen: Screen) -> State:
    """Return the client's state of this view, with `layer:<uuid>` for addresses.

    `rows` are the view's layers that its visitor may see now, in their order.
    """
    if session.version is not None:
        uuids = {str(layer.uuid) for layer in rows}
        return documents.shown(session.version.document, title=session.title, uuids=uuids)
    return state_of(spec_for(session, rows), screen)


def revisions_of(rows: Sequence[Layer]) -> dict[str, str]:
    """Return {uuid: revision} of what is on disk now; "" for what cannot be read."""
    return {str(layer.uuid): revision_of(layer.folder, made=layer.made) for layer in rows}


def words_on_missing(session: ViewerSession, rows: Sequence[Layer]) -> str:
    """Return a sentence about what was saved and is not shown; "" if all of it is.

    Visitors of a link hear how many layers there are, and the person who saved them which.
    """
    names = names_missing(session.version, rows) if session.version else []
    if not names:
        return ""
    which = f"{len(names)} of its layers" if session.share_id else ", ".join(names)
    return f"Not shown, because the volume is gone or not open to you: {which}."


def names_missing(version: SavedVersion, rows: Sequence[Layer]) -> list[str]:
    """Return the names of the version's layers whose volume is not among these."""
    uuids = {str(layer.uuid) for layer in rows}
    saved = documents.volumes_of(version.document)
    return [name for uuid, name in saved.items() if uuid not in uuids]


def spec_for(session: ViewerSession, rows: Sequence[Layer]) -> ViewerSpec:
    """Return what this view shows, as its recipe and options say."""
    options = session.options
    arrangement = options.get("arrangement")
    known = arrangement if arrangement in ARRANGEMENTS else ""
    overlaid = options.get("overlaid")
    spec = spec_of(
        session.title,
        rows,
        template_of(session.recipe, str(known)),
        frozenset(map(str, overlaid)) if isinstance(overlaid, list) else None,
    )
    cut = parse_cut(str(options.get("cut", "")))
    return regions.with_cut(spec, rows, cut) if cut else spec
