"""Pages of antibodies: what was tried, what works, and what to tell about it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core_app.errors import DomainError, Invalid, StaleState
from core_app.exports import csv_answer
from core_app.http import person, refusals_as_messages
from core_app.models import User
from requests_app.forms.antibodies import HistoryFilter, OutcomeForm, TrialForm
from requests_app.forms.clearing import add_refusal
from requests_app.models import AntibodyTrial
from requests_app.models.request import folder_of
from requests_app.selectors import antibodies as known
from requests_app.selectors import trials
from requests_app.services import antibodies

PER_PAGE = 50
REFUSED = 422
COLUMNS = {
    "date": "Date",
    "primary": "Primary antibody",
    "primary-concentration": "Concentration",
    "secondary": "Secondary antibody",
    "secondary-concentration": "Concentration",
    "species": "Animal model",
    "protocol": "Protocol",
    "outcome": "Outcome",
    "for": "What for",
    "notes": "Notes",
    "owner": "Person",
    "request": "Request",
}
OUTCOMES = [
    *((o.value, o.label) for o in AntibodyTrial.Outcome if o),
    (trials.UNRATED, "Not rated yet"),
]
CSV_HEADER = (
    "Date", "What for", "Animal model", "Protocol", "Primary antibody", "Primary concentration",
    "Primary lot", "Primary order info", "Secondary antibody", "Secondary concentration",
    "Secondary lot", "Secondary order info", "Outcome", "Recommended", "Notes", "Person", "Request",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One heading of the history: where it leads, and which way the lines go now."""

    label: str
    sort: str
    direction: str


@require_GET
@login_required
def history(request: HttpRequest) -> HttpResponse:
    """Show what was tried, as this person may read it; filters and order live in the address."""
    rows, chosen, sort = _asked_for(request.GET, person(request))
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "lines": list(_lines(page.object_list)),
        "page": page,
        "columns": [_column(key, label, sort) for key, label in COLUMNS.items()],
        "chosen": chosen,
        "sort": sort,
        "species": trials.known_values("species"),
        "protocols": trials.known_values("protocol"),
        "outcomes": OUTCOMES,
        "may_add": trials.is_keeper(person(request)),
    }
    return render(request, "requests_app/antibody_history.html", context)


@require_GET
@login_required
def history_csv(request: HttpRequest) -> HttpResponseBase:
    """Send the history, with the same filters and order, as a table."""
    rows, _, _ = _asked_for(request.GET, person(request))
    return csv_answer("antibodies.csv", CSV_HEADER, map(_cells, rows.iterator(chunk_size=500)))


def _asked_for(query: QueryDict, user: User) -> tuple[QuerySet[Any], dict[str, Any], str]:
    chosen = HistoryFilter(query).chosen()
    sort = query.get("sort", "")
    rows = trials.ordered(trials.filtered(trials.history(to=user), chosen), sort)
    return rows, chosen, sort if sort.removeprefix("-") in COLUMNS else trials.NEWEST_FIRST


def _column(key: str, label: str, sort: str) -> Column:
    if sort == key:
        return Column(label, f"-{key}", "ascending")
    return Column(label, key, "descending" if sort == f"-{key}" else "")


def _lines(rows: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    for trial in rows:
        yield trial, _request_address(trial)


def _request_address(trial: Any) -> str:
    """Return where the request of a trial is shown; empty for who may not read it."""
    if not trial.shown_request:
        return ""
    return reverse(
        "requests:request-page", args=[trial.shown_owner, folder_of(trial.shown_request)]
    )


def _cells(trial: Any) -> list[object]:
    return [
        trial.tried_on, trial.shown_description, trial.species, trial.protocol,
        trial.primary_antibody, trial.primary_concentration, trial.primary_lot,
        trial.primary_order_info, trial.secondary_antibody, trial.secondary_concentration,
        trial.secondary_lot, trial.secondary_order_info, trial.get_outcome_display(),
        "yes" if trial.is_recommended else "", trial.shown_notes, trial.shown_owner,
        trial.shown_request,
    ]  # fmt: skip


@require_GET
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """Show what works: one line per combination, what staff recommend on top."""
    words = str(HistoryFilter(request.GET).chosen().get("q", ""))
    rows = trials.filtered(known.tried(), {"q": words} if words else {})
    best = known.combinations(rows).order_by("-recommended", "-good", "-newest", *known.LOWER)
    page = Paginator(best, PER_PAGE).get_page(request.GET.get("page"))
    context = {"lines": known.experiences(page.object_list), "page": page, "search": words}
    return render(request, "requests_app/antibody_overview.html", context)


@require_GET
@login_required
def trial(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one trial."""
    found = trials.get_trial(pk, to=person(request))
    context = {
        "trial": found,
        "request_address": _request_address(found),
        "may_edit": bool(trials.editable_fields(found, person(request))),
    }
    return render(request, "requests_app/antibody_trial.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def new_trial(request: HttpRequest) -> HttpResponse:
    """Add a trial that no request brought."""
    if not trials.is_keeper(person(request)):
        messages.error(request, "Only clearing staff add trials; those of requests are here.")
        return redirect("clearing:antibody-history")
    form = TrialForm(request.POST or None, allowed=trials.ALL_FIELDS)
    if request.method == "POST" and form.is_valid():
        try:
            antibodies.add_trial(form.values(), by=person(request))
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The trial is in the history.")
            return redirect("clearing:antibody-history")
    return _form_page(request, form, None)


@require_http_methods(["GET", "POST"])
@login_required
@refusals_as_messages
def edit_trial(request: HttpRequest, pk: int) -> HttpResponse:
    """Correct a trial: staff everything, who ordered it what they know best."""
    found = trials.get_own_trial(pk, to=person(request))
    allowed = trials.editable_fields(found, person(request))
    form = TrialForm(request.POST or None, instance=found, allowed=allowed)
    stands: list[tuple[str, object]] = []
    if request.method == "POST" and form.is_valid():
        try:
            seen = form.cleaned_data["seen"] or 0
            antibodies.edit_trial(found, form.values(), by=person(request), seen=seen)
        except (Invalid, StaleState) as refusal:
            add_refusal(form, refusal)
            if isinstance(refusal, StaleState):
                form, stands = _again(request, pk, form)
        else:
            messages.success(request, "The trial is corrected.")
            return redirect("clearing:antibody-trial", pk)
    return _form_page(request, form, found, stands=stands)


def _again(
    request: HttpRequest, pk: int, refused: TrialForm
) -> tuple[TrialForm, list[tuple[str, object]]]:
    """Return the form as typed, to be saved over what somebody else wrote, and what that is."""
    found = trials.get_own_trial(pk, to=person(request))
    theirs = [
        (str(refused.fields[name].label), getattr(found, name) or "nothing")
        for name, typed in refused.values().items()
        if getattr(found, name) != typed
    ]
    data = request.POST.copy()
    data["seen"] = str(found.revision)
    form = TrialForm(data, instance=found, allowed=trials.editable_fields(found, person(request)))
    for message in refused.non_field_errors():
        form.add_error(None, message)
    return form, theirs


def _form_page(
    request: HttpRequest,
    form: TrialForm,
    found: AntibodyTrial | None,
    *,
    stands: Iterable[tuple[str, object]] = (),
) -> HttpResponse:
    context = {"form": form, "trial": found, "stands": stands}
    status = REFUSED if form.is_bound else 200
    return render(request, "requests_app/antibody_form.html", context, status=status)


@require_POST
@login_required
@refusals_as_messages
def rate(request: HttpRequest, pk: int) -> HttpResponse:
    """Say in one tap how it went; lead back to the batch or the trial it was said at."""
    found = trials.get_trial(pk, to=person(request))
    form = OutcomeForm(request.POST)
    if not form.is_valid():
        raise Invalid("That is no outcome that a trial can have. Reload the page, then tap again.")
    given = form.cleaned_data
    antibodies.rate(
        found, given["outcome"], by=person(request), seen=given["seen"], note=given["note"]
    )
    messages.success(request, "Thank you: how it went is in the history of antibodies.")
    if request.POST.get("from") == "batch" and found.batch_id:
        return redirect("clearing:batch", found.batch_id)
    return redirect("clearing:antibody-trial", pk)


@require_GET
@login_required
def hints(request: HttpRequest) -> HttpResponse:
    """Return in a few lines what is known of the antibodies that somebody types into a request."""
    words = {
        name: request.GET.get(name, "").strip()[: known.MOST_TEXT]
        for name in ("primary", "secondary", "protocol", "species")
    }
    asked = known.Asked(**words)
    if not asked.primary and not asked.secondary:
        return HttpResponse("")
    context = {"asked": asked, "lines": known.hints_for(asked)}
    return render(request, "requests_app/antibody_hints.html", context)
