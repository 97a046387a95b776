"""Pages of requests: list, one request, withdrawal."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core_app import roles
from core_app.errors import Invalid
from core_app.http import person, refusals_as_messages
from core_app.models import User
from core_app.roles import Action, Role
from requests_app import again, exports, overview, selectors, workflows
from requests_app.models import Request
from requests_app.selectors import visible_requests
from requests_app.services.requests import clearing_started
from requests_app.states import RequestState
from requests_app.views.buttons import primary_of
from requests_app.views.listing import (
    REQUEST_COLUMNS,
    columns_of,
    request_menus,
    state_chips,
)

PER_PAGE = 25
MOST_OPEN = 2000


@require_GET
@login_required
def request_list(request: HttpRequest) -> HttpResponse:
    """List the requests this person may read; filters, search and order live in the address."""
    user = person(request)
    asked = overview.asked_of_requests(request.GET.dict())
    rows = overview.listed_requests(asked, to=user)
    page = Paginator(overview.with_samples(rows), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "rows": overview.rows_of(list(page.object_list), to=user),
        "page": page,
        "asked": asked,
        "columns": columns_of(asked, REQUEST_COLUMNS),
        "chips": state_chips(asked),
        "menus": request_menus(asked, visible_requests(to=user)),
    }
    return render(request, "requests_app/request_list.html", context)


@require_GET
@login_required
def request_export(request: HttpRequest) -> StreamingHttpResponse:
    """Send what the list of this address shows, all pages of it, as CSV."""
    user = person(request)
    rows = overview.listed_requests(overview.asked_of_requests(request.GET.dict()), to=user)
    return exports.requests_csv(rows, to=user)


@require_GET
@login_required
def request_page(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Show one request: its samples through all stages, and what happened so far."""
    user = person(request)
    found = selectors.get_request(owner=owner, name=name, to=user)
    page = _page_of(found, user)
    page["unfolded"] = {d.key for d in page["details"]} if page["is_single"] else ()
    return render(request, "requests_app/request_page.html", page)


@require_GET
@login_required
def request_live(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Return the moving part of the request page, or nothing if it is as `seen` says.

    It asks again only while something runs. `open` says what is unfolded, and comes back so.
    """
    user = person(request)
    found = selectors.get_request(owner=owner, name=name, to=user)
    if request.GET.get("seen") == overview.stamp_of(found) and overview.is_moving(found):
        return HttpResponse(status=204)
    page = _page_of(found, user)
    page["unfolded"] = set(request.GET.get("open", "")[:MOST_OPEN].split(","))
    return render(request, "requests_app/parts/request_live.html", page)


def _page_of(found: Request, user: User) -> dict[str, Any]:
    stamp = overview.stamp_of(found)  # before anything is read, so that nothing is missed
    details = overview.details_of(found, to=user)
    sights = [detail.sight for detail in details]
    timeline = overview.timeline_of(found, details)
    primary = primary_of(found, details, to=user)
    any_cleared = any(d.batch and not again.hindrance_of(d.sample) for d in details)
    return {
        "order": found,
        "details": details,
        "is_single": len(details) == 1,
        "summary": overview.summary_of(sights),
        "next_action": overview.next_action_of(found, sights, to=user),
        "joint": overview.joint_strip([sight.strip for sight in sights]),
        "viewable": overview.viewable_words(details),
        "volumes": [d for d in details if d.is_viewable],
        "timeline": timeline,
        "withdrawal": _withdrawal_of(found, timeline),
        "is_moving": overview.is_moving(found),
        "stamp": stamp,
        "primary": primary,
        "may_ask_again": any_cleared and not (primary and primary.url == again.address_of(found)),
        "may_withdraw": _may_withdraw(found, user),
        "confirm": {"confirm": found.name},
        "consequence": (
            f"Withdraw “{found.name}” of {found.owner}: everything of it that is not finished "
            "is cancelled. Its history stays."
        ),
        "may_clear": roles.can(user, Action.CLEAR, found),
    }


def _withdrawal_of(found: Request, timeline: list[overview.Entry]) -> overview.Entry | None:
    if found.state != RequestState.WITHDRAWN:
        return None
    of_request = (entry for entry in timeline if entry.text == "withdrawn")
    return next(of_request, None)


def _may_withdraw(found: Request, user: User) -> bool:
    """Return True if the button would work: the owner's only until clearing starts."""
    if found.state != RequestState.SUBMITTED or not roles.can(user, Action.WITHDRAW, found):
        return False
    return roles.has_role(user, Role.MANAGER) or not clearing_started(found)


@require_POST
@login_required
@refusals_as_messages
def withdraw(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Withdraw the request of this address, with a reason."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    if request.POST.get("confirm", found.name) != found.name:
        raise Invalid(
            "Nothing was withdrawn: what was confirmed is another request than the one of this "
            "page. Reload the page and look at its name."
        )
    workflows.withdraw_request(found, by=person(request), reason=request.POST.get("reason", ""))
    messages.success(
        request, f"“{found.name}” is withdrawn. What was done so far stays in its history."
    )
    return redirect(address_of(found))


def address_of(found: Request) -> str:
    """Return the address of a submitted request's page."""
    return reverse("requests:request-page", args=[found.owner.username, found.folder.name])
