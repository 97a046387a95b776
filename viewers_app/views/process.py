"""Pages of views that a Python viewer shows: while it starts, its client, and the way to it.

The client's page and scripts are the site's own; only what they say to the process is passed on.
In production the proxy does that, after `authorise_view`.
"""

import logging
import re
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core_app.errors import OutsideError, Unreachable
from viewers_app.client_page import client_files
from viewers_app.models import ViewerSession
from viewers_app.services import processes
from viewers_app.states import SessionState
from viewers_app.views.visitors import is_from_here, own_session

logger = logging.getLogger(__name__)

# What the client says to its process: the state that it shows, keys that were pressed.
PASSED_ON = re.compile(r"(?:events|state|action)/[0-9a-f]{64}")
MOST_BYTES = 4 * 2**20


def starting_page(request: HttpRequest, session: ViewerSession) -> HttpResponse:
    """Show that the viewer is being started; the page asks on and goes there by itself."""
    context = {
        "session": session,
        "page": {"start": reverse("start", args=[session.uuid])},
        "again": f"{settings.SITE_URL}/viewers/again/{session.uuid}/",
        "limit_s": settings.VIEWER_START_TIMEOUT_S,
    }
    return render(request, "viewers_app/starting.html", context)


@csrf_exempt  # the Origin check is stricter, and this origin needs no cookie but its own
@never_cache
@require_POST
def start(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Start the process, or say how far it is: `state`, and `words` if something is wrong."""
    if not is_from_here(request):
        return JsonResponse({"error": "wrong origin"}, status=HTTPStatus.FORBIDDEN)
    session, refusal = own_session(request, uuid)
    if session is None:
        return JsonResponse({"error": refusal.phrase}, status=refusal)
    words = ""
    try:
        session = processes.bring_up(session)
    except Unreachable as silence:
        logger.error("view %s: %s", session.uuid, silence)
        words = "The launcher of viewers does not answer yet."
    return JsonResponse({"state": session.state, "words": session.failure or words})


@xframe_options_sameorigin
@require_GET
def python_client(request: HttpRequest, uuid: UUID, token: str) -> HttpResponse:
    """Serve the client's page for a view with a process; it finds the process by its address."""
    session, refusal = _running_session(request, uuid)
    if session is None or not constant_time_compare(token, processes.token_of(uuid)):
        return _plain("Not found.", refusal if session is None else HTTPStatus.NOT_FOUND)
    files = client_files(settings.NEUROGLANCER_CLIENT)
    context = {"files": files, "static_url": settings.STATIC_URL, "has_process": True}
    return render(request, "viewers_app/client.html", context)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def pass_on(request: HttpRequest, uuid: UUID, path: str) -> HttpResponseBase:
    """Pass on what the client says to its process. Only where no proxy does that."""
    session, refusal = _running_session(request, uuid)
    if session is None:
        return _plain(refusal.phrase, refusal)
    if settings.DATA_SERVER == "nginx" or not PASSED_ON.fullmatch(path):
        return _plain("Not found.", HTTPStatus.NOT_FOUND)
    if request.method == "POST" and not is_from_here(request):
        return _plain("Wrong origin.", HTTPStatus.FORBIDDEN)
    if int(request.headers.get("Content-Length") or 0) > MOST_BYTES:
        return _plain("Too large.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    query = request.META.get("QUERY_STRING", "")
    try:
        answer = processes.ask(
            session,
            str(request.method),
            f"/{path}?{query}" if query else f"/{path}",
            body=request.body if request.method == "POST" else b"",
            content_type=request.headers.get("Content-Type", ""),
        )
    except OutsideError as problem:
        logger.warning("view %s: %s", uuid, problem)
        return _plain("The Python viewer does not answer.", HTTPStatus.BAD_GATEWAY)
    response = StreamingHttpResponse(
        answer.body, status=answer.status, content_type=answer.content_type
    )
    response["X-Accel-Buffering"] = "no"
    return response


@require_GET
def authorise_view(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Answer the proxy's question whether this browser may speak to a view's process."""
    if settings.DATA_SERVER != "nginx":
        return _plain("Not found.", HTTPStatus.NOT_FOUND)
    session, refusal = _running_session(request, uuid)
    if session is None:
        is_known = refusal is not HTTPStatus.UNAUTHORIZED
        return HttpResponse(status=HTTPStatus.FORBIDDEN if is_known else refusal)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def client_of(session: ViewerSession) -> str:
    """Return the path of the client's page for this view."""
    if session.has_process:
        return reverse("python-client", args=[session.uuid, processes.token_of(session.uuid)])
    return reverse("client", args=[str(session.uuid)])


def _running_session(request: HttpRequest, uuid: UUID) -> tuple[ViewerSession | None, HTTPStatus]:
    session, refusal = own_session(request, uuid)
    if session and not (session.has_process and session.state == SessionState.READY):
        return None, HTTPStatus.NOT_FOUND
    return session, refusal


def _plain(words: str, status: HTTPStatus) -> HttpResponse:
    response = HttpResponse(f"{words}\n", status=status, content_type="text/plain")
    response["Cache-Control"] = "no-store"
    return response
