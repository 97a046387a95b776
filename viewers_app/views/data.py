"""The data path: every byte of every volume passes here, one right checked for each."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from viewers_app.cookies import views_in
from viewers_app.data_access import Access, verdict_on
from viewers_app.keys import parse_key
from viewers_app.responses import file_answer
from viewers_app.rooted import open_below

# A volume that is made again keeps its address, so nothing is kept for long.
CHUNKS = "private, max-age=300"
ALWAYS_ASK = "private, no-cache"


@require_safe
def serve_key(request: HttpRequest, uuid: UUID, key: str) -> HttpResponseBase:
    """Serve one file of a volume: 401 without a valid cookie, 404 for what is not there."""
    verdict = verdict_on(views_in(request), uuid)
    if verdict.access is Access.NOBODY:
        return _plain("Open the view again from the site.", status=401)
    wanted = parse_key(key)
    if verdict.folder is None or wanted is None:
        return _plain("Not found.", status=404)
    file = open_below(settings.DATA_ROOT, (*str(verdict.folder).split("/"), *wanted.parts))
    if file is None:
        return _plain("Not found.", status=404)
    keep = verdict.is_stamped and not wanted.is_document
    return file_answer(
        request,
        file,
        content_type="application/json" if wanted.is_document else "application/octet-stream",
        cache_control=CHUNKS if keep else ALWAYS_ASK,
    )


def _plain(words: str, *, status: int) -> HttpResponse:
    response = HttpResponse(words, status=status, content_type="text/plain")
    response["Cache-Control"] = "no-store"
    return response
