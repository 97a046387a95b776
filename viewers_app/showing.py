"""What the client is told to show: of a saved view what was saved, else what the recipe makes."""

from collections.abc import Sequence

from viewers_app.described import spec_of
from viewers_app.models import Layer, ViewerSession
from viewers_app.neuroglancer import state_of
from viewers_app.recipes import template_of
from viewers_app.rendering import State
from viewers_app.specs import ARRANGEMENTS, Screen, ViewerSpec


def state_for(session: ViewerSession, rows: Sequence[Layer], screen: Screen) -> State:
    """Return the client's state of this view, with `layer:<uuid>` for addresses.

    `rows` are the view's layers that its visitor may see now, in their order.
    """
    return state_of(spec_for(session, rows), screen)


def spec_for(session: ViewerSession, rows: Sequence[Layer]) -> ViewerSpec:
    """Return what this view shows, as its recipe and options say."""
    options = session.options
    arrangement = options.get("arrangement")
    known = arrangement if arrangement in ARRANGEMENTS else ""
    overlaid = options.get("overlaid")
    return spec_of(
        session.title,
        rows,
        template_of(session.recipe, str(known)),
        frozenset(map(str, overlaid)) if isinstance(overlaid, list) else None,
    )
