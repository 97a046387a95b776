"""Buttons that change the channels and objectives of a batch or of one sample."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from core_app.errors import DomainError
from core_app.http import person, refusals_as_messages
from imaging_app import selectors, workflows
from imaging_app.forms.batch import KINDS, edit_of
from imaging_app.views.batches import show_batch, tell


@require_POST
@login_required
def edit_batch(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Change every open sample of a batch. A refusal keeps what was chosen."""
    batch = selectors.get_batch(pk, to=person(request))
    _require_known(kind)
    try:
        edit, seen = edit_of(kind, request.POST), request.POST.get("seen", "")
        outcome = workflows.edit_batch(batch, edit, by=person(request), seen=seen)
    except DomainError as refusal:
        return show_batch(request, batch, refusal=refusal.message, kept=_kept(request))
    tell(request, outcome, done=_sentence("; ".join(outcome.done)))
    return redirect("imaging:batch", pk=batch.pk)


@require_POST
@login_required
@refusals_as_messages
def edit_sample(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Change one sample."""
    found = selectors.get_imaging_request(pk, to=person(request))
    _require_known(kind)
    edit, seen = edit_of(kind, request.POST), request.POST.get("seen", "")
    done = workflows.edit_sample(found, edit, by=person(request), seen=seen)
    if done:
        messages.success(request, f"{_sentence(done)}.")
    else:
        messages.info(request, "Nothing to change: it was so already.")
    return redirect("imaging:request", pk=found.pk)


def _kept(request: HttpRequest) -> dict[str, object]:
    """Return what was chosen, for the form that it came from."""
    names = ("came_from", "wavelength", "to")
    chosen: dict[str, object] = {name: request.POST.get(name, "") for name in names}
    return chosen | {"purposes": request.POST.getlist("purpose")}


def _require_known(kind: str) -> None:
    if kind not in KINDS:
        raise Http404("There is no such button.")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"
