"""Ask for one more round of processing of finished imaging."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core_app.errors import DomainError
from core_app.http import person
from core_app.roles import Action, can
from imaging_app.models import ImagingChannel, ImagingRequest
from imaging_app.selectors import get_imaging_request
from imaging_app.states import ImagingState
from processing_app import workflows
from processing_app.forms import WishForm
from processing_app.models import ProcessingRequest
from processing_app.selectors import rounds as reads
from processing_app.selectors.rounds import PlaceKey
from processing_app.services.requests import PlaceWish

REFUSED = 422
MAX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Block:
    """One objective and side that can be processed, with its form."""

    key: PlaceKey
    channels: list[ImagingChannel]
    form: WishForm

    @property
    def title(self) -> str:
        side = ", ventral side up" if self.key[1] else ""
        return f"{self.channels[0].resolution.objective.name}{side}"


@login_required
@require_http_methods(["GET", "POST"])
def round_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask what is wanted of each objective; then open the round and go there."""
    user = person(request)
    found = get_imaging_request(pk, to=user)
    if not can(user, Action.START_PROCESSING, found.sample.request):
        raise Http404("Only the owner and processing staff ask for processing.")
    there = reads.rounds_of(found)
    data = request.POST if request.method == "POST" else None
    blocks, refusal = _blocks(found, there, data), ""
    if data is not None:
        opened, refusal = _opened(request, found, blocks)
        if opened is not None:
            messages.success(request, f"Processing round {opened.number} waits to be started.")
            return redirect("processing:round", pk=opened.pk)
        there = reads.rounds_of(found)
    return _page(request, found, there, blocks, refusal)


def _page(
    request: HttpRequest,
    found: ImagingRequest,
    there: list[ProcessingRequest],
    blocks: list[Block],
    refusal: str,
) -> HttpResponse:
    context = {
        "imaging_request": found,
        "sample": found.sample,
        "order": found.sample.request,
        "rounds": there,
        "last": there[-1].number if there else 0,
        "blocks": blocks,
        "obstacle": _obstacle(found, blocks),
        "refusal": refusal,
    }
    status = REFUSED if refusal else 200
    return render(request, "processing_app/processing_new.html", context, status=status)


def _obstacle(found: ImagingRequest, blocks: list[Block]) -> str:
    if found.state != ImagingState.COMPLETE:
        return "Imaging of this sample is not complete. Ask for processing when it is."
    return "" if blocks else "No pipeline of this installation processes what was imaged."


def _opened(
    request: HttpRequest, found: ImagingRequest, blocks: list[Block]
) -> tuple[ProcessingRequest | None, str]:
    """Return the new round, or None and why there is none."""
    if not all([block.form.is_valid() for block in blocks]):
        return None, "Correct what is marked below; nothing was stored."
    after = request.POST.get("after", "")
    seen = int(after) if after.isascii() and after.isdigit() and len(after) < MAX_DIGITS else 0
    wishes = {block.key: block.form.wish() for block in blocks}
    try:
        opened = workflows.ask_for_processing(found, wishes, by=person(request), after=seen)
    except DomainError as refused:
        return None, refused.message
    return opened, ""


def _blocks(
    found: ImagingRequest, there: list[ProcessingRequest], data: QueryDict | None
) -> list[Block]:
    """Begin with what was wanted last, so that one thing can be changed."""
    before = _wanted_last(there)
    return [
        Block(key, channels, _form(key, channels, before.get(key, PlaceWish()), data))
        for key, channels in reads.imaged_places(found).items()
    ]


def _wanted_last(there: list[ProcessingRequest]) -> Mapping[PlaceKey, PlaceWish]:
    return {
        (row.resolution_id, row.ventral_up): PlaceWish(row.atlas, row.final_orientation)
        for one in there
        for row in one.resolutions.all()
    }


def _form(
    key: PlaceKey, channels: list[ImagingChannel], wish: PlaceWish, data: QueryDict | None
) -> WishForm:
    side = "ventral" if key[1] else "dorsal"
    return WishForm(
        data, prefix=f"place-{key[0]}-{side}", wish=wish,
        registers=any(channel.registration for channel in channels),
        notes="Notes for the processor",
    )  # fmt: skip
