"""Views that were saved, and links to them, as people make them."""

from collections.abc import Sequence

from core_app.models import User
from viewers_app.models import Layer, SavedView, ShareLink
from viewers_app.services import saving, sharing
from viewers_app.services.sharing import Made, Terms


def a_document(layers: Sequence[Layer]) -> dict[str, object]:
    """Return what is kept of a view that shows these volumes."""
    rows = [
        {"type": "image", "name": f"volume {n}", "source": f"layer:{layer.uuid}"}
        for n, layer in enumerate(layers, start=1)
    ]
    return {"layers": rows, "position": [1, 2, 3]}


def a_saved_view(owner: User, *layers: Layer, name: str = "tracts") -> SavedView:
    view = SavedView.objects.create(owner=owner, name=name)
    add_version(view, *layers)
    return view


def add_version(view: SavedView, *layers: Layer) -> None:
    uuids = [str(layer.uuid) for layer in layers]
    saving.add_version(view, a_document(layers), uuids, by=view.owner)


def share(
    view: SavedView, *people: User, scope: str = "", days: int = 14, most_uses: int | None = None
) -> Made:
    """Share with these people, or with anyone if nobody is named and no scope is given."""
    usual = ShareLink.Scope.NAMED if people else ShareLink.Scope.ANYONE
    terms = Terms(scope=scope or usual, days=days, people=people, most_uses=most_uses)
    return sharing.share(view, terms, by=view.owner)
