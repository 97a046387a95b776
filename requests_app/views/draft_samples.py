"""The second step: the grid of samples, its table as a file, and files as its table."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core_app.errors import Invalid, StaleState
from core_app.http import person
from requests_app import drafts, selectors, sheets
from requests_app.forms.requests.judgement import judge
from requests_app.forms.requests.options import options
from requests_app.imaging_text import read_imaging
from requests_app.models import Request
from requests_app.plans import MOST_SAMPLES
from requests_app.services import requests
from requests_app.services.requests import Outdated
from requests_app.views.draft_pages import draft_view, findings, revision_in, saved, steps_of

MOST_SUBJECTS = 30
CHANGED = (
    "The draft was changed in another window since this page was shown, so nothing was done. "
    "This is how it is now; look at it, and do it again if you still want to."
)


@require_http_methods(["GET", "POST"])
@draft_view
def samples(request: HttpRequest, draft: Request) -> HttpResponseBase:
    """Show the grid, or save it as typed. Asked to, say everything that is wrong with it."""
    if request.method == "POST":
        return _save(request, draft)
    contents = drafts.opened(draft.draft)
    judged = findings(judge(draft, contents)) if "check" in request.GET else {}
    context = {
        "draft": draft,
        "steps": steps_of(draft, "samples"),
        "upload": contents.get("upload"),
        "count": len(contents["samples"]),
        "grid": _grid(draft, contents) | {"found": judged},
    }
    return render(request, "requests_app/request_form_samples.html", context)


def _grid(draft: Request, contents: drafts.Draft) -> dict[str, Any]:
    about = contents["about"]
    return {
        "revision": draft.draft_revision,
        "samples": contents["samples"],
        "request_name": about["name"],
        "species": about["species"],
        "self_clearing": about["self_clearing"],
        "options": options(),
        "addresses": {
            "save": reverse("requests:draft-samples", args=[draft.pk]),
            "subjects": reverse("requests:draft-subjects", args=[draft.pk]),
            "hints": _hints_address(),
        },
    }


def _hints_address() -> str:
    try:
        return reverse("clearing:antibody-hints")
    except NoReverseMatch:
        return ""


def _save(request: HttpRequest, draft: Request) -> HttpResponseBase:
    notes: list[str] = []
    contents = drafts.opened(draft.draft)
    contents["samples"] = drafts.clean_samples(_payload(request), notes)
    read = _with_imaging_read(contents["samples"])
    if contents["samples"]:
        contents["about"]["number_of_samples"] = str(len(contents["samples"]))
    try:
        requests.edit_draft(draft, contents, by=person(request), based_on=revision_in(request.POST))
    except Outdated:
        # Sent again since the answer was lost: what is there already overwrites nothing.
        if drafts.opened(draft.draft)["samples"] != contents["samples"]:
            raise
        contents = drafts.opened(draft.draft)
    judged = findings(judge(draft, contents)) if request.POST.get("check") else {}
    return saved(draft, notes=notes, imaging=read, **judged)


def _with_imaging_read(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Turn imaging that was pasted as text into choices; return those by row."""
    read = {}
    for index, row in enumerate(rows):
        imaging, problem = read_imaging(row["imaging_text"])
        if imaging and not problem and not row["imaging"]:
            row["imaging"] = drafts.clean_imaging(imaging, [])
            row["imaging_text"] = ""
            read[index] = row["imaging"]
    return read


def _payload(request: HttpRequest) -> list[Any]:
    try:
        payload = json.loads(request.POST.get("payload", ""))
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, list):
        raise Invalid("What was sent is no table of samples; nothing was changed. Reload the page.")
    return payload


@require_GET
@draft_view
def samples_csv(request: HttpRequest, draft: Request) -> HttpResponse:
    """Return the samples as a table that can be changed and uploaded again."""
    text = sheets.write_csv(drafts.opened(draft.draft)["samples"])
    answer = HttpResponse(text.encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="samples-{draft.pk}.csv"'
    return answer


@require_POST
@draft_view
def upload(request: HttpRequest, draft: Request) -> HttpResponse:
    """Take the samples of a file or of pasted text; what was there before can be had back."""
    sheet = _sheet(request)
    contents = _opened_as_shown(request, draft)
    before, notes = contents["samples"], list(sheet.errors)
    is_added = request.POST.get("mode") == "append"
    rows = before + sheet.samples if is_added else sheet.samples
    contents["samples"] = drafts.clean_samples(rows, notes)
    contents["about"]["number_of_samples"] = str(len(contents["samples"]))
    contents["upload"] = {"samples": before, "notes": notes}
    requests.edit_draft(draft, contents, by=person(request), based_on=draft.draft_revision)
    taken = len(contents["samples"]) - (len(before) if is_added else 0)
    messages.success(request, f"{taken} sample{'s' if taken != 1 else ''} taken from the table.")
    return redirect(f"{reverse('requests:draft-samples', args=[draft.pk])}?check=1")


def _sheet(request: HttpRequest) -> sheets.Sheet:
    found = request.FILES.get("file")
    text = request.POST.get("text", "")
    try:
        if found is not None and not isinstance(found, list):
            if (found.size or 0) > sheets.MOST_BYTES:
                raise sheets.Unreadable(
                    f"The file has {(found.size or 0) / 1e6:.1f} MB; at most 2 MB are read. "
                    "Save only the table of samples."
                )
            return sheets.read_file(found.read())
        if text.strip():
            return sheets.read_text(text)
    except sheets.Unreadable as problem:
        raise Invalid(f"Nothing was changed. {problem}") from problem
    raise Invalid(f"Choose a file, or paste a table of up to {MOST_SAMPLES} samples.")


@require_POST
@draft_view
def end_upload(request: HttpRequest, draft: Request) -> HttpResponse:
    """Undo the upload: the samples are those before it. Or keep it, and forget those before."""
    contents = _opened_as_shown(request, draft)
    before = contents.pop("upload", None)
    if before is None:
        raise Invalid("There is no upload to undo any more; nothing was changed.")
    if request.POST.get("action") != "keep":
        contents["samples"] = before["samples"]
        contents["about"]["number_of_samples"] = str(len(before["samples"]) or 1)
        messages.success(request, "The upload is undone; the samples are those before it.")
    requests.edit_draft(draft, contents, by=person(request), based_on=draft.draft_revision)
    return redirect("requests:draft-samples", draft.pk)


def _opened_as_shown(request: HttpRequest, draft: Request) -> drafts.Draft:
    """Read the draft anew: a file takes long to come and to be read. It must be as it was shown.

    Raises StaleState if another window saved it since.
    """
    draft.refresh_from_db()
    based_on = revision_in(request.POST)
    if based_on is not None and based_on != draft.draft_revision:
        raise StaleState(CHANGED)
    return drafts.opened(draft.draft)


@require_GET
@draft_view
def subjects(request: HttpRequest, draft: Request) -> JsonResponse:
    """Return the animals whose name begins like, or contains, what was typed."""
    typed = request.GET.get("q", "").replace("\x00", "").strip()[:64]
    rows = selectors.offered_subjects(to=draft.owner)
    if typed:
        rows = rows.filter(name__icontains=typed)
    found = rows.order_by("name").values_list("name", flat=True)[:MOST_SUBJECTS]
    return JsonResponse({"subjects": list(found)})
