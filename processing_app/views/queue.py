"""The queue of processing."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from core_app.http import person
from processing_app.models import ProcessingRequest
from processing_app.selectors import rounds as reads
from processing_app.selectors.rounds import Wanted

NEWEST = 10
PER_PART = 50
Rows = QuerySet[ProcessingRequest]
# Key of the part, title, which rows, and what an empty one says.
PARTS: tuple[tuple[str, str, Callable[[Rows], Rows], str, str], ...] = (
    ("failed", "Failed", reads.failed, "", ""),
    ("progress", "Being processed", reads.at_work,
     "Nothing is being processed.", "A sample comes here when somebody starts it."),
    ("ready", "Ready", reads.ready,
     "Nothing waits to be processed.", "Samples come here when their imaging is complete."),
    ("deck", "On deck", reads.on_deck,
     "Nothing is on its way.", "Samples come here when a request is submitted."),
    ("over", "Recently processed", reads.over,
     "Nothing is processed yet.", f"The {NEWEST} samples finished last stand here."),
)  # fmt: skip
# Key of the order, heading, and whether the column holds numbers.
COLUMNS = (
    ("request", "Request", ""),
    ("sample", "Sample", ""),
    ("owner", "Owner", ""),
    ("submitted", "Submitted", ""),
    ("imaging", "Imaging round", "number"),
    ("round", "Processing round", "number"),
    ("imager", "Imager", ""),
    ("processor", "Processor", ""),
    ("species", "Species", ""),
    ("since", "Since", ""),
)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the queue."""

    key: str
    title: str
    page: Page[ProcessingRequest]
    nothing: str
    how: str

    @property
    def count(self) -> int:
        return self.page.paginator.count


@require_GET
@login_required
def queue(request: HttpRequest) -> HttpResponse:
    """Show what failed, is being processed, ready, on deck and processed."""
    user, wanted = person(request), Wanted.from_query(request.GET.dict())
    chosen = request.GET.get("part", "")
    chosen = chosen if chosen in {part[0] for part in PARTS} else ""
    rows, number = reads.queue(to=user), request.GET.get("page") if chosen else None
    sections = [_section(part, rows, wanted, number) for part in PARTS if chosen in {"", part[0]}]
    context = {
        "sections": [s for s in sections if s.count or s.key != "failed" or chosen],
        "parts": [(part[0], part[1]) for part in PARTS],
        "part": chosen,
        "wanted": wanted,
        "columns": COLUMNS,
        "sees_all": reads.sees_all(user),
        "sorted_by": _sorted_by(wanted),
    }
    return render(request, "processing_app/processing_queue.html", context)


def _section(
    part: tuple[str, str, Callable[[Rows], Rows], str, str],
    rows: Rows,
    wanted: Wanted,
    number: str | None,
) -> Section:
    key, title, those, nothing, how = part
    found = reads.ordered(those(rows), wanted, newest_first=key == "over")
    page = Paginator(found, NEWEST if key == "over" else PER_PART).get_page(number)
    return Section(key, title, page, nothing or "Nothing failed.", how)


def _sorted_by(wanted: Wanted) -> str:
    if not wanted.sort:
        return "What waits longest comes first; of what is processed, what was finished last."
    labels = {key: label for key, label, _ in COLUMNS}
    direction = "descending" if wanted.descending else "ascending"
    return f"Each part is sorted by {labels[wanted.sort].lower()}, {direction}."
