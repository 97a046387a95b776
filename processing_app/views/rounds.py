"""One round of processing: what is wanted of each objective, and its start."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core_app.errors import DomainError, NotAllowed
from core_app.http import person, refusals_as_messages
from core_app.models import User
from core_app.roles import Action, actions_on
from processing_app import selectors, workflows
from processing_app.forms import WishForm
from processing_app.models import ProcessingRequest
from processing_app.pipelines import CORRECTION
from processing_app.selectors import rounds as reads
from processing_app.selectors.rounds import PlaceView
from processing_app.services import processing
from processing_app.services.processing import STARTABLE, Entry
from processing_app.services.requests import PlaceWish
from processing_app.states import ProcessingState
from requests_app.services.corrections import newest_event

REFUSED = 422
MAX_DIGITS = 19
TYPED_STANDS = "What you typed still stands below; nothing of it was saved."


@dataclass(frozen=True, slots=True)
class Block:
    """One objective and side with its form, if this person may fill it in now."""

    place: PlaceView
    form: WishForm | None

    def entry(self) -> Entry:
        assert self.form is not None
        wish = self.form.wish()
        return Entry(self.place.row, wish.atlas, wish.final_orientation, wish.notes)


@require_GET
@login_required
def round_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a round: its objectives, what will be made of them, and what comes next."""
    return _page(request, selectors.get_round(pk, to=person(request)))


@require_POST
@login_required
def round_enter(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep what was typed, and start the round if that button was pressed."""
    found = selectors.get_round(pk, to=person(request))
    blocks = _blocks(reads.places_of(found), request.POST)
    refusal = ""
    if all([block.form.is_valid() for block in blocks if block.form]):
        try:
            return _done(request, found, [block.entry() for block in blocks])
        except NotAllowed as refused:
            refusal = refused.message
        except DomainError as refused:
            refusal = f"{refused.message} {TYPED_STANDS}"
    else:
        refusal = "Correct what is marked below; nothing was started."
    return _page(request, selectors.get_round(pk, to=person(request)), request.POST, refusal)


def _done(request: HttpRequest, found: ProcessingRequest, entries: Sequence[Entry]) -> HttpResponse:
    seen = _seen(request)
    if request.POST.get("action") == "start":
        workflows.start_processing(found, entries, by=person(request), seen=seen)
        sample = found.imaging_request.sample
        messages.success(request, f"Processing of {sample} is started. A mail tells when it ends.")
    else:
        processing.keep(found, entries, by=person(request), seen=seen)
        messages.success(request, "Saved. Below stands what will be made now.")
    return redirect("processing:round", pk=found.pk)


def _seen(request: HttpRequest) -> int | None:
    """Return the newest event that the page showed, if it says so."""
    text = request.POST.get("seen", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < MAX_DIGITS else None


@require_POST
@login_required
@refusals_as_messages
def round_set_aside(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that the round is not wanted."""
    found = selectors.get_round(pk, to=person(request))
    workflows.set_aside(found, by=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, "Noted: this processing is not wanted.")
    return redirect("processing:round", pk=pk)


@require_POST
@login_required
@refusals_as_messages
def round_want_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the round wait again."""
    found = selectors.get_round(pk, to=person(request))
    workflows.want_again(found, by=person(request))
    messages.success(request, "It waits again. Start it when you like.")
    return redirect("processing:round", pk=pk)


def _blocks(places: Sequence[PlaceView], data: QueryDict | None) -> list[Block]:
    return [Block(place, _form(place, data)) for place in places]


def _form(place: PlaceView, data: QueryDict | None) -> WishForm:
    row = place.row
    wish = PlaceWish(row.atlas, row.final_orientation, row.notes_from_processing)
    return WishForm(
        data, prefix=f"place-{row.pk}", wish=wish, registers=place.registers,
        notes="Notes from processing",
    )  # fmt: skip


def _page(
    request: HttpRequest, found: ProcessingRequest, data: QueryDict | None = None, refusal: str = ""
) -> HttpResponse:
    view = reads.planned(found)
    context = {
        "round": found,
        "imaging_request": found.imaging_request,
        "sample": found.imaging_request.sample,
        "order": found.imaging_request.sample.request,
        "view": view,
        "runs": _runs(found, person(request)),
        "events": reads.events_of_round(found),
        "refusal": refusal,
        "seen": newest_event(found),
        **_may(found, person(request), view.places, data),
    }
    status = REFUSED if refusal else 200
    return render(request, "processing_app/processing_round.html", context, status=status)


def _runs(found: ProcessingRequest, user: User) -> list[selectors.RunView]:
    rows = selectors.with_steps(selectors.visible_runs(to=user).filter(processing_request=found))
    return [selectors.overview(run, to=user) for run in rows]


def _may(
    found: ProcessingRequest, user: User, places: Sequence[PlaceView], data: QueryDict | None
) -> dict[str, object]:
    """Return what this person can do with the round now."""
    allowed = actions_on(user, found.imaging_request.sample.request)
    may_start = Action.START_PROCESSING in allowed
    begun, was_cancelled = found.runs.exists(), found.state == ProcessingState.CANCELLED
    is_set_aside = was_cancelled and not begun
    can_enter = may_start and found.state in STARTABLE and not is_set_aside
    obstacle = processing.obstacle_to_start(found) if found.state in STARTABLE else ""
    # What was typed comes back, also if nobody can save it now.
    shows_forms = can_enter or (may_start and data is not None)
    return {
        "blocks": _blocks(places, data) if shows_forms else [Block(p, None) for p in places],
        "can_enter": can_enter,
        "obstacle": obstacle,
        "is_set_aside": is_set_aside,
        "can_set_aside": may_start and found.state == ProcessingState.WAITING,
        "can_want": may_start and is_set_aside,
        "can_ask": may_start and found.imaging_request.state == "complete",
        "is_corrected": CORRECTION in processing.pipelines_of(found),
    }
