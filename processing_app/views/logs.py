"""Logs of attempts: followed while the job writes them, downloaded afterwards."""

from contextlib import suppress

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core_app.errors import NotReady
from core_app.http import person, refusals_as_messages
from processing_app import selectors
from processing_app.models import Attempt
from processing_app.services import following

STOP_POLLING = 286  # htmx ends a polling trigger on this status


@login_required
@require_POST
@refusals_as_messages
def follow(request: HttpRequest, pk: int, attempt: int) -> HttpResponse:
    """Ask for the log of a job at work. An open page says so again and again."""
    found = selectors.attempt_of_run(attempt, run=pk, to=person(request))
    if "again" in request.POST:
        return _once_more(request, found)
    if not request.headers.get("HX-Request"):
        following.follow(found, by=person(request))
        return redirect(f"{reverse('processing:run-detail', args=[pk])}?log={attempt}#run-log")
    with suppress(NotReady):  # it has just ended, which the log itself says
        following.follow(found, by=person(request))
    log = selectors.followed_log(found)
    return render(request, "processing_app/parts/followed_log.html", {"log": log})


def _once_more(request: HttpRequest, attempt: Attempt) -> HttpResponse:
    try:
        following.follow(attempt, by=person(request))
    except NotReady:
        return HttpResponse(status=STOP_POLLING)
    return HttpResponse(status=204)


@login_required
@require_GET
def tail(request: HttpRequest, pk: int, attempt: int) -> HttpResponse:
    """The end of a log as it was fetched last; nothing if the page has it already."""
    log = selectors.followed_log(selectors.attempt_of_run(attempt, run=pk, to=person(request)))
    if request.GET.get("seen") == log.stamp:
        return HttpResponse(status=204)
    return render(request, "processing_app/parts/log_tail.html", {"log": log})


@login_required
@require_GET
def download(request: HttpRequest, pk: int, attempt: int) -> HttpResponse:
    """Everything that was kept of what an attempt wrote, as a file."""
    found = selectors.attempt_of_run(attempt, run=pk, to=person(request))
    answer = HttpResponse(selectors.log_of(found), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{found.job_name}.log"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
