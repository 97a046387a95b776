"""The cookie of the viewer origin: which view a browser has open, signed and short-lived."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from viewers_app.models import ViewerSession

SALT = "viewers_app.cookie"


def give_cookie(response: HttpResponse, session: ViewerSession) -> None:
    """Let this browser fetch data for the owner of the view, until the cookie is too old."""
    response.set_signed_cookie(
        settings.VIEWER_COOKIE_NAME,
        str(session.uuid),
        salt=SALT,
        max_age=settings.VIEWER_COOKIE_AGE_S,
        path="/",
        secure=settings.VIEWER_URL.startswith("https://"),
        httponly=True,
        samesite="Lax",
    )


def session_in(request: HttpRequest) -> UUID | None:
    """Return the view that the cookie names, or None if there is no valid one."""
    text = request.get_signed_cookie(
        settings.VIEWER_COOKIE_NAME, None, salt=SALT, max_age=settings.VIEWER_COOKIE_AGE_S
    )
    return UUID(text) if text else None
