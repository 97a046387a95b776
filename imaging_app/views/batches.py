"""Pages of one imaging batch: its parameters for all samples, and where samples differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core_app.errors import DomainError
from core_app.http import person, refusals_as_messages
from core_app.models import Event, User
from imaging_app import selectors, workflows
from imaging_app.forms.batch import BatchEntry
from imaging_app.models import ImagingBatch, ImagingChannel, ImagingRequest
from imaging_app.selectors import batches as reads
from imaging_app.services.batches import Outcome, apply_settings, named
from imaging_app.services.channels import seen_of
from imaging_app.states import OVER

REFUSED = 422
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class SampleCard:
    """One sample of the batch as the page shows it."""

    imaging_request: ImagingRequest
    lines: list[str]
    is_over: bool
    can_skip: bool
    reason: str
    differs: list[str]
    removals: Sequence[Event]


@require_GET
@login_required
def batch_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one batch: its facts, its parameters, its samples and how they differ."""
    batch = selectors.get_batch(pk, to=person(request))
    return show_batch(request, batch)


def show_batch(
    request: HttpRequest,
    batch: ImagingBatch,
    *,
    entry: BatchEntry | None = None,
    refusal: str = "",
    kept: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Render the page of a batch, with what was typed if it was refused."""
    user = person(request)
    samples = reads.samples_of(batch)
    channels = reads.channels_by_sample(samples)
    editable = reads.changeable(batch, samples, by=user)
    shown = {one.pk: channels[one.pk] for one in editable or samples}
    blocks = reads.blocks_of(shown)
    rows = [row for block in blocks for row in block.rows]
    deviations = {d.imaging_request.pk: d.words for d in reads.deviations_of(samples, shown, rows)}
    context = {
        "batch": batch,
        "clearing": batch.clearing_batch,
        "order": batch.clearing_batch.request,
        "cards": _cards(samples, channels, deviations, user, batch),
        "done": sum(one.state in OVER for one in samples),
        "microscopes": reads.microscopes_of(channels),
        "imager_notes": reads.imager_notes_of(samples),
        "entry": entry or BatchEntry.of(blocks),
        "refusal": refusal,
        "kept": kept,
        "can_edit": bool(editable),
        "open_count": len(editable),
        "whom": f"{len(editable)} open sample{'s' if len(editable) != 1 else ''}",
        "objectives": list(selectors.offered_objectives()) if editable else [],
        "seen": seen_of(channel for group in channels.values() for channel in group),
        "is_cleared": selectors.is_cleared(batch),
        "can_start": selectors.can_start(batch, user),
        "can_book": batch.state not in OVER and selectors.may_image(batch, user),
    }
    status = REFUSED if refusal or (entry and entry.refusal) else 200
    return render(request, "imaging_app/imaging_batch.html", context, status=status)


def _cards(
    samples: Sequence[ImagingRequest],
    channels: Mapping[int, Sequence[ImagingChannel]],
    deviations: Mapping[int, list[str]],
    user: User,
    batch: ImagingBatch,
) -> list[SampleCard]:
    reasons, removals = reads.reasons_of(samples), reads.removals_of(samples, channels)
    may_image = selectors.may_image(batch, user)
    return [
        SampleCard(
            imaging_request=one,
            lines=[reads.words_of(channel) for channel in channels[one.pk]],
            is_over=one.state in OVER,
            can_skip=may_image and one.state not in OVER,
            reason=reasons.get(one.pk, ""),
            differs=deviations.get(one.pk, []),
            removals=removals.get(one.pk, ()),
        )
        for one in samples
    ]


@require_POST
@login_required
@refusals_as_messages
def start_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Claim the batch, and make the folders for its raw data."""
    batch = selectors.get_batch(pk, to=person(request))
    workflows.start_imaging(batch, by=person(request))
    return redirect("imaging:batch", pk=batch.pk)


@require_POST
@login_required
def apply_parameters(request: HttpRequest, pk: int) -> HttpResponse:
    """Write the ticked rows into every open sample. A refusal keeps what was typed."""
    batch, user = selectors.get_batch(pk, to=person(request)), person(request)
    entry = _entry(request, batch)
    if entry.is_valid():
        try:
            seen = request.POST.get("seen", "")
            outcome = apply_settings(batch, entry.settings_of(), by=user, seen=seen)
        except DomainError as refusal:
            entry = _entry(request, batch)
            entry.is_valid()
            entry.show(refusal)
            entry.compare()
        else:
            tell(request, outcome, done="The parameters are applied")
            return redirect("imaging:batch", pk=batch.pk)
    return show_batch(request, batch, entry=entry)


def _entry(request: HttpRequest, batch: ImagingBatch) -> BatchEntry:
    samples = reads.samples_of(batch)
    user = person(request)
    shown = reads.changeable(batch, samples, by=user) or samples
    return BatchEntry.of(reads.blocks_of(reads.channels_by_sample(shown)), request.POST)


def tell(request: HttpRequest, outcome: Outcome, *, done: str) -> None:
    """Say which samples were changed and which were not, and why."""
    if outcome.changed:
        messages.success(request, f"{done}: {_names(outcome.changed)}.")
    if outcome.same and not outcome.changed:
        messages.info(request, f"Nothing to change: {_names(outcome.same)} was so already.")
    if outcome.left:
        words = [named(one, why).rstrip(".") for one, why in outcome.left[:MOST_NAMED]]
        more = len(outcome.left) - MOST_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        messages.warning(request, f"Left as they were: {'; '.join(words)}{rest}.")


def _names(samples: Sequence[ImagingRequest]) -> str:
    names = [one.sample.name for one in samples]
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
