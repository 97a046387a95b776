"""The delivery of one sample: its check as it moves, what was found, what is accepted."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core_app.http import person, refusals_as_messages
from core_app.models import User
from core_app.roles import Action, actions_on
from imaging_app import selectors, workflows
from imaging_app.models import DeliveryWaiver, ImagingChannel, ImagingRequest, RawDelivery
from imaging_app.services import deliveries as delivery_services
from imaging_app.states import ImagingState
from processing_app.pipelines import CHECK, VERIFY
from processing_app.selectors import RunView, is_being_checked, latest_run
from processing_app.services import runs


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """One problem of a raw folder, and who let it stand."""

    problem: Mapping[str, Any]
    waiver: DeliveryWaiver | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one channel: as it was requested, as it is set, and as the files have it."""

    channel: str
    what: str
    is_set: str
    found: str
    source: str
    requested: str = ""

    @property
    def agrees(self) -> bool:
        return self.is_set == self.found


@dataclass(frozen=True, slots=True)
class FolderPanel:
    """What the last check said of one raw folder; it may be about values of then."""

    delivery: RawDelivery
    is_current: bool
    lines: Sequence[ProblemLine]
    comparisons: Sequence[Comparison]
    of_folder: Sequence[tuple[str, str, str]]

    @property
    def open_lines(self) -> list[ProblemLine]:
        return [line for line in self.lines if line.waiver is None]

    @property
    def differs(self) -> bool:
        """Return True if the files say something else than is set."""
        return not all(row.agrees for row in self.comparisons)

    @property
    def accepted_lines(self) -> list[ProblemLine]:
        return [line for line in self.lines if line.waiver is not None]


@dataclass(frozen=True, slots=True)
class DeliveryPanel:
    """Everything the page says about the raw data of one sample."""

    folders: Sequence[FolderPanel]
    check: RunView | None
    second: RunView | None
    is_checking: bool
    is_right: bool
    can_verify: bool

    @property
    def is_moving(self) -> bool:
        """Return True while the page should look again by itself."""
        return self.is_checking or bool(self.second and self.second.is_active)


def panel_of(
    found: ImagingRequest, channels: Sequence[ImagingChannel], user: User
) -> DeliveryPanel:
    """Read what there is to say about the raw data of one sample."""
    check, second = latest_run(CHECK, found), latest_run(VERIFY, found)
    right = selectors.right_folders(found)
    folders = _folders(found, channels)
    may = actions_on(user, found.sample.request) & {Action.IMAGE, Action.PROCESS}
    listed = any(folder.delivery.manifest_digest for folder in folders)
    return DeliveryPanel(
        folders=folders,
        check=check,
        second=second,
        is_checking=is_being_checked(found),
        is_right=bool(channels) and all(selectors.folder_of(c) in right for c in channels),
        can_verify=bool(may) and listed and found.state == ImagingState.COMPLETE,
    )


def _folders(found: ImagingRequest, channels: Sequence[ImagingChannel]) -> list[FolderPanel]:
    waivers: dict[tuple[selectors.FolderKey, str], DeliveryWaiver] = {}
    for waiver in selectors.waivers_of(found):
        place = (waiver.resolution_id, waiver.ventral_up, waiver.subfolder)
        waivers[place, waiver.key] = waiver
    groups: dict[selectors.FolderKey, list[ImagingChannel]] = defaultdict(list)
    for channel in channels:
        groups[selectors.folder_of(channel)].append(channel)
    panels = []
    for delivery in selectors.deliveries_of(found):
        place = (delivery.resolution_id, delivery.ventral_up, delivery.subfolder)
        lines = [
            ProblemLine(p, waivers.get((place, p.get("key", ""))) if p.get("waivable") else None)
            for p in delivery.problems
        ]
        acquired = delivery.report.get("acquired") or {}
        panels.append(
            FolderPanel(
                delivery,
                selectors.is_about(delivery.expected, groups.get(place, ())),
                lines,
                [*_comparisons(groups.get(place, ()), acquired.get("channels") or {})],
                [*_facts(acquired.get("folder") or {})],
            )
        )
    return panels


_SET: Mapping[str, tuple[str, Callable[[ImagingChannel], str]]] = {
    "planes": ("Planes", lambda c: f"{c.z_planes:,}"),
    "z_step_um": ("z step", lambda c: f"{c.z_step_um:g} µm"),
    "columns": ("Tile columns", lambda c: f"{c.tile_columns}"),
    "rows": ("Tile rows", lambda c: f"{c.tile_rows}"),
    "overlap": ("Overlap", lambda c: f"{100 * c.tile_overlap:g} %"),
    "sheets": ("Light sheets", lambda c: " and ".join(c.sides)),
    "pixel_um": ("Pixel", lambda c: f"{c.voxel_um[0]:.4g} µm"),
}
_FOUND: Mapping[str, Callable[[Any], str]] = {
    "planes": lambda v: f"{v:,}",
    "z_step_um": lambda v: f"{v:g} µm",
    "columns": lambda v: f"{v}",
    "rows": lambda v: f"{v}",
    "overlap": lambda v: f"{100 * v:g} %",
    "sheets": lambda v: " and ".join(v),
    "pixel_um": lambda v: f"{v:.4g} µm",
}
_OF_FOLDER = {
    "numerical_aperture": "Numerical aperture",
    "pixel_type": "Pixel type",
    "software": "Software",
    "objective": "Objective",
    "started_at": "Begun",
    "ended_at": "Ended",
}


def _comparisons(
    channels: Sequence[ImagingChannel], acquired: Mapping[str, Any]
) -> Iterator[Comparison]:
    for channel in channels:
        facts = acquired.get(channel.wavelength.name) or {}
        name = f"{channel.wavelength.name} nm"
        yield Comparison(
            channel.wavelength.name, "Channel", name,
            name if facts else "no files", "the names of the files", _requested(channel),
        )  # fmt: skip
        for name, (what, words) in _SET.items():
            if name in facts and not (name == "overlap" and _is_one_tile(channel)):
                fact = facts[name]
                yield Comparison(
                    channel.wavelength.name, what, words(channel),
                    _FOUND[name](fact["value"]), fact["source"],
                    f"{channel.resolution.objective.default_z_step_um:g} µm, as usual"
                    if name == "z_step_um" else "",
                )  # fmt: skip


def _requested(channel: ImagingChannel) -> str:
    if not channel.is_requested:
        return "not requested"
    return ", ".join(purpose.replace("_", " ") for purpose in channel.purposes)


def _is_one_tile(channel: ImagingChannel) -> bool:
    return channel.tile_columns * channel.tile_rows == 1


def _facts(acquired: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, what in _OF_FOLDER.items():
        if name in acquired:
            yield what, str(acquired[name]["value"]), str(acquired[name]["source"])


@require_GET
@login_required
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the sample's page that moves while its raw data is looked at."""
    user = person(request)
    found = selectors.get_imaging_request(pk, to=user)
    channels = list(selectors.channels_of(found))
    context = {
        "imaging_request": found,
        "panel": panel_of(found, channels, user),
        "can_edit": selectors.can_edit(found, user),
    }
    return render(request, "imaging_app/delivery_panel.html", context)


@require_POST
@login_required
@refusals_as_messages
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the check that is at work."""
    found = selectors.get_imaging_request(pk, to=person(request))
    check = latest_run(CHECK, found)
    if check is not None and check.is_active:
        runs.cancel_run(check.run, by=person(request), reason="Stopped on the imaging page.")
        messages.success(request, "The check is being stopped.")
    return redirect(_delivery_of(found))


@require_POST
@login_required
@refusals_as_messages
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    """Have every raw file read again and compared with the list made at the check."""
    found = selectors.get_imaging_request(pk, to=person(request))
    workflows.verify_delivery(found, by=person(request))
    messages.success(request, "The raw data is being read again; the result comes here.")
    return redirect(_delivery_of(found))


@require_POST
@login_required
@refusals_as_messages
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Let one problem stand, with a reason."""
    found = selectors.get_imaging_request(pk, to=person(request))
    delivery = selectors.deliveries_of(found).filter(pk=_number(request, "delivery")).first()
    if delivery is None:
        raise Http404("There is no such delivery.")
    delivery_services.accept(
        delivery,
        request.POST.get("key", ""),
        by=person(request),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, "Accepted. It is kept with your name and the reason.")
    return redirect(_delivery_of(found))


@require_POST
@login_required
@refusals_as_messages
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an accepted problem count again."""
    found = selectors.get_imaging_request(pk, to=person(request))
    waiver = selectors.waivers_of(found).filter(pk=_number(request, "waiver")).first()
    if waiver is not None:
        delivery_services.take_back(waiver, by=person(request))
        messages.success(request, "The problem counts again.")
    return redirect(_delivery_of(found))


def _number(request: HttpRequest, name: str) -> int:
    typed = request.POST.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else 0


def _delivery_of(found: ImagingRequest) -> str:
    return f"{reverse('imaging:request', args=[found.pk])}#delivery"
