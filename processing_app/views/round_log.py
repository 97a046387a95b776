"""The log of a round of processing. Read only, made to be printed."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from core_app.http import person
from processing_app import selectors
from processing_app.selectors import round_log as reads
from processing_app.selectors import rounds


@require_GET
@login_required
def round_log(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what was entered, how it ran, and everything that was made."""
    user = person(request)
    found = selectors.get_round(pk, to=user)
    rows = selectors.with_steps(selectors.visible_runs(to=user).filter(processing_request=found))
    context = {
        "round": found,
        "imaging_request": found.imaging_request,
        "sample": found.imaging_request.sample,
        "order": found.imaging_request.sample.request,
        "places": rounds.places_of(found),
        "runs": [selectors.overview(run) for run in rows],
        "products": reads.products_in(found),
        "artifacts": reads.artifacts_in(found),
        "events": rounds.events_of_round(found),
    }
    return render(request, "processing_app/processing_log.html", context)
