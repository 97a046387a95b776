"""What the steps of a new request share: finding the draft, answers to fetch, links to problems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from core_app.errors import DomainError, NotAllowed, StaleState
from core_app.http import person
from requests_app import selectors
from requests_app.forms.requests.about import AboutForm
from requests_app.forms.requests.judgement import Judgement
from requests_app.models import Request
from requests_app.plans import Problems
from requests_app.services.requests import Outdated
from requests_app.states import RequestState
from requests_app.views.requests import address_of

DraftView = Callable[[HttpRequest, Request], HttpResponseBase]
SAMPLE_WORDS = {
    "name": "name",
    "subject": "animal",
    "protocol": "protocol",
    "antibody1": "primary antibody",
    "antibody2": "secondary antibody",
    "perfusion_date": "perfused",
    "expected_handoff_date": "hand-off",
    "notes_for_clearer": "notes",
    "resolutions": "imaging",
    "again": "image again",
}


def draft_view(view: DraftView) -> Callable[[HttpRequest, int], HttpResponseBase]:
    """Open a view with the draft of this number. What was submitted meanwhile leads to its page."""

    @wraps(view)
    def shown(request: HttpRequest, pk: int) -> HttpResponseBase:
        try:
            draft = selectors.get_draft(pk, to=person(request))
        except Http404:
            return _of_submitted(request, pk)
        try:
            return view(request, draft)
        except DomainError as refusal:
            draft.refresh_from_db()
            if draft.state != RequestState.DRAFT:
                return _of_submitted(request, pk)
            return refused(request, draft, refusal)

    return login_required(shown)


def wants_json(request: HttpRequest) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


def _of_submitted(request: HttpRequest, pk: int) -> HttpResponse:
    rows = selectors.visible_requests(to=person(request)).exclude(state=RequestState.DRAFT)
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such draft, or it is not yours.")
    said = f"“{found.name}” was submitted already; this is its page. Nothing was changed."
    if wants_json(request):
        answer = {"message": said, "location": address_of(found)}
        return JsonResponse(answer, status=409)
    if request.method == "POST":
        messages.warning(request, said)
    return redirect(address_of(found))


def refused(request: HttpRequest, draft: Request, refusal: DomainError) -> HttpResponse:
    """Say why nothing was done: to a script with a status, to a person on their page."""
    if wants_json(request):
        status = 403 if isinstance(refusal, NotAllowed) else 422
        status = 409 if isinstance(refusal, StaleState) else status
        answer: dict[str, Any] = {"message": refusal.message, "revision": draft.draft_revision}
        return JsonResponse(answer | {"is_outdated": isinstance(refusal, Outdated)}, status=status)
    messages.error(request, refusal.message)
    return redirect(request.path if request.method != "POST" else _step_of(request, draft))


def _step_of(request: HttpRequest, draft: Request) -> str:
    """Return the step that a form without script was sent from."""
    for step in ("review", "samples"):
        if f"/{step}" in request.path:
            return reverse(f"requests:draft-{step}", args=[draft.pk])
    return reverse("requests:draft-edit", args=[draft.pk])


def saved(draft: Request, **more: Any) -> JsonResponse:
    """Answer a save: its revision is what the next one is based on."""
    now = timezone.localtime()
    answer = {"revision": draft.draft_revision, "saved_at": f"{now:%H:%M:%S}"}
    return JsonResponse(answer | more)


def revision_in(data: Mapping[str, Any]) -> int | None:
    """Return the revision that a save was based on; None from a form that does not say."""
    text = str(data.get("revision", ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def steps_of(draft: Request | None, current: str) -> list[dict[str, object]]:
    """Return the three steps with their addresses; before the first save there is only one."""
    words = (("edit", "About"), ("samples", "Samples"), ("review", "Review and submit"))
    return [
        {
            "name": word,
            "number": number,
            "address": reverse(f"requests:draft-{step}", args=[draft.pk]) if draft else "",
            "is_current": step == current,
        }
        for number, (step, word) in enumerate(words, start=1)
    ]


@dataclass(slots=True)
class Problem:
    """One thing to correct, and where: the first place, and all of them if they are many."""

    where: str
    message: str
    link: str
    places: list[tuple[str, str]]


def problems_with_links(
    problems: Problems, names: Sequence[str], link_to: Callable[[str], str]
) -> list[Problem]:
    """Return every problem with the words for its place and links that lead there.

    What is wrong in the same way with many samples is one problem with a link for each. `names` are
    those of the samples, and `link_to` says where the field of an address is.
    """
    groups: dict[tuple[str, str], Problem] = {}
    for address, messages_there in problems.items():
        parts, link = address.split("."), link_to(address)
        field = parts[2] if len(parts) > 2 else address
        for message in messages_there:
            place = _place(address, names)
            group = groups.setdefault((field, message), Problem(place, message, link, []))
            if len(parts) > 2:
                group.places.append((str(int(parts[1]) + 1), link))
    for (field, _), group in groups.items():
        if len(group.places) > 1:
            group.where = f"{len(group.places)} samples, {SAMPLE_WORDS.get(field, field)}"
    return list(groups.values())


def _place(address: str, names: Sequence[str]) -> str:
    parts = address.split(".")
    if parts[0] != "samples":
        field = AboutForm.base_fields.get(parts[0])
        return str(field.label or parts[0].capitalize()) if field else parts[0].capitalize()
    if len(parts) == 1:
        return "Samples"
    index = int(parts[1])
    return f"Sample {index + 1} ({names[index][:40]}), {SAMPLE_WORDS.get(parts[2], parts[2])}"


def link_in_draft(address: str, draft: Request) -> str:
    """Return where in the steps of the draft the field of this address is."""
    parts = address.split(".")
    if parts[0] != "samples":
        here = reverse("requests:draft-edit", args=[draft.pk])
        return f"{here}?check=1#id_about-{parts[0]}"
    here = reverse("requests:draft-samples", args=[draft.pk])
    if len(parts) == 1:
        return here
    field = "imaging" if parts[2] == "resolutions" else parts[2]
    return f"{here}?check=1#cell-{parts[1]}-{field}"


def findings(judgement: Judgement) -> dict[str, Any]:
    """Return what the grid marks: messages by address, and how much there is to correct."""
    return {
        "problems": judgement.problems,
        "warnings": judgement.warnings,
        "count": judgement.count,
        "rows_with_problems": judgement.rows_with_problems,
    }
