"""The quality sheet of one objective and side, and the files beside what steps found."""

from typing import Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core_app.errors import DomainError
from core_app.http import person
from core_app.models import Event
from core_app.roles import Action, actions_on, can
from processing_app.models import Artifact, QualitySheet
from processing_app.selectors import quality as reads
from processing_app.services import quality
from processing_app.states import QualityState
from viewers_app.rooted import open_below

REFUSED = 422
TYPES: Final = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg",
    "csv": "text/csv; charset=utf-8",
}  # fmt: skip


@require_GET
@login_required
def quality_sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the figures with what they mean, the pictures, and who let the images pass."""
    return _page(request, reads.get_sheet(pk, to=person(request)))


def _page(
    request: HttpRequest, sheet: QualitySheet, refusal: str = "", note: str = ""
) -> HttpResponse:
    view = reads.sheet_view(sheet)
    found = sheet.processing_request
    order = found.imaging_request.sample.request
    allowed = actions_on(person(request), order)
    context = {
        "sheet": sheet,
        "view": view,
        "round": found,
        "imaging_request": found.imaging_request,
        "sample": found.imaging_request.sample,
        "order": order,
        "pictures": _pictures(view),
        "can_decide": Action.PROCESS in allowed and bool(sheet.figures),
        "can_ask": Action.START_PROCESSING in allowed,
        "events": _events(sheet),
        "seen": quality.seen_of(sheet),
        "refusal": refusal,
        "note": note,
    }
    status = REFUSED if refusal else 200
    return render(request, "processing_app/processing_quality.html", context, status=status)


def _events(sheet: QualitySheet) -> list[Event]:
    rows = Event.objects.filter(kind=sheet.KIND, object_id=sheet.pk).exclude(verb="created")
    return list(rows.select_related("by").order_by("-id")[:50])


def _pictures(view: reads.SheetView) -> list[tuple[Artifact, str, str]]:
    """Return (artifact, file, label) of the pictures that can be seen from here."""
    wanted: list[tuple[Artifact | None, str, str]] = []
    if view.findings.registration:
        overlay = view.findings.registration.overlay
        wanted.append((view.registration, overlay, "The registration, laid over the atlas"))
    wanted += [
        (view.quality, one.file, f"{one.label}{f', {one.channel} nm' if one.channel else ''}")
        for one in view.findings.pictures
    ]
    return [(a, file, label) for a, file, label in wanted if a is not None and _is_there(a, file)]


def _is_there(artifact: Artifact, name: str) -> bool:
    place = reads.file_of(artifact, name)
    file = open_below(settings.DATA_ROOT, str(place).split("/")) if place else None
    if file is None:
        return False
    file.close()
    return True


@require_POST
@login_required
def quality_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the images pass, or not. What was typed stays where that is refused."""
    sheet = reads.get_sheet(pk, to=person(request))
    typed = {name: request.POST.get(name, "") for name in ("note", "seen")}
    state = request.POST.get("state", "")
    try:
        quality.decide(sheet, state, by=person(request), **typed)
    except DomainError as refused:
        now = reads.get_sheet(pk, to=person(request))
        return _page(request, now, refused.message, typed["note"])
    words = "passed" if state == QualityState.PASSED else "did not pass"
    messages.success(request, f"Noted: the images {words}.")
    return redirect("processing:quality", pk=pk)


@require_GET
@login_required
def made_file(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """Send one file beside what a step found: a picture, or the table of regions."""
    artifact = reads.get_artifact(pk, to=person(request))
    order = artifact.step.run.imaging_request.sample.request
    if not can(person(request), Action.SEE_VOLUMES, order):
        raise Http404("There is no such file, or it is not yours to see.")
    place = reads.file_of(artifact, name)
    file = open_below(settings.DATA_ROOT, str(place).split("/")) if place else None
    if file is None:
        raise Http404("There is no such file.")
    kind = TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    is_table = kind.startswith("text/csv")
    shown = f"{order.folder.name}_{artifact.step.run.imaging_request.sample}_{name}"
    answer = FileResponse(file, content_type=kind, as_attachment=is_table, filename=shown)
    answer["Cache-Control"] = "private, no-cache"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
