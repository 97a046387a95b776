"""What every template may need of the site itself."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """Return the time zone's name and whether this is a demo."""
    return {"time_zone_name": settings.TIME_ZONE, "is_debug": settings.DEBUG}
