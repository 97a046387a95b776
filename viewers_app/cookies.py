"""The cookie of the viewer origin: which views a browser has open, signed and short-lived."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from viewers_app.models import ViewerSession

SALT = "viewers_app.cookie"
# The newest are named. Pages of older views go on with them, and name themselves when they renew.
MOST_NAMED = 8


def give_cookie(response: HttpResponse, *views: ViewerSession) -> None:
    """Let this browser fetch data while one of these views is live and the cookie is young.

    All of them are of one person and one sign-in, so that signing out ends the cookie too.
    """
    named = dict.fromkeys(view.uuid.hex for view in views)
    response.set_signed_cookie(
        settings.VIEWER_COOKIE_NAME,
        ".".join(list(named)[:MOST_NAMED]),
        salt=SALT,
        max_age=settings.VIEWER_COOKIE_AGE_S,
        path="/",
        secure=settings.VIEWER_URL.startswith("https://"),
        httponly=True,
        samesite="Lax",
    )


def views_in(request: HttpRequest) -> frozenset[UUID]:
    """Return the views that the cookie names; none if there is no valid one."""
    text = request.get_signed_cookie(
        settings.VIEWER_COOKIE_NAME, None, salt=SALT, max_age=settings.VIEWER_COOKIE_AGE_S
    )
    return frozenset(UUID(name) for name in text.split(".")) if text else frozenset()
