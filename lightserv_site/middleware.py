"""Two origins in one process, and the content security policy of each family of pages."""

import re
from collections.abc import Callable

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core_app.http import host_of, is_viewer_origin

Next = Callable[[HttpRequest], HttpResponse]

CLIENT_PAGE = re.compile(r"/(?:neuroglancer|py/[0-9a-f-]{36})/v/")
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
    """Give each origin its own addresses and refuse what belongs to the other.

    The first of the middleware, because whitenoise answers for static files by itself.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        on_viewers = is_viewer_origin(request)
        if on_viewers:
            request.urlconf = settings.VIEWER_URLCONF
        refusal = _refused_by_viewers(request) if on_viewers else _refused_by_site(request)
        return refusal or self.get_response(request)


def _refused_by_viewers(request: HttpRequest) -> HttpResponse | None:
    # The client's own page has no content security policy; ours stands in for it.
    is_its_page = _is_client_file(request) and ".html" in request.path_info
    return _plain("Not found.", status=404) if is_its_page else None


def _refused_by_site(request: HttpRequest) -> HttpResponse | None:
    is_ours = host_of(request) in {settings.SITE_HOST, *settings.ALLOWED_HOSTS}
    if not is_ours or _is_client_file(request):
        return _plain("Not found.", status=404)
    if _is_fetched_by_a_sibling(request):
        return _plain("Open this page itself; other sites may not fetch it.", status=403)
    return None


def _is_client_file(request: HttpRequest) -> bool:
    return request.path_info.startswith(f"{settings.STATIC_URL}neuroglancer/")


def _is_fetched_by_a_sibling(request: HttpRequest) -> bool:
    """Return True for all but links and forms that come from another name of the same domain.

    To such a request, of the viewer origin for example, the browser adds the session cookie.
    """
    sent = request.headers
    how = sent.get("Sec-Fetch-Mode"), sent.get("Sec-Fetch-Dest")
    return sent.get("Sec-Fetch-Site") == "same-site" and how != ("navigate", "document")


def _plain(words: str, *, status: int) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, content_type="text/plain")


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
        return CLIENT_POLICY if CLIENT_PAGE.match(request.path) else WRAPPER_POLICY
    return ADMIN_POLICY if request.path.startswith("/admin/") else None
