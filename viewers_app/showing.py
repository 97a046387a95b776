"""What the client is told to show: of a saved view what was saved, else what the recipe makes."""

from collections.abc import Sequence

from viewers_app import selectors
from viewers_app.models import Layer, ViewerSession
from viewers_app.neuroglancer import Screen, State, state_of


def state_for(session: ViewerSession, rows: Sequence[Layer], screen: Screen) -> State:
    """Return the client's state of this view, with `layer:<uuid>` for addresses.

    `rows` are the view's layers that its visitor may see now, in their order.
    """
    return state_of(selectors.spec_of(session.title, rows), screen)
