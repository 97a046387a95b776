"""Two origins in one process, and the content security policy of each family of pages."""

from collections.abc import Callable

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core_app.http import is_viewer_origin

Next = Callable[[HttpRequest], HttpResponse]

ADMIN_POLICY = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
CLIENT_POLICY = {
    "script-src": [SELF, UNSAFE_EVAL],
    "img-src": [SELF, "data:", "blob:"],
    "worker-src": [SELF],
    "form-action": [NONE],
    "frame-ancestors": [SELF],
}
WRAPPER_POLICY = {"frame-src": [SELF], "form-action": [SELF]}


class RouteByHost:
    """Give the viewer origin its own addresses; nothing of the application answers there."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_viewer_origin(request):
            request.urlconf = settings.VIEWER_URLCONF
        return self.get_response(request)


class PolicyByFamily:
    """Loosen the strict policy where a family of pages needs it (the admin, the viewer client)."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = _policy_of(request)
        if policy:
            response._csp_replace = policy  # type: ignore[attr-defined]  # django-csp's hook
        return response


def _policy_of(request: HttpRequest) -> dict[str, list[str]] | None:
    if is_viewer_origin(request):
        return CLIENT_POLICY if request.path.startswith("/neuroglancer/v/") else WRAPPER_POLICY
    return ADMIN_POLICY if request.path.startswith("/admin/") else None
