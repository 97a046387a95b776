"""The data path: every byte of every volume passes here, one right checked for each."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from viewers_app.cookies import views_in
from viewers_app.data_access import Access, Verdict, verdict_on
from viewers_app.keys import Key, parse_key
from viewers_app.responses import file_answer
from viewers_app.revisions import revision_of
from viewers_app.rooted import open_below

# What is in an address with a revision never changes.
FOR_EVER = "private, max-age=31536000, immutable"
# Also `info` of a revision: a client that begins has to hear that a right is gone.
ALWAYS_ASK = "private, no-cache"


@require_safe
def serve_key(request: HttpRequest, uuid: UUID, key: str) -> HttpResponseBase:
    """Serve one file of a volume: 401 without a valid cookie, 404 for what is not there.

    410 for what was there: the address names a revision, and the volume was made anew since.
    """
    named = views_in(request)
    verdict = verdict_on(named, uuid)
    if verdict.access is Access.NOBODY:
        return _plain("Open the view again from the site.", status=401)
    wanted = parse_key(key)
    if verdict.folder is None or wanted is None:
        return _plain("Not found.", status=404)
    file = open_below(settings.DATA_ROOT, (*str(verdict.folder).split("/"), *wanted.parts))
    if file is None:
        return _plain("Not found.", status=404)
    # Asked after opening, so that files which are replaced in this moment are noticed.
    if wanted.revision and not (
        _is_of(verdict, wanted) or _is_of(verdict_on(named, uuid, anew=True), wanted)
    ):
        file.close()
        return _plain("This volume was made anew. Reload the page.", status=410)
    return file_answer(
        request,
        file,
        content_type="application/json" if wanted.is_document else "application/octet-stream",
        cache_control=FOR_EVER if wanted.revision and not wanted.is_document else ALWAYS_ASK,
    )


def _is_of(verdict: Verdict, wanted: Key) -> bool:
    folder = verdict.folder
    return folder is not None and revision_of(folder, made=verdict.made) == wanted.revision


def _plain(words: str, *, status: int) -> HttpResponse:
    response = HttpResponse(words, status=status, content_type="text/plain")
    response["Cache-Control"] = "no-store"
    return response
