"""Whose request it is on the viewer origin, by the viewer cookie alone."""

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from viewers_app import selectors
from viewers_app.cookies import views_in
from viewers_app.models import ViewerSession


def is_from_here(request: HttpRequest) -> bool:
    """Return True if a page of this origin sent it."""
    return request.headers.get("Origin") == settings.VIEWER_URL


def own_session(request: HttpRequest, uuid: UUID) -> tuple[ViewerSession | None, HTTPStatus]:
    """Return the live view at this address if it is this browser's person's, else why not."""
    named = views_in(request)
    live = list(selectors.live_views(named))
    if not live:
        return None, HTTPStatus.UNAUTHORIZED
    session = selectors.find_view(uuid)
    if session is None or not (session.uuid in named or _is_of_same_person(session, live)):
        return None, HTTPStatus.NOT_FOUND
    if not session.is_live:
        return None, HTTPStatus.GONE
    return session, HTTPStatus.OK


def _is_of_same_person(session: ViewerSession, live: list[ViewerSession]) -> bool:
    return session.owner_id is not None and session.owner_id in {view.owner_id for view in live}
