"""The front page of a signed-in person."""

from django.contrib.auth.decorators import login_required
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
    """Show what needs this person, their requests or queues, and the newest volumes."""
    user = person(request)
    mine = overview.listed_requests(overview.asked_of_requests({"owner": "me"}), to=user)
    rows = overview.with_samples(mine.exclude(state=RequestState.DRAFT))[:RECENT]
    context = {
        "needs": overview.needs_of(user),
        "queues": overview.queues_of(user),
        "rows": overview.rows_of(list(rows), to=user),
        "drafts": selectors.drafts_of(user).exists(),
        "layers": list(viewer_reads.pictured_layers(to=user).order_by("-id")[:RECENT]),
    }
    return render(request, "requests_app/home.html", context)
