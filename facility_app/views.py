"""Health of the site: one address for the process, one for what it depends on."""

from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers. No detail, no sign-in."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Say of each dependency whether it answers: 200 if all do, 503 if one does not.

    Words only, no detail.
    """
    results = {name: _answers(look) for name, look in LOOKS.items()}
    status = 200 if all(results.values()) else 503
    return JsonResponse(
        {name: "ok" if fine else "failing" for name, fine in results.items()}, status=status
    )


def _answers(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except Exception:  # whatever is wrong with a dependency, the answer is "failing"
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _storage() -> bool:
    return bool(settings.DATA_ROOT.is_dir())


LOOKS: dict[str, Callable[[], bool]] = {"database": _database, "storage": _storage}
