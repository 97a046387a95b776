"""Links: made, ended and extended by the owner; opened by those whom they are for."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core_app.errors import DomainError, Invalid
from core_app.http import person, refusals_as_messages
from core_app.models import User
from viewers_app.forms import DaysForm, ShareForm
from viewers_app.models import SavedView, ShareLink
from viewers_app.saved_selectors import saved_views
from viewers_app.services import sessions, sharing
from viewers_app.views.saved import open_version, own_view, page_of

# Its address is a secret: pages that it leads to hear the name of the site and no more.
REFERRER = "strict-origin"


@login_required
@require_POST
@refusals_as_messages
def make_link(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Make a link and show it, this once."""
    view, form = own_view(request, uuid), ShareForm(request.POST)
    if not form.is_valid():
        return page_of(request, view, form)
    try:
        made = sharing.share(view, form.terms(), by=person(request))
    except Invalid as refusal:
        for field, words in refusal.fields.items() or {None: [refusal.message]}.items():
            form.add_error(field, words)
        return page_of(request, view, form)
    address = settings.SITE_URL + reverse("share-link", args=[made.token])
    return page_of(request, view, ShareForm(), made=made, made_address=address)


@login_required
@require_POST
@refusals_as_messages
def revoke_link(request: HttpRequest, uuid: UUID, pk: int) -> HttpResponse:
    """End a link."""
    view = own_view(request, uuid)
    sharing.revoke(get_object_or_404(view.links, pk=pk))
    messages.success(
        request, "The link is revoked. Views that it opened lose the data within 30 s."
    )
    return redirect("viewers:saved-page", uuid=view.uuid)


@login_required
@require_POST
@refusals_as_messages
def extend_link(request: HttpRequest, uuid: UUID, pk: int) -> HttpResponse:
    """Let a link last longer, or shorter."""
    view, form = own_view(request, uuid), DaysForm(request.POST)
    link = get_object_or_404(view.links, pk=pk)
    if not form.is_valid():
        raise Invalid(f"A link lasts 1 to {settings.VIEWER_SHARE_MAX_DAYS} days.")
    sharing.extend(link, days=form.cleaned_data["days"])
    messages.success(request, f"The link lasts {form.cleaned_data['days']} days from now.")
    return redirect("viewers:saved-page", uuid=view.uuid)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def share_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET: say what the link opens. POST: open it, which counts as a use.

    So whatever looks at addresses by itself, a scanner of mails or a preview in a chat, uses none.
    """
    link = sharing.find_link(token)
    if link is None:
        raise Http404("There is no such link.")
    visitor = person(request) if request.user.is_authenticated else None
    if visitor is None and link.scope != ShareLink.Scope.ANYONE:
        return _discreet(redirect_to_login(request.get_full_path()))
    return _discreet(_answer(request, link, visitor))


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def saved_view(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The short address of a saved view, for its owner and for those whom a link of it names.

    POST opens the newest version.
    """
    visitor = person(request)
    own = saved_views(owner=visitor).filter(uuid=uuid).first()
    if own:
        return (
            open_version(request, uuid, own.newest.number)
            if request.method == "POST"
            else (redirect("viewers:saved-page", uuid=uuid))
        )
    view = SavedView.objects.filter(uuid=uuid, removed_at=None).first()
    link = sharing.link_for(view, visitor) if view else None
    if link is None:
        raise Http404("There is no such view, or it is not shared with you.")
    return _answer(request, link, visitor)


def _answer(request: HttpRequest, link: ShareLink, visitor: User | None) -> HttpResponse:
    if not sharing.is_for(link, visitor):
        words = "It is for other people. Ask whoever sent it to share the view with you."
        return _refusal(request, "This link is not for you", words, status=403)
    if over := sharing.why_over(link):
        return _ended(request, over)
    if request.method != "POST":
        return render(request, "viewers_app/shared_view.html", {"link": link, "view": link.view})
    try:
        opened = sharing.open_link(link, visitor, sign_in=_sign_in(request, visitor))
    except sessions.Gone as gone:
        return _ended(request, gone.message)
    except DomainError as refusal:
        return _refusal(request, "It cannot be opened", refusal.message, status=409)
    return redirect(opened.url)


def _sign_in(request: HttpRequest, visitor: User | None) -> str:
    return (request.session.session_key or "") if visitor else ""


def _ended(request: HttpRequest, words: str) -> HttpResponse:
    asked = f"{words} Ask whoever sent it for a new one."
    return _refusal(request, "This link opens nothing any more", asked, status=410)


def _refusal(request: HttpRequest, heading: str, words: str, *, status: int) -> HttpResponse:
    context = {"heading": heading, "words": words}
    return render(request, "viewers_app/link_over.html", context, status=status)


def _discreet(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = REFERRER
    return response
