"""Saving from the page around the client, on the viewer origin."""

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core_app.errors import DomainError, Invalid, NotAllowed
from viewers_app import documents, saved_selectors
from viewers_app.models import SavedView, ViewerSession
from viewers_app.services import saving
from viewers_app.views.visitors import is_from_here, own_session


@csrf_exempt  # as `renew`: the Origin check is stricter, and there is one cookie here
@never_cache
@require_POST
def save(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Keep what the page shows. The body is {"name", "state", "view": uuid to add to, or null}."""
    if not is_from_here(request):
        return _refused("wrong origin", HTTPStatus.FORBIDDEN)
    session, refusal = own_session(request, uuid)
    if session is None:
        return _refused(refusal.phrase, refusal)
    body = _bounded_body(request)
    if body is None:
        most = settings.VIEWER_STATE_MAX_BYTES
        words = f"This view is larger than {most:,} bytes. Remove annotations and save again."
        return _refused(words, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        found = documents.parsed(body)
        onto, name = _wanted(found, session)
        saved = saving.save(session, found.get("state"), name=name, onto=onto)
    except NotAllowed as refused:
        return _refused(refused.message, HTTPStatus.FORBIDDEN)
    except DomainError as refused:
        return _refused(refused.message, HTTPStatus.UNPROCESSABLE_ENTITY)
    view = saved.version.view
    return JsonResponse({
        "view": str(view.uuid),
        "name": view.name,
        "version": saved.version.number,
        "left_out": list(saved.left_out),
        "page": f"{settings.SITE_URL}/viewers/saved/{view.uuid}/",
    })  # fmt: skip


def _bounded_body(request: HttpRequest) -> bytes | None:
    """Return the body, or None if it is too large; never reads more than is allowed."""
    most = settings.VIEWER_STATE_MAX_BYTES
    body = request.read(most + 1)
    return body if len(body) <= most else None


def _wanted(found: dict[str, object], session: ViewerSession) -> tuple[SavedView | None, str]:
    name, uuid = found.get("name"), found.get("view")
    if uuid is None:
        if not isinstance(name, str):
            raise Invalid("Give the view a name.")
        return None, name
    if session.owner is None:
        return None, ""  # who refuses says why
    try:
        rows = saved_selectors.saved_views(owner=session.owner)
        onto = rows.filter(uuid=UUID(str(uuid))).first()
    except ValueError:
        onto = None
    if onto is None:
        raise Invalid("The saved view is gone or not yours. Save it under a name of its own.")
    return onto, ""


def _refused(words: str, status: HTTPStatus) -> JsonResponse:
    return JsonResponse({"error": words}, status=status)
