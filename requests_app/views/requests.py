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
from core_app.http import person, refusals_as_messages
from core_app.models import User
from core_app.roles import Action
from requests_app import exports, overview, selectors, workflows
from requests_app.models import Request
from requests_app.selectors import visible_requests
from requests_app.states import RequestState
from requests_app.views.listing import (
    REQUEST_COLUMNS,
    columns_of,
    request_menus,
    state_chips,
)

PER_PAGE = 25


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
    return exports.answer("requests", exports.request_lines(rows, to=user))


@require_GET
@login_required
def request_page(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Show one request: its samples through all stages, and what happened so far."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    return render(request, "requests_app/request_page.html", _page_of(found, person(request)))


@require_GET
@login_required
def request_live(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Return the moving part of the request page; it asks again only while something runs."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    return render(request, "requests_app/parts/request_live.html", _page_of(found, person(request)))


def _page_of(found: Request, user: User) -> dict[str, Any]:
    samples = list(
        found.samples.select_related(
            "clearing_batch__protocol", "clearing_batch__clearer", "received_by"
        )
    )
    for sample in samples:
        sample.request = found
    sights, runs = overview.sights_of(samples), overview.runs_by_sample(samples)
    strips = {pk: sight.strip for pk, sight in sights.items()}
    joint = overview.joint_strip(list(strips.values()))
    return {
        "order": found,
        "samples": [(s, strips[s.pk], runs.get(s.pk, [])) for s in samples],
        "summary": overview.summary_of(sights.values()),
        "next_action": overview.next_action_of(found, list(sights.values()), to=user),
        "joint": joint,
        "timeline": selectors.events_of(found),
        "is_moving": overview.is_moving(found),
        "may_withdraw": found.state == RequestState.SUBMITTED
        and roles.can(user, Action.WITHDRAW, found),
        "may_clear": roles.can(user, Action.CLEAR, found),
        "may_image": roles.can(user, Action.IMAGE, found),
    }


@require_POST
@login_required
@refusals_as_messages
def withdraw(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Withdraw the request, with a reason."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    workflows.withdraw_request(found, by=person(request), reason=request.POST.get("reason", ""))
    messages.success(
        request, f"“{found.name}” is withdrawn. What was done so far stays in its history."
    )
    return redirect(address_of(found))


def address_of(found: Request) -> str:
    """Return the address of a submitted request's page."""
    return reverse("requests:request-page", args=[found.owner.username, found.folder.name])
