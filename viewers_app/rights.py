"""Who may see a volume: a person by the request, a view by its person or its share link."""

from core_app.models import User
from core_app.roles import Action, can, roles_of
from viewers_app.models import AtlasLayer, Layer, ViewerSession


def may_see(person: User, layer: Layer) -> bool:
    """Return True if this person may look at the volume; atlases are everybody's."""
    return _may(person, Action.SEE_VOLUMES, layer)


def may_share(person: User, layer: Layer) -> bool:
    """Return True if this person may let others look at the volume."""
    return _may(person, Action.SHARE, layer)


def may_see_path(person: User, layer: Layer) -> bool:
    """Return True if this person may know where the volume lies: staff, and its owner."""
    if isinstance(layer, AtlasLayer):
        return bool(roles_of(person))
    return bool(roles_of(person)) or person.pk == layer.request.owner_id


def may_fetch(view: ViewerSession, layer: Layer) -> bool:
    """Return True if a browser with this live view may have the volume's data.

    An own view is good for all that the person may see. One that a share link opened is good for
    the volumes of the saved view, as long as whoever made the link may share them.
    """
    if view.share is None:
        return view.owner is not None and may_see(view.owner, layer)
    return str(layer.uuid) in view.layer_uuids and may_share(view.share.created_by, layer)


def _may(person: User, action: Action, layer: Layer) -> bool:
    if isinstance(layer, AtlasLayer):
        return person.is_active and layer.atlas.is_installed
    return can(person, action, layer.request)
