"""The small picture that was made with each volume."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase

from core_app.paths import DataPath
from viewers_app.keys import picture_key
from viewers_app.responses import file_answer
from viewers_app.rooted import open_below


def picture_answer(request: HttpRequest, folder: DataPath, name: str) -> HttpResponseBase:
    """Return the answer with a volume's picture. Raises Http404 where there is none."""
    key = picture_key(name)
    file = open_below(settings.DATA_ROOT, (*str(folder).split("/"), *key.parts)) if key else None
    if file is None:
        raise Http404("This volume has no picture.")
    return file_answer(request, file, content_type="image/png", cache_control="private, no-cache")
