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
from core_app.models import CalendarFeed, User
from imaging_app.selectors import feeds as of_microscopes
from requests_app.feeds import calendar_of
from requests_app.selectors.feeds import entries_of

MICROSCOPE = f"{CalendarFeed.Scope.MICROSCOPE.value}:"


@require_safe
def calendar(request: HttpRequest, token: str) -> HttpResponse:
    """Return the calendar at a secret address. Nobody signs in; the person's rights count now."""
    feed = feeds.find_feed(token)
    if feed is None:
        raise Http404("There is no such calendar.")
    feeds.note_use(feed)
    label = _label_of(feed, of_microscopes.names())
    events = [*entries_of(feed), *of_microscopes.entries_of(feed)]
    text = calendar_of(events, name=f"{label} ({settings.SITE_HOST})", stamp=timezone.now())
    answer = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    answer["Cache-Control"] = "private, max-age=300"
    answer["Content-Disposition"] = 'inline; filename="lightserv.ics"'
    return answer


def _label_of(feed: CalendarFeed, names: dict[int, str]) -> str:
    """Return what the feed shows; that of a microscope says which."""
    if feed.about_id is None:
        return str(CalendarFeed.Scope(feed.scope).label)
    return f"Calendar of {names.get(feed.about_id, 'a microscope that is gone')}"


def _choices_of(user: User, names: dict[int, str]) -> list[tuple[str, str]]:
    """Return (value, label) of what this person may subscribe to: one line for each microscope."""
    scopes = [s for s in feeds.scopes_for(user) if s != CalendarFeed.Scope.MICROSCOPE]
    microscopes = [(f"{MICROSCOPE}{pk}", f"Calendar of {name}") for pk, name in names.items()]
    return [(scope.value, str(scope.label)) for scope in scopes] + microscopes


@require_GET
@login_required
def feed_list(request: HttpRequest) -> HttpResponse:
    """Show the person's calendar addresses and when each was read last."""
    return _page(request)


def _page(request: HttpRequest, address: str = "") -> HttpResponse:
    user, names = person(request), of_microscopes.names()
    context = {
        "feeds": [(feed, _label_of(feed, names)) for feed in feeds.feeds_of(user)],
        "scopes": _choices_of(user, names),
        "chosen": request.GET.get("show", ""),
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
    scope, about = _chosen(request.POST.get("scope", ""))
    token = feeds.make_feed(person(request), scope, about=about)
    return _page(request, settings.SITE_URL + reverse("feeds:calendar", args=[token]))


def _chosen(value: str) -> tuple[str, int | None]:
    """Return the scope and the microscope that the value of a choice stands for."""
    if not value.startswith(MICROSCOPE):
        return value, None
    known = {f"{MICROSCOPE}{pk}": pk for pk in of_microscopes.names()}
    return CalendarFeed.Scope.MICROSCOPE, known.get(value)


@require_POST
@login_required
def revoke_feed(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of the person's own addresses."""
    if not feeds.revoke_feed(pk, by=person(request)):
        raise Http404("There is no such calendar, or it is not yours.")
    messages.success(request, "The address is revoked; calendar programs no longer get anything.")
    return redirect("feeds:list")
