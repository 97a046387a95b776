"""Flat field and stripes of SmartSPIM samples: the list, and what is entered of one sample."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from core_app.errors import DomainError, Invalid, NotAllowed
from core_app.http import person
from core_app.roles import Action, can
from imaging_app.models import ImagingRequest
from imaging_app.selectors import get_imaging_request
from imaging_app.states import ImagingState
from processing_app.forms import CorrectionForm
from processing_app.selectors import corrections as reads
from processing_app.selectors import rounds
from processing_app.selectors.corrections import Stage
from processing_app.services import corrections
from processing_app.states import ProcessingState
from processing_app.views.rounds import TYPED_STANDS

REFUSED = 422
PER_PART = 20
PARTS = (
    (Stage.FAILED, "Failed", "", ""),
    (Stage.READY, "Ready", "Nothing waits to be corrected.",
     "Samples come here when every channel of them is stitched."),
    (Stage.AT_WORK, "Being corrected", "Nothing is being corrected.",
     "Samples come here when their processing is started."),
    (Stage.STITCHING, "Not stitched yet", "Nothing is being stitched.",
     "SmartSPIM samples come here when their imaging is complete."),
    (Stage.CORRECTED, "Corrected", "Nothing is corrected yet.",
     "Samples stay here when every channel of them is corrected."),
)  # fmt: skip


@require_GET
@login_required
def correction_list(request: HttpRequest) -> HttpResponse:
    """Show which samples are ready to be corrected, being corrected, and corrected."""
    lines = reads.correction_lines(to=person(request))
    number = request.GET.get("page")
    sections = []
    for stage, title, nothing, how in PARTS:
        there = [line for line in lines if line.stage == stage]
        if there or stage != Stage.FAILED:
            page = Paginator(there, PER_PART).get_page(number if stage == "corrected" else None)
            sections.append((stage, title, nothing, how, page))
    context = {"sections": sections, "sees_all": rounds.sees_all(person(request))}
    return render(request, "processing_app/correction_list.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def correction(request: HttpRequest, pk: int) -> HttpResponse:
    """Show, and let enter, how each channel of a sample is corrected."""
    found = get_imaging_request(pk, to=person(request))
    data = request.POST if request.method == "POST" else None
    forms = [CorrectionForm(data, channel=one) for one in reads.channels_to_correct(found)]
    refusal = _saved(request, found, forms) if data is not None else ""
    if data is not None and not refusal:
        messages.success(request, "Saved. The next run corrects the channels so.")
        return redirect("processing:correction", pk=pk)
    return _page(request, found, forms, data, refusal)


def _saved(request: HttpRequest, found: ImagingRequest, forms: list[CorrectionForm]) -> str:
    """Keep everything, or say why nothing was kept."""
    if not all([form.is_valid() for form in forms]):
        return "Correct what is marked below; nothing was saved."
    try:
        entries = [form.entered() for form in forms]
        seen = request.POST.get("seen", "")
        corrections.set_corrections(found, entries, by=person(request), seen=seen)
    except Invalid as refusal:
        _show(forms, refusal)
        return refusal.message
    except NotAllowed as refusal:
        return refusal.message
    except DomainError as refusal:
        return f"{refusal.message} {TYPED_STANDS}"
    return ""


def _show(forms: list[CorrectionForm], refusal: Invalid) -> None:
    for form in forms:
        for name in form.fields:
            for words in refusal.fields.get(f"{form.channel.pk}-{name}", []):
                form.add_error(name, words)


def _page(
    request: HttpRequest,
    found: ImagingRequest,
    forms: list[CorrectionForm],
    data: QueryDict | None,
    refusal: str,
) -> HttpResponse:
    is_theirs = can(person(request), Action.START_PROCESSING, found.sample.request)
    at_work = reads.correcting_run(found) is not None
    left = {channel.pk for channel in reads.unstitched(found)}
    open_rounds = [
        one for one in rounds.rounds_of(found)
        if one.state in {ProcessingState.WAITING, ProcessingState.FAILED}
    ]  # fmt: skip
    context = {
        "imaging_request": found,
        "sample": found.sample,
        "order": found.sample.request,
        "lines": [(f, reads.planes_folder(f.channel), f.channel.pk in left) for f in forms],
        # What was typed comes back, also if it has to wait.
        "can_enter": is_theirs and bool(forms) and (not at_work or data is not None),
        "seen": corrections.seen_of(reads.channels_to_correct(found)),
        "is_theirs": is_theirs,
        "at_work": at_work,
        "is_imaged": found.state == ImagingState.COMPLETE,
        "round": open_rounds[-1] if open_rounds else None,
        "rounds": rounds.rounds_of(found),
        "refusal": refusal,
    }
    status = REFUSED if refusal else 200
    return render(request, "processing_app/correction.html", context, status=status)
