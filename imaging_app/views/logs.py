"""The log of imaging: of one sample in one round, and of all that a person may read. Read only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from core_app.exports import csv_answer
from core_app.http import person
from core_app.models import User
from imaging_app import exports, selectors
from imaging_app.models import ImagingChannel, ImagingRequest
from imaging_app.selectors import log
from imaging_app.states import ImagingState

PER_PAGE = 50
LONGEST = 64
# Key of the order, heading, and whether the column holds numbers.
COLUMNS = (
    ("imaged", "Imaged", ""),
    ("request", "Request", ""),
    ("owner", "Owner", ""),
    ("lab", "Lab", ""),
    ("sample", "Sample", ""),
    ("round", "Round", "number"),
    ("microscope", "Microscope", ""),
    ("objective", "Objective", ""),
    ("channel", "Channel", "number"),
    ("planes", "Planes", "number"),
    ("step", "z step", "number"),
    ("imager", "Imager", ""),
)
MENUS = (
    ("lab", "Lab", "Any lab"),
    ("owner", "Owner", "Any owner"),
    ("microscope", "Microscope", "Any microscope"),
    ("objective", "Objective", "Any objective"),
    ("channel", "Channel", "Any channel"),
    ("imager", "Imager", "Any imager"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks of the log; a date that is none is said, and filters nothing."""

    filters: dict[str, str]
    words: str
    sort: str
    descending: bool
    typed: dict[str, str]
    days: dict[str, date]
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words or self.filters or self.days)

    @property
    def direction(self) -> str:
        return "desc" if self.descending else "asc"


@dataclass(frozen=True, slots=True)
class Menu:
    """One filter: its choices, and what is chosen."""

    key: str
    label: str
    anything: str
    choices: list[tuple[str, str]]
    value: str


def asked_of(query: Mapping[str, str]) -> Asked:
    """Understand an address; what is unknown is left out."""

    def word(key: str) -> str:
        return query.get(key, "").replace("\0", "").strip()[:LONGEST]

    filters = {key: word(key) for key, _, _ in MENUS if word(key)}
    sort = word("sort") if word("sort") in log.SORTS else ""
    typed = {key: word(key) for key in ("from", "to") if word(key)}
    days = {key: day for key, text in typed.items() if (day := _day(text))}
    wrong = {key: f"“{typed[key]}” is no date. Write it as 2026-03-24." for key in typed}
    problems = {key: words for key, words in wrong.items() if key not in days}
    if len(days) == 2 and days["from"] > days["to"]:
        problems["to"] = "This day is before the first one, so nothing fits. Change one of them."
    return Asked(
        filters, word("q"), sort or "imaged", word("dir") == "desc" if sort else True,
        typed, days, problems,
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@require_GET
@login_required
def log_list(request: HttpRequest) -> HttpResponse:
    """List every channel that was imaged and that this person may read, as the address asks."""
    asked = asked_of(request.GET.dict())
    everything = log.logged_channels(to=person(request))
    page = Paginator(_rows(asked, person(request)), PER_PAGE).get_page(request.GET.get("page"))
    choices = log.choices_in(everything)
    menus = [
        Menu(*menu, getattr(choices, menu[0]), asked.filters.get(menu[0], "")) for menu in MENUS
    ]
    context = {
        "lines": list(log.lines_of(page.object_list)),
        "page": page,
        "asked": asked,
        "columns": COLUMNS,
        "wanted": asked,
        "menus": menus,
    }
    return render(request, "imaging_app/log_list.html", context)


@require_GET
@login_required
def log_list_csv(request: HttpRequest) -> HttpResponseBase:
    """Send what the list of this address shows, all pages of it, as CSV."""
    rows = _rows(asked_of(request.GET.dict()), person(request))
    return exports.log_csv(rows, name=_dated("imaging-log"))


@require_GET
@login_required
def log_list_xlsx(request: HttpRequest) -> HttpResponseBase:
    """Send what the list of this address shows, all pages of it, as a workbook."""
    rows = _rows(asked_of(request.GET.dict()), person(request))
    return exports.log_xlsx(rows, name=_dated("imaging-log"))


def _rows(asked: Asked, user: User) -> QuerySet[ImagingChannel]:
    rows = log.filtered(
        log.logged_channels(to=user), asked.filters, asked.words,
        first=asked.days.get("from"), last=asked.days.get("to"),
    )  # fmt: skip
    return log.ordered(rows, asked.sort, descending=asked.descending)


def _dated(name: str) -> str:
    return f"{name}-{timezone.localdate()}"


@require_GET
@login_required
def request_log(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how one sample was imaged in one round; before that, lead to its request."""
    found = selectors.get_imaging_request(pk, to=person(request))
    if found.state != ImagingState.COMPLETE:
        return _not_imaged(request, found)
    lines = log.lines_of_request(found)
    context = {
        "imaging_request": found,
        "sample": found.sample,
        "order": found.sample.request,
        "batch": selectors.get_batch(found.batch_id, to=person(request)),
        "lines": lines,
        "deliveries": log.deliveries_in(lines),
        "events": log.events_of(found),
    }
    return render(request, "imaging_app/request_log.html", context)


@require_GET
@login_required
def request_log_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return the log of one sample's round as CSV, times in the facility's zone."""
    found = selectors.get_imaging_request(pk, to=person(request))
    if found.state != ImagingState.COMPLETE:
        return _not_imaged(request, found)
    order = found.sample.request
    name = f"{order.owner.username}_{order.folder.name}_{found.sample}_imaging_{found.number}.csv"
    return csv_answer(name, exports.HEADER, exports.cells_of(log.lines_of_request(found)))


def _not_imaged(request: HttpRequest, found: ImagingRequest) -> HttpResponseRedirect:
    order = found.sample.request
    messages.info(
        request,
        f"{found.sample} has no log of imaging round {found.number} yet: the round is "
        f"{found.get_state_display().lower()}. The log comes when its imaging is complete.",
    )
    return redirect("requests:request-page", order.owner.username, order.folder.name)
