"""The first step of a new request, and drafts as a whole: begin, resume, delete, order again."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from core_app.errors import DomainError, NotAllowed
from core_app.http import person, refusals_as_messages
from core_app.models import User
from requests_app import drafts, repeats, selectors, workflows
from requests_app.forms.requests.about import PREFIX, AboutForm, BehalfForm, first_values, labs_of
from requests_app.forms.requests.judgement import is_taken, taken
from requests_app.models import Request
from requests_app.services import people, requests
from requests_app.services.requests import Outdated
from requests_app.views.draft_pages import (
    draft_view,
    revision_in,
    saved,
    steps_of,
    wants_json,
)


@require_http_methods(["GET", "POST"])
@login_required
def new_request(request: HttpRequest) -> HttpResponseBase:
    """Show an empty first step; its first save makes a draft, with an address of its own."""
    user = person(request)
    if request.method == "POST":
        return _begin(request, user)
    form = AboutForm(initial=first_values(user))
    unfinished = selectors.drafts_of(user)[:5]
    return _page(request, form, None, drafts=[(d, drafts.samples_in(d.draft)) for d in unfinished])


def _begin(request: HttpRequest, user: User) -> HttpResponseBase:
    try:
        _require_own_name(request)
    except NotAllowed as refusal:
        if wants_json(request):
            return JsonResponse({"message": refusal.message}, status=403)
        messages.error(request, refusal.message)
        return redirect("requests:request-new")
    notes: list[str] = []
    empty = drafts.opened(None)
    contents = _with_typed(empty, request.POST, notes)
    draft = requests.create_draft(owner=user, by=user, draft=contents)
    return _after_save(request, draft, notes)


@require_http_methods(["GET", "POST"])
@draft_view
def edit_draft(request: HttpRequest, draft: Request) -> HttpResponseBase:
    """Resume the first step of a draft where it was left, on any device."""
    contents = drafts.opened(draft.draft)
    if request.method != "POST":
        about = _shown(contents)
        if "check" in request.GET:
            return _page(request, _judged(draft, about), draft)
        return _page(request, AboutForm(initial=about), draft)
    _require_own_name(request)
    notes: list[str] = []
    changed = _with_typed(contents, request.POST, notes)
    try:
        requests.edit_draft(draft, changed, by=person(request), based_on=revision_in(request.POST))
    except Outdated as refusal:
        if wants_json(request):
            raise
        return _page(
            request, AboutForm(initial=changed["about"]), draft, status=409, clash=refusal.message
        )
    return _after_save(request, draft, notes)


def _with_typed(contents: drafts.Draft, data: QueryDict, notes: list[str]) -> drafts.Draft:
    typed = {
        key.removeprefix(f"{PREFIX}-"): value
        for key, value in data.items()
        if key.startswith(f"{PREFIX}-")
    }
    about = drafts.clean_about(typed, notes)
    changed = drafts.with_about(contents, about, protocol=_first_protocol(about["species"]))
    wanted, there = drafts.number_of_samples(about), len(changed["samples"])
    if wanted is not None and wanted < there:
        notes.append(
            f"{there} samples stay, since what is typed of them would be lost; "
            "remove those you do not want in the next step"
        )
    return changed


def _first_protocol(species: str) -> str:
    rows = selectors.offered_protocols().filter(species__name=species)
    return rows.values_list("name", flat=True).first() or ""


def _after_save(request: HttpRequest, draft: Request, notes: list[str]) -> HttpResponseBase:
    """Answer the script; or go on, stay, or show what is wrong, as the pressed button says."""
    action = request.POST.get("action", "save")
    about = drafts.opened(draft.draft)["about"]
    if wants_json(request):
        address = reverse("requests:draft-edit", args=[draft.pk])
        problems = {
            name: list(map(str, errors)) for name, errors in _judged(draft, about).errors.items()
        }
        steps = [step["address"] for step in steps_of(draft, "edit")]
        return saved(draft, notes=notes, address=address, problems=problems, steps=steps)
    for note in notes:
        messages.warning(request, note)
    if _names_another(request):
        try:
            _hand_over(request, draft)
        except DomainError as refusal:
            messages.error(request, refusal.message)
            return _page(request, AboutForm(initial=about), draft, status=422)
    form = _judged(draft, drafts.opened(draft.draft)["about"])
    if action == "continue" and not form.is_valid():
        return _page(request, form, draft, status=422)
    step = "requests:draft-samples" if action == "continue" else "requests:draft-edit"
    return redirect(step, draft.pk)


def _judged(draft: Request, about: dict[str, Any]) -> AboutForm:
    """Return the first step with everything that is wrong with it."""
    form = AboutForm({f"{PREFIX}-{name}": value for name, value in about.items()})
    if form.is_valid() or "name" not in form.errors:
        name = str(form.cleaned_data.get("name", ""))
        if is_taken(draft, name):
            form.add_error("name", taken(draft.owner, name))
    auditor = str(form.cleaned_data.get("auditor", ""))
    if auditor and auditor == draft.owner.username:
        form.add_error("auditor", "The owner sees the request anyway; name somebody else.")
    elif auditor and not User.objects.filter(username=auditor, is_active=True).exists():
        form.add_error("auditor", "Nobody here has this username; ask the person for theirs.")
    return form


def _shown(contents: drafts.Draft) -> dict[str, Any]:
    """Return the first step as typed; the number of samples is that of the rows there are."""
    about: dict[str, Any] = contents["about"]
    if contents["samples"] and drafts.number_of_samples(about) is not None:
        about = about | {"number_of_samples": str(len(contents["samples"]))}
    return about


def _names_another(request: HttpRequest) -> bool:
    return any(request.POST.get(f"other-{name}", "").strip() for name in ("username", "email"))


def _require_own_name(request: HttpRequest) -> None:
    if _names_another(request) and not workflows.may_submit_for_others(person(request)):
        raise NotAllowed("Only clearing staff and managers hand in requests for other people.")


def _hand_over(request: HttpRequest, draft: Request) -> None:
    """Make the draft the named person's, with an account if they have none."""
    user = person(request)
    owner, is_new = people.account_for(
        request.POST.get("other-username", ""), request.POST.get("other-email", ""), by=user
    )
    before = draft.owner
    note = ", whose account was made for it" if is_new else ""
    contents = drafts.opened(draft.draft)
    contents["about"] |= _theirs(contents["about"], before, owner)
    requests.hand_over_draft(draft, owner, by=user, note=note, contents=contents)
    made = " An account was made for them." if is_new else ""
    messages.success(request, f"This request is {owner.username}'s now.{made}")


def _theirs(about: dict[str, Any], before: User, owner: User) -> dict[str, str]:
    """Return lab and address of the new owner where those of the former one stood."""
    changes = {}
    if about["correspondence_email"] in {"", before.email}:
        changes["correspondence_email"] = owner.email
    if about["lab"] in {"", *labs_of(before)}:
        changes["lab"] = next(iter(labs_of(owner)), "")
    return changes


def _page(
    request: HttpRequest, form: AboutForm, draft: Request | None, *, status: int = 200, **more: Any
) -> HttpResponse:
    owner = draft.owner if draft else person(request)
    context: dict[str, Any] = {
        "form": form,
        "draft": draft,
        "steps": steps_of(draft, "edit"),
        "labs": labs_of(owner),
        "owner": owner,
    }
    if workflows.may_submit_for_others(person(request)):
        context["behalf"] = BehalfForm(request.POST if _names_another(request) else None)
    return render(request, "requests_app/request_form.html", context | more, status=status)


@require_POST
@login_required
@refusals_as_messages
def delete_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a draft away."""
    draft = selectors.get_draft(pk, to=person(request))
    requests.delete_draft(draft, by=person(request))
    messages.success(request, "The draft is deleted.")
    return redirect("requests:request-list")


@require_POST
@draft_view
def copy_draft(request: HttpRequest, draft: Request) -> HttpResponse:
    """Begin another draft with the contents of this one."""
    user = person(request)
    return _open_copy(request, repeats.copy_of(draft, to=user), draft.name or "the draft")


@require_POST
@login_required
def clone(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Order the same again: a draft of one's own with the contents of a request one may read."""
    found = selectors.get_request(owner=owner, name=name, to=person(request))
    return _open_copy(request, repeats.draft_of(found, to=person(request)), found.name)


def _open_copy(request: HttpRequest, contents: drafts.Draft, of: str) -> HttpResponse:
    user = person(request)
    draft = requests.create_draft(owner=user, by=user, draft=contents)
    messages.success(
        request, f"This draft has the contents of “{of}”, without its dates. Nothing is submitted."
    )
    for notice in workflows.notices_of_draft(contents):
        messages.warning(request, notice)
    return redirect("requests:draft-edit", draft.pk)
