"""The new-request form: drafts, typed, kept, resumed, submitted."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from core_app.errors import DomainError, Invalid
from core_app.http import person, refusals_as_messages
from imaging_app.selectors import offered_objectives
from requests_app import selectors, workflows
from requests_app.forms.requests import RequestEntry, more_rows, without_row
from requests_app.models import Request, Subject
from requests_app.services import requests
from requests_app.views.requests import address_of


@require_http_methods(["GET", "POST"])
@login_required
def new_request(request: HttpRequest) -> HttpResponse:
    """Show the form; a first save makes a draft on the server, with an address of its own."""
    if request.method == "POST":
        draft = requests.create_draft(
            owner=person(request), by=person(request), draft=_typed(request.POST)
        )
        requests.edit_draft(draft, _typed(request.POST), by=person(request))
        return _act(request, draft)
    drafts = selectors.drafts_of(person(request))
    return render(
        request,
        "requests_app/request_form.html",
        _form_page(_entry(request, None), None) | {"drafts": drafts},
    )


@require_http_methods(["GET", "POST"])
@login_required
def edit_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Resume a draft where it was left, on any device."""
    draft = selectors.get_draft(pk, to=person(request))
    if request.method == "POST":
        try:
            requests.edit_draft(draft, _typed(request.POST), by=person(request))
        except DomainError as refusal:
            messages.error(request, refusal.message)
            return redirect("requests:request-list")
        return _act(request, draft)
    entry = _entry(request, _query(draft.draft or {}), is_resumed=True)
    return render(request, "requests_app/request_form.html", _form_page(entry, draft))


@require_POST
@login_required
@refusals_as_messages
def delete_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a draft away."""
    draft = selectors.get_draft(pk, to=person(request))
    requests.delete_draft(draft, by=person(request))
    messages.success(request, "The draft is deleted.")
    return redirect("requests:request-list")


def _act(request: HttpRequest, draft: Request) -> HttpResponse:
    """Do what the pressed button says with a saved draft: more or fewer rows, submit, or stay."""
    action = request.POST.get("action", "save")
    here = reverse("requests:draft-edit", args=[draft.pk])
    if action == "submit":
        return _submit(request, draft)
    if request.headers.get("HX-Request"):
        answer = render(
            request, "requests_app/parts/saved.html", {"draft": draft, "saved_at": timezone.now()}
        )
        answer["HX-Replace-Url"] = here
        return answer
    data: QueryDict = request.POST
    if action == "add":
        data = more_rows(data, _number(request.POST.get("add_count"), 1))
    elif action.startswith("remove-"):
        data = without_row(data, _number(action.removeprefix("remove-"), -1))
    requests.edit_draft(draft, _typed(data), by=person(request))
    return redirect(f"{here}#samples" if action != "save" else here)


def _submit(request: HttpRequest, draft: Request) -> HttpResponse:
    entry = _entry(request, request.POST)
    others: list[str] = []
    if entry.is_valid():
        try:
            workflows.submit_request(draft, entry.plan(), by=person(request))
        except Invalid as refusal:
            draft.refresh_from_db()
            others = entry.show(refusal.fields) or ([] if refusal.fields else [refusal.message])
        except DomainError as refusal:
            draft.refresh_from_db()
            others = (
                entry.show({"name": [refusal.message]})
                if refusal.code == "taken"
                else [refusal.message]
            )
        else:
            messages.success(
                request, f"“{draft.name}” is submitted. You can follow every sample here."
            )
            return redirect(address_of(draft))
    context = _form_page(entry, draft) | {"others": others, "is_refused": True}
    return render(request, "requests_app/request_form.html", context, status=422)


def _entry(
    request: HttpRequest, data: QueryDict | None, *, is_resumed: bool = False
) -> RequestEntry:
    return RequestEntry(
        data,
        is_resumed=is_resumed,
        user=person(request),
        protocols=list(selectors.offered_protocols()),
        objectives=list(offered_objectives()),
    )


def _form_page(entry: RequestEntry, draft: Request | None) -> dict[str, Any]:
    subjects = Subject.objects.order_by("name").values_list("name", flat=True)[:2000]
    return {"entry": entry, "draft": draft, "subjects": subjects, "is_new": draft is None}


def _typed(data: QueryDict) -> dict[str, str]:
    """Return what was typed, as the draft keeps it, with the name beside it for lists."""
    typed = {
        key: str(value)[:2000]
        for key, value in data.items()
        if key not in {"csrfmiddlewaretoken", "action"}
    }
    return {**typed, "name": typed.get("about-name", "")}


def _query(typed: dict[str, Any]) -> QueryDict:
    query = QueryDict(mutable=True)
    query.update({key: str(value) for key, value in typed.items()})
    return query


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 4 else default
