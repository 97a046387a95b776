"""A further round of imaging of a request: its form, and the button that asks for it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core_app import roles
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.http import person
from core_app.roles import Action
from requests_app import again, selectors, workflows
from requests_app.forms.requests.again import (
    Typed,
    empty_form,
    judge,
    plain_fields,
    read_form,
)
from requests_app.forms.requests.options import PRESET_OBJECTIVES_AGAIN, imaging_options
from requests_app.models import Request
from requests_app.plans import Problems
from requests_app.views.draft_pages import problems_with_links
from requests_app.views.requests import address_of

CLASH, REFUSED = 409, 422


@require_http_methods(["GET", "POST"])
@login_required
def imaging_again(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Show what was imaged and what can be imaged again; ask for a further round."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    if refusal := _refusal_of(request, found):
        messages.error(request, refusal)
        return redirect(address_of(found))
    options = imaging_options(PRESET_OBJECTIVES_AGAIN)
    if request.method == "POST":
        return _ask(request, found, options)
    ticked = request.GET.get("sample", "")
    return _page(request, found, options, empty_form(found, ticked=ticked))


def _refusal_of(request: HttpRequest, found: Request) -> str:
    """Return why this person cannot ask here. To who only reads the request, there is no page."""
    if not roles.can(person(request), Action.IMAGE_AGAIN, found):
        if request.method != "POST":
            raise Http404("There is no such page, or it is not yours to see.")
        return "Only the owner, imaging staff and managers ask for samples to be imaged again."
    return again.refusal_of(found)


def _ask(request: HttpRequest, found: Request, options: dict[str, Any]) -> HttpResponse:
    typed = read_form(found, request.POST, options["microscopes"])
    judged = judge(found, typed)
    if judged.problems:
        return _page(request, found, options, typed, judged.problems, status=REFUSED)
    try:
        made = workflows.request_imaging_again(
            found, judged.plan, by=person(request), after=typed.after
        )
    except StaleState as refusal:
        typed.after = again.last_number(found)
        return _page(request, found, options, typed, clash=refusal.message, status=CLASH)
    except (Invalid, NotReady, NotAllowed) as refusal:
        return _page(request, found, options, typed, clash=refusal.message, status=REFUSED)
    _say(request, made, len(judged.plan.samples))
    return redirect(address_of(found))


def _say(request: HttpRequest, made: workflows.FurtherRound, count: int) -> None:
    samples = f"{count} sample{'' if count == 1 else 's'}"
    if made.is_new:
        said = f"Imaging round {made.number} of {samples} is asked for. You can follow it here."
        messages.success(request, said)
    else:
        said = f"Imaging round {made.number} was asked for exactly so already; nothing was added."
        messages.info(request, said)


def _page(
    request: HttpRequest,
    found: Request,
    options: dict[str, Any],
    typed: Typed,
    problems: Problems | None = None,
    *,
    clash: str = "",
    status: int = 200,
) -> HttpResponse:
    listed = problems_with_links(problems or {}, [row.sample.name for row in typed.rows], _link_to)
    species = found.species.name if found.species else ""
    only_generic = species in options["generic_only_species"]
    context = {
        "order": found,
        "typed": typed,
        "problems": listed,
        "count": sum(len(messages_there) for messages_there in (problems or {}).values()),
        "clash": clash,
        "number": typed.after + 1,
        "asked": again.asked_channels(found),
        "purposes": options["purposes"],
        "options": options,
        "plain": plain_fields(options, typed.shared, only_generic=only_generic),
        "is_owner": found.owner_id == person(request).pk,
        "any_open": any(not row.hindrance for row in typed.rows),
        "data": _data(typed, options, species),
    }
    return render(request, "requests_app/imaging_again.html", context, status=status)


def _data(typed: Typed, options: dict[str, Any], species: str) -> dict[str, Any]:
    before = again.newest_wishes([row.sample for row in typed.rows])
    return {
        "options": options,
        "species": species,
        "samples": [
            {
                "id": row.sample.pk,
                "name": row.sample.name,
                "imaging": row.imaging,
                "before": before.get(row.sample.pk, []),
                "is_open": not row.hindrance,
            }
            for row in typed.rows
        ],
    }


def _link_to(address: str) -> str:
    """Return the place on this page: the tick of the sample, or its imaging."""
    parts = address.split(".")
    if len(parts) == 1:
        return "#samples"
    return f"#{'tick' if parts[2] == 'again' else 'imaging'}-{parts[1]}"
