"""The data path: every byte of every volume passes here, one right checked for each."""

import logging
import os
from typing import BinaryIO
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from core_app.paths import DataPath
from viewers_app import compressed, regions, selectors
from viewers_app.cookies import views_in
from viewers_app.cuts import Cut, groups_of, parse_cut, properties_of
from viewers_app.data_access import Access, Verdict, verdict_on
from viewers_app.keys import Key, parse_key
from viewers_app.responses import file_answer
from viewers_app.revisions import revision_of
from viewers_app.rooted import open_below
from viewers_app.services import activity
from viewers_app.sources import REGIONS

logger = logging.getLogger(__name__)

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
    if verdict.folder is not None and (cut := _cut_in(key)):
        return _names_of(uuid, cut)
    wanted = parse_key(key)
    if verdict.folder is None or wanted is None:
        return _plain("Not found.", status=404)
    found = _opened(verdict.folder, wanted)
    if found is None:
        return _plain("Not found.", status=404)
    file, encoding = found
    # Asked after opening, so that files which are replaced in this moment are noticed.
    if wanted.revision and not (
        _is_of(verdict, wanted) or _is_of(verdict_on(named, uuid, anew=True), wanted)
    ):
        file.close()
        return _plain("This volume was made anew. Reload the page.", status=410)
    try:
        response = file_answer(
            request,
            file,
            content_type="application/json" if wanted.is_document else "application/octet-stream",
            cache_control=FOR_EVER if wanted.revision and not wanted.is_document else ALWAYS_ASK,
            encoding=encoding,
        )
    except ValueError as damage:
        logger.error("%s/%s cannot be inflated: %s", verdict.folder, key, damage)
        return _plain("This file is damaged; the operators see which in the log.", status=500)
    if verdict.view is not None:
        activity.tally.note(verdict.view, uuid, int(response.headers.get("Content-Length", 0)))
    return response


@require_safe
def authorise(request: HttpRequest) -> HttpResponse:
    """Answer the proxy's question whether this browser may have a volume; see docker/proxy.

    204 with the folder below the data root, else 401, or 403 with what to say in `X-Refusal`.
    Always asked anew: the proxy keeps the answer itself.
    """
    if settings.DATA_SERVER != "nginx":
        return _plain("Not found.", status=404)
    try:
        uuid = UUID(request.GET.get("layer", ""))
    except ValueError:
        return _refusal(404)
    verdict = verdict_on(views_in(request), uuid, anew=True)
    if verdict.access is Access.NOBODY:
        return _refusal(401)
    if verdict.folder is None:
        return _refusal(404)
    revision = request.GET.get("revision", "")
    if revision and revision_of(verdict.folder, made=verdict.made) != revision:
        return _refusal(410)
    response = HttpResponse(status=204)
    # Bytes of the path as they are on disk; a header of WSGI is text of Latin-1.
    response["X-Folder"] = os.fsencode(str(verdict.folder)).decode("latin-1")
    response["X-View"] = str(verdict.view)
    return response


def _cut_in(key: str) -> Cut | None:
    """Return the cut whose names are asked for, as `regions/<cut>/info`."""
    folder, _, rest = key.partition("/")
    written, _, name = rest.partition("/")
    return parse_cut(written) if (folder, name) == (REGIONS, "info") else None


def _names_of(uuid: UUID, cut: Cut) -> HttpResponse:
    """Answer the names of regions that are shown as one; no such file is on disk."""
    layer = selectors.find_layer(uuid)
    tree = regions.tree_in([layer]) if layer else None
    if tree is None:
        return _plain("Not found.", status=404)
    response = JsonResponse(properties_of(tree, groups_of(tree, cut)))
    response["Cache-Control"] = ALWAYS_ASK
    return response


def _refusal(status: int) -> HttpResponse:
    response = _plain("", status=401 if status == 401 else 403)
    response["X-Refusal"] = str(status)
    return response


def _opened(folder: DataPath, wanted: Key) -> tuple[BinaryIO, str] | None:
    """Return the file, or its compressed sibling with the name of its encoding."""
    parts = (*str(folder).split("/"), *wanted.parts)
    for encoding, suffix in (("", ""), *compressed.SUFFIXES.items()):
        file = open_below(settings.DATA_ROOT, (*parts[:-1], parts[-1] + suffix))
        if file is not None:
            return file, encoding
    return None


def _is_of(verdict: Verdict, wanted: Key) -> bool:
    folder = verdict.folder
    return folder is not None and revision_of(folder, made=verdict.made) == wanted.revision


def _plain(words: str, *, status: int) -> HttpResponse:
    response = HttpResponse(words, status=status, content_type="text/plain")
    response["Cache-Control"] = "no-store"
    return response
