"""Calendar feeds: the page on which they are made and revoked, and the feed itself."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST, require_safe

from core_app import feeds
from core_app.http import person, refusals_as_messages
from core_app.models import CalendarFeed
from requests_app.feeds import calendar_of
from requests_app.selectors.feeds import entries_of


@require_safe
def calendar(request: HttpRequest, token: str) -> HttpResponse:
    """Return the calendar at a secret address. Nobody signs in; the person's rights count now."""
    feed = feeds.find_feed(token)
    if feed is None:
        raise Http404("There is no such calendar.")
    feeds.note_use(feed)
    name = f"{CalendarFeed.Scope(feed.scope).label} ({settings.SITE_HOST})"
    text = calendar_of(entries_of(feed), name=name, stamp=timezone.now())
    answer = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    answer["Cache-Control"] = "private, max-age=300"
    answer["Content-Disposition"] = 'inline; filename="lightserv.ics"'
    return answer


@require_GET
@login_required
def feed_list(request: HttpRequest) -> HttpResponse:
    """Show the person's calendar addresses and when each was read last."""
    return _page(request)


def _page(request: HttpRequest, address: str = "") -> HttpResponse:
    user = person(request)
    context = {
        "feeds": feeds.feeds_of(user),
        "scopes": [(scope.value, scope.label) for scope in feeds.scopes_for(user)],
        "address": address,
    }
    answer = render(request, "requests_app/feed_list.html", context)
    answer["Cache-Control"] = "private, no-store"
    return answer


@require_POST
@login_required
@refusals_as_messages
def make_feed(request: HttpRequest) -> HttpResponse:
    """Make an address and show it, this once."""
    token = feeds.make_feed(person(request), request.POST.get("scope", ""))
    return _page(request, settings.SITE_URL + reverse("feeds:calendar", args=[token]))


@require_POST
@login_required
def revoke_feed(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of the person's own addresses."""
    if not feeds.revoke_feed(pk, by=person(request)):
        raise Http404("There is no such calendar, or it is not yours.")
    messages.success(request, "The address is revoked; calendar programs no longer get anything.")
    return redirect("feeds:list")
