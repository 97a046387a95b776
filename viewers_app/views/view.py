"""Pages of the viewer origin: ticket, wrapper, client, state. No application session here."""

import re
from dataclasses import asdict
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from viewers_app import neuroglancer, selectors, showing
from viewers_app.client_page import client_files
from viewers_app.cookies import give_cookie, views_in
from viewers_app.models import DataLayer, Layer, ShareLink, ViewerSession
from viewers_app.services import sessions
from viewers_app.specs import Screen
from viewers_app.states import SessionState
from viewers_app.views import process
from viewers_app.views.visitors import is_from_here, own_session

TOO_LATE = (
    "The minute in which this link opens a view is over, so nothing was opened, and nothing ended."
)
SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")


@csrf_exempt  # as `renew`: the Origin check is stricter
@never_cache
@require_http_methods(["GET", "POST"])
def open_ticket(request: HttpRequest) -> HttpResponse:
    """Exchange the one-time ticket for the viewer cookie; the address that stays has no secret.

    Whoever is sent such an address would else look at, and save to, another person's views without
    noticing. So a browser with live views of another sign-in asks first, and POST is the answer.
    """
    if request.method == "POST" and not is_from_here(request):
        return HttpResponse("wrong origin", status=HTTPStatus.FORBIDDEN, content_type="text/plain")
    sent = request.POST if request.method == "POST" else request.GET
    ticket, others = sent.get("ticket", ""), list(selectors.live_views(views_in(request)))
    try:
        session = sessions.holder_of(ticket)
        foreign = [other for other in others if not session.shares_sign_in_with(other)]
        if foreign and request.method == "GET":
            return _asks_first(request, ticket, session, foreign[0])
        session = sessions.use_ticket(ticket)
    except sessions.Gone as gone:
        words = TOO_LATE if request.method == "POST" else gone.message
        return _over(request, words, HTTPStatus.GONE, again=f"{settings.SITE_URL}/viewers/")
    response = redirect("view", uuid=session.uuid)
    give_cookie(response, session, *filter(session.shares_sign_in_with, others))
    return response


@never_cache
@require_GET
def view(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the wrapper: a thin bar, and the client in a frame."""
    session, refusal = own_session(request, uuid)
    if session is None:
        if refusal is HTTPStatus.NOT_FOUND and selectors.find_view(uuid):
            refusal = HTTPStatus.FORBIDDEN  # somebody sent their link along: a person is told so
        known = refusal not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}
        again = _again_at(uuid) if known else f"{settings.SITE_URL}/viewers/"
        why = _why(request, uuid, refusal)
        if why:
            refusal = HTTPStatus.GONE
        return _over(request, *_words(refusal), why=why, again=again)
    if session.state != SessionState.READY:
        return process.starting_page(request, session)
    rows = selectors.layers_of(session)
    spec = showing.spec_for(session, rows)
    presets = neuroglancer.presets(spec)
    context = {
        "session": session,
        "page": {
            "seconds_left": _seconds_left(session),
            "renew": reverse("renew", args=[uuid]),
            "renew_every_s": max(10, min(60, settings.VIEWER_COOKIE_AGE_S // 3)),
            "pressed": neuroglancer.pressed(spec),
        },
        "showing": showing.revisions_of(rows),
        "presets": presets,
        "pressed": neuroglancer.pressed(spec),
        "presets_json": [asdict(preset) for preset in presets],
        "layers": rows,
        "client": process.client_of(session),
        "state": f"{settings.VIEWER_URL}{reverse('state', args=[uuid])}",
        "back": settings.SITE_URL + _back_to(rows),
        "again": _again(session),
        "missing": showing.words_on_missing(session, rows),
        "keep": _keeping(session),
    }
    return render(request, "viewers_app/view.html", context)


@csrf_exempt  # the Origin check below is stricter, and this origin needs no cookie but its own
@never_cache
@require_POST
def renew(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Give the cookie another quarter of an hour, while the page is open.

    The page says what it shows, as `<layer>@<revision>`, and hears whether that is outdated.
    """
    if not is_from_here(request):
        return JsonResponse({"error": "wrong origin"}, status=HTTPStatus.FORBIDDEN)
    session, refusal = own_session(request, uuid)
    if session is None:
        return JsonResponse({"error": refusal.phrase}, status=refusal)
    sessions.renew(session)
    outdated = _is_outdated(request.POST.getlist("showing"), session)
    response = JsonResponse({"seconds_left": _seconds_left(session), "outdated": outdated})
    named = list(selectors.live_views(views_in(request)))
    if named:
        # A link to a view of another sign-in shows it, but the cookie ends with its own.
        give_cookie(response, *filter(named[0].shares_sign_in_with, [session, *named]))
    return response


@never_cache
@require_GET
def state(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Return the client's state with the addresses of today."""
    session, refusal = own_session(request, uuid)
    if session is None:
        return JsonResponse({"error": refusal.phrase}, status=refusal)
    rows = selectors.layers_of(session)
    found = showing.state_for(session, rows, _screen(request.GET.get("size", "")))
    revisions = showing.revisions_of(rows)
    ready = neuroglancer.delivered(found, origin=settings.VIEWER_URL, revisions=revisions)
    return JsonResponse(ready)


@xframe_options_sameorigin
@require_GET
def client(request: HttpRequest, token: str) -> HttpResponse:
    """Serve the client's page. It insists on `/v/<anything>` in its address and holds no data."""
    files = client_files(settings.NEUROGLANCER_CLIENT)
    return render(
        request, "viewers_app/client.html", {"files": files, "static_url": settings.STATIC_URL}
    )


@require_safe
def client_root(request: HttpRequest) -> HttpResponse:
    """Send whoever strips the address to where the client can start."""
    return redirect("client", token="empty")  # part of an address, no secret


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process is up."""
    return HttpResponse("ok\n", content_type="text/plain")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer what is not there; the application's error pages would link to it."""
    return HttpResponse("Not found.\n", status=404, content_type="text/plain")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return HttpResponse("Bad request.\n", status=400, content_type="text/plain")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return HttpResponse("Forbidden.\n", status=403, content_type="text/plain")


def server_error(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "The viewer failed. The operators see why in the log.\n",
        status=500,
        content_type="text/plain",
    )


def _asks_first(
    request: HttpRequest, ticket: str, session: ViewerSession, other: ViewerSession
) -> HttpResponse:
    context = {"ticket": ticket, "session": session, "other": other}
    return render(request, "viewers_app/other_sign_in.html", context)


def _again_at(uuid: UUID) -> str:
    """Return where whoever had this view opens it again; "" if only a link does that."""
    session = selectors.find_view(uuid)
    return _again(session) if session else f"{settings.SITE_URL}/viewers/again/{uuid}/"


def _again(session: ViewerSession) -> str:
    """Return where the person opens it again; "" if only the link does that, which is not kept."""
    link = session.share
    if link is None:
        return f"{settings.SITE_URL}/viewers/again/{session.uuid}/"
    is_named = link.scope == ShareLink.Scope.NAMED
    return f"{settings.SITE_URL}/states/{link.view.uuid}" if is_named else ""


def _keeping(session: ViewerSession) -> dict[str, object]:
    """Return what the page needs to save: where, under which name, and whether its person may."""
    version, owner = session.version, session.owner
    own = version.view if version and owner and version.view.owner_id == owner.pk else None
    return {
        "save": reverse("save", args=[session.uuid]),
        "view": str(own.uuid) if own and own.removed_at is None else None,
        "name": session.title,
        "may_save": owner is not None,
        "sign_in": f"{settings.SITE_URL}/accounts/login/",
    }


def _is_outdated(shown: list[str], session: ViewerSession) -> bool:
    """Return True if a volume was made anew since the page took its address."""
    now = showing.revisions_of(selectors.layers_of(session))
    pairs = [text.partition("@")[::2] for text in shown]
    # A volume that is being replaced is away for a moment; it is outdated once it is back.
    return any(now.get(uuid) and now[uuid] != revision for uuid, revision in pairs)


def _words(refusal: HTTPStatus) -> tuple[str, HTTPStatus]:
    words = {
        HTTPStatus.UNAUTHORIZED: "Your permission to see this view has expired.",
        HTTPStatus.NOT_FOUND: "There is no such view.",
        HTTPStatus.FORBIDDEN: "This view is somebody else's. Open the volumes from your own page.",
        HTTPStatus.GONE: "This view has ended.",
    }
    return words[refusal], refusal


def _why(request: HttpRequest, uuid: UUID, refusal: HTTPStatus) -> str:
    """Return why the person's own view is over, where more is known than that it is."""
    # The last view of a cookie takes the permission with it.
    was_own = refusal is HTTPStatus.UNAUTHORIZED and uuid in views_in(request)
    session = selectors.find_view(uuid) if was_own or refusal is HTTPStatus.GONE else None
    return session.failure if session else ""


def _over(
    request: HttpRequest, words: str, status: HTTPStatus, *, again: str, why: str = ""
) -> HttpResponse:
    context = {"words": words, "again": again, "why": why}
    return render(request, "viewers_app/over.html", context, status=status)


def _back_to(rows: list[Layer]) -> str:
    here = settings.ROOT_URLCONF
    sample = next((layer.sample for layer in rows if isinstance(layer, DataLayer)), None)
    if sample is None:
        return reverse("viewers:atlas-list" if rows else "viewers:volume-list", urlconf=here)
    return reverse("viewers:sample-chooser", args=[sample.pk], urlconf=here)


def _seconds_left(session: ViewerSession) -> int:
    return max(0, int((session.expires_at - timezone.now()).total_seconds()))


def _screen(text: str) -> Screen:
    found = SIZE.fullmatch(text)
    return Screen(int(found[1]), int(found[2])) if found else Screen()
