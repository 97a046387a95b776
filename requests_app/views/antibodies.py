"""Pages of antibodies: what was tried, what works, and what to tell about it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from requests_app.selectors.antibodies import MOST_TEXT, Asked, hints_for


@require_GET
@login_required
def hints(request: HttpRequest) -> HttpResponse:
    """Return in a few lines what is known of the antibodies that somebody types into a request."""
    words = {
        name: request.GET.get(name, "").strip()[:MOST_TEXT]
        for name in ("primary", "secondary", "protocol", "species")
    }
    asked = Asked(**words)
    if not asked.primary and not asked.secondary:
        return HttpResponse("")
    context = {"asked": asked, "lines": hints_for(asked)}
    return render(request, "requests_app/antibody_hints.html", context)
