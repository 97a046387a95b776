"""The front page of a signed-in person."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from core_app.http import person
from requests_app import overview, selectors
from requests_app.states import RequestState
from viewers_app import selectors as viewer_reads

RECENT = 8


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show what needs this person, their requests, and the newest volumes."""
    user = person(request)
    mine = selectors.visible_requests(to=user).filter(Q(owner=user) | Q(requested_by=user))
    rows = selectors.with_samples(mine.exclude(state=RequestState.DRAFT)).order_by("-id")[:RECENT]
    context = {
        "needs": overview.needs_of(user),
        "rows": overview.rows_of(list(rows)),
        "layers": list(viewer_reads.visible_layers(to=user).order_by("-id")[:RECENT]),
    }
    return render(request, "requests_app/home.html", context)
