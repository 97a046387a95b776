"""Pages of one sample in imaging: its channels and its delivery."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core_app.errors import DomainError, NotReady
from core_app.http import person, refusals_as_messages
from core_app.models import User
from imaging_app import raw_data, selectors, workflows
from imaging_app.forms.acquisition import AcquisitionEntry, Folders, Row, TimesForm, place_of
from imaging_app.models import ImagingChannel, ImagingRequest, ImagingResolution, Wavelength
from imaging_app.selectors import batches as batch_reads
from imaging_app.services import acquisitions
from imaging_app.services import channels as channel_services
from imaging_app.states import OVER, ImagingState
from imaging_app.views.deliveries import panel_of
from processing_app.selectors import products_of, visible_runs
from requests_app.workflows import reopen_imaging

REFUSED = 422


@dataclass(frozen=True, slots=True)
class Block:
    """One objective in one orientation: where its data goes, what is there, its channels."""

    rows: list[Row]
    path: str
    is_made: bool
    folders: Sequence[raw_data.RawFolder]
    times: TimesForm | None

    @property
    def first(self) -> ImagingChannel:
        return self.rows[0].channel


@require_GET
@login_required
def request_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one sample: what was requested, what is set, what was delivered."""
    found = selectors.get_imaging_request(pk, to=person(request))
    return _page(request, found)


def _page(
    request: HttpRequest, found: ImagingRequest, entry: AcquisitionEntry | None = None
) -> HttpResponse:
    user = person(request)
    can_edit = selectors.can_edit(found, user)
    channels = list(selectors.channels_of(found))
    folders = _folders_of(channels) if can_edit else {}
    entry = entry or AcquisitionEntry(found, channels, folders)
    context = {
        "imaging_request": found,
        "sample": found.sample,
        "order": found.sample.request,
        "batch": found.batch,
        "entry": entry,
        "blocks": _blocks(entry, folders),
        "outdated": products_of(found) if can_edit else 0,
        "panel": panel_of(found, channels, user),
        "seen": channel_services.seen_of(channels),
        "edits": _edits_of(channels) if selectors.can_change_channels(found, user) else [],
        "objectives": batch_reads.other_objectives(found),
        "can_edit": can_edit,
        "can_skip": found.state not in OVER and selectors.may_image(found.batch, user),
        "can_start": selectors.can_start(found.batch, user),
        "can_reopen": selectors.can_reopen(found, user),
        "runs": list(visible_runs(to=user).processing().filter(imaging_request=found)),
    }
    status = REFUSED if entry.has_errors else 200
    return render(request, "imaging_app/imaging_request.html", context, status=status)


@dataclass(frozen=True, slots=True)
class ChannelEdits:
    """One objective, and the lines of its microscope that are not imaged yet."""

    resolution: ImagingResolution
    free_lines: list[Wavelength]


def _edits_of(channels: Sequence[ImagingChannel]) -> list[ChannelEdits]:
    resolutions = {channel.resolution_id: channel.resolution for channel in channels}
    return [ChannelEdits(one, batch_reads.free_lines(one)) for one in resolutions.values()]


def _folders_of(channels: Sequence[ImagingChannel]) -> Folders:
    """Look on the disk, once for each objective and orientation."""
    places = {place_of(c): c for c in channels}
    return {
        place: raw_data.folders_in(
            settings.DATA_ROOT, c.resolution.raw_folder(ventral_up=c.ventral_up)
        )
        for place, c in places.items()
    }


def _blocks(entry: AcquisitionEntry, folders: Folders) -> list[Block]:
    groups: dict[tuple[int, bool], list[Row]] = {}
    for row in entry.rows:
        groups.setdefault(place_of(row.channel), []).append(row)
    blocks = []
    times = dict(entry.times)
    for place, rows in groups.items():
        channel = rows[0].channel
        parent = channel.resolution.raw_folder(ventral_up=channel.ventral_up)
        path = parent.under(settings.DATA_ROOT)
        there = raw_data.is_there(path)
        # Both sides of an objective were imaged in one session, so its times stand once.
        of_objective = times.pop(channel.resolution_id, None)
        blocks.append(Block(rows, str(path), there, folders.get(place, ()), of_objective))
    return blocks


@require_POST
@login_required
def enter(request: HttpRequest, pk: int) -> HttpResponse:
    """Save what was typed, then do what the pressed button says. A refusal keeps what was typed."""
    found = selectors.get_imaging_request(pk, to=person(request))
    action = request.POST.get("action", "save")
    if action == "complete" and found.state == ImagingState.COMPLETE:
        return redirect(_address_of(found))  # pressed twice
    if action in {"look", "fill"} and selectors.can_edit(found, person(request)):
        entry = _entry(found)
        entry.keep(request.POST)
        if action == "fill":
            entry.fill()
        return _page(request, found, entry)
    entry = _entry(found, request.POST)
    try:
        if entry.is_valid():
            seen = request.POST.get("seen", "")
            _save(found, entry, seen=seen, by=person(request))
            return ACTIONS.get(action, _saved)(request, found)
    except DomainError as refusal:
        found = selectors.get_imaging_request(pk, to=person(request))
        entry = _entry(found, request.POST)
        entry.is_valid()
        entry.show(refusal)
    return _page(request, found, entry)


def _save(found: ImagingRequest, entry: AcquisitionEntry, *, seen: str, by: User) -> None:
    """Store everything that was typed, or nothing of it."""
    with transaction.atomic():
        channel_services.set_channels(found, entry.settings_of(), by=by, seen=seen)
        notes = entry.notes.cleaned_data["notes"]
        acquisitions.note_acquisition(found, entry.spans(), notes=notes, by=by)


def _entry(found: ImagingRequest, data: QueryDict | None = None) -> AcquisitionEntry:
    channels = list(selectors.channels_of(found))
    return AcquisitionEntry(found, channels, _folders_of(channels), data)


def _saved(request: HttpRequest, found: ImagingRequest) -> HttpResponse:
    messages.success(request, "Saved. Check the delivery once the data is copied.")
    return redirect(_address_of(found))


def _checked(request: HttpRequest, found: ImagingRequest) -> HttpResponse:
    workflows.check_delivery(found, by=person(request))
    return redirect(f"{_address_of(found)}#delivery")


def _completed(request: HttpRequest, found: ImagingRequest) -> HttpResponse:
    begun = workflows.complete_imaging(found, by=person(request))
    what_next = "its data is being made viewable" if begun else "its raw data stays where it is"
    messages.success(request, f"{found.sample} is imaged; {what_next}.")
    return redirect(_address_of(found))


ACTIONS: dict[str, Callable[[HttpRequest, ImagingRequest], HttpResponse]] = {
    "save": _saved,
    "check": _checked,
    "complete": _completed,
}


@require_POST
@login_required
@refusals_as_messages
def make_folders(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the folders for the raw data, if they are not there."""
    found = selectors.get_imaging_request(pk, to=person(request))
    if not selectors.can_edit(found, person(request)):
        raise NotReady("Folders are made while a sample is being imaged, by who images it.")
    workflows.make_folders(found)
    return redirect(_address_of(found))


@require_POST
@login_required
@refusals_as_messages
def skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Finish the sample without images."""
    found = selectors.get_imaging_request(pk, to=person(request))
    if found.state != ImagingState.SKIPPED:
        workflows.skip_sample(found, by=person(request), reason=request.POST.get("reason", ""))
        messages.success(request, f"{found.sample} is skipped.")
    return redirect("imaging:batch", pk=found.batch_id)


@require_POST
@login_required
@refusals_as_messages
def reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a finished sample again."""
    found = selectors.get_imaging_request(pk, to=person(request))
    reopen_imaging(found, by=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, f"{found.sample} is open again.")
    return redirect(_address_of(found))


def _address_of(found: ImagingRequest) -> str:
    return reverse("imaging:request", args=[found.pk])
