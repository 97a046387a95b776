"""Write with which objective a sample is imaged."""

from collections.abc import Sequence

from core_app.changes import changed, removed
from core_app.errors import Invalid, NotReady
from core_app.models import User
from core_app.transitions import record
from imaging_app import selectors
from imaging_app.edits import ChangeObjective
from imaging_app.models import (
    DeliveryWaiver,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
    Objective,
    RawDelivery,
    Wavelength,
)
from imaging_app.services.channels import key_of
from requests_app.plans import PURPOSES

Lines = dict[int, Wavelength]
ONLY_GENERIC = {purpose: purpose == "generic_imaging" for purpose in PURPOSES}


def is_changed(imaging_request: ImagingRequest, edit: ChangeObjective) -> bool:
    """Return True if the sample has the new objective, and the old one no more."""
    present = set(imaging_request.resolutions.values_list("objective", flat=True))
    return edit.to in present and edit.objective not in present


def change_objective(imaging_request: ImagingRequest, edit: ChangeObjective, *, by: User) -> str:
    """Image with another objective, of any microscope; returns what was done, in words.

    Purposes and notes stay. Raw folders, planes and verdicts are cleared: data of another objective
    lies elsewhere. The caller holds the transaction and the sample.
    """
    resolution = resolution_of(imaging_request, edit.objective)
    target = _target(imaging_request, edit.to)
    channels = [
        channel
        for channel in selectors.channels_of(imaging_request)
        if channel.resolution_id == resolution.pk
    ]
    lines = translate(channels, target)
    before = resolution.objective
    removed(resolution, _key_of(resolution))
    ImagingResolution.objects.filter(pk=resolution.pk).update(
        objective=target, acquisition_started_at=None, acquisition_ended_at=None
    )
    for channel in channels:
        removed(channel, key_of(channel))
        _move(channel, lines[channel.wavelength_id], target)
    RawDelivery.objects.filter(resolution=resolution).delete()
    DeliveryWaiver.objects.filter(resolution=resolution).delete()
    changed(resolution, *channels)
    done = _in_words(before, target, channels, lines)
    record(imaging_request, "objective changed", by=by, note=done)
    return done


def translate(channels: Sequence[ImagingChannel], target: Objective) -> Lines:
    """Return {line id: line of the target's microscope}: the same dyes, else the same name.

    Raises NotReady, naming the line, if the other microscope has none for it.
    """
    offered = list(target.microscope.wavelengths.order_by("position"))
    lines: Lines = {}
    for line in {channel.wavelength_id: channel.wavelength for channel in channels}.values():
        lines[line.pk] = _counterpart(line, offered, target)
    names = [line.name for line in lines.values()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NotReady(
            f"Two channels would become {', '.join(twice)} at {target.name}; remove one first."
        )
    return lines


def _counterpart(line: Wavelength, offered: Sequence[Wavelength], target: Objective) -> Wavelength:
    if line.microscope_id == target.microscope_id:
        return line
    # Whichever of the two lines the pair was entered with.
    equivalent = {*line.equivalents.all(), *Wavelength.objects.filter(equivalents=line)}
    same_dyes = [other for other in offered if other in equivalent]
    same_name = [other for other in offered if other.name == line.name]
    found = [*same_dyes, *same_name]
    if not found:
        raise NotReady(
            f"The {target.microscope} has no line that stands for {line.name}. Remove that channel "
            "first, or have its equivalent entered with the instruments."
        )
    return found[0]


def resolution_of(imaging_request: ImagingRequest, objective_id: int) -> ImagingResolution:
    """Return what the sample has of this objective. Raises NotReady if it has nothing."""
    rows = imaging_request.resolutions.select_related("objective__microscope")
    found = rows.filter(objective=objective_id).first()
    if found is None:
        name = Objective.objects.filter(pk=objective_id).values_list("name", flat=True).first()
        raise NotReady(f"{imaging_request.sample} is not imaged at {name or 'this objective'}.")
    return found


def _target(imaging_request: ImagingRequest, objective_id: int) -> Objective:
    target = selectors.offered_objectives().filter(pk=objective_id).first()
    if target is None:
        raise Invalid("Choose an objective of the list.")
    if imaging_request.resolutions.filter(objective=target).exists():
        raise NotReady(
            f"{imaging_request.sample} is imaged at {target.name} already; choose another one."
        )
    return target


def _move(channel: ImagingChannel, line: Wavelength, target: Objective) -> None:
    values: dict[str, object] = {
        "wavelength": line, "raw_subfolder": "", "z_planes": None, "filter_index": None,
    }  # fmt: skip
    if target.only_generic_imaging:
        values |= ONLY_GENERIC
    if _has_too_many_tiles(channel, target):
        values |= {"tile_columns": 1, "tile_rows": 1}
    if not target.has_zoom:
        values["zoom"] = 1.0
    if _has_too_many_sheets(channel, target):
        values["right_sheet"] = False
    ImagingChannel.objects.filter(pk=channel.pk).update(**values)


def _key_of(resolution: ImagingResolution) -> dict[str, object]:
    """Return the natural key under which the mirror knows it."""
    imaging_request = resolution.imaging_request
    return {
        "username": imaging_request.sample.request.owner.username,
        "request_name": imaging_request.sample.request.name,
        "sample_name": imaging_request.sample.name,
        "imaging_request_number": imaging_request.number,
        "image_resolution": resolution.objective.name,
    }


def _has_too_many_tiles(channel: ImagingChannel, target: Objective) -> bool:
    return max(channel.tile_columns, channel.tile_rows) > target.max_tiles_per_side


def _has_too_many_sheets(channel: ImagingChannel, target: Objective) -> bool:
    return target.light_sheets < 2 and len(channel.sides) > 1


def _in_words(
    before: Objective, target: Objective, channels: Sequence[ImagingChannel], lines: Lines
) -> str:
    """Return what became of the channels: the note of the Event, and the message."""
    renamed = {
        f"{c.wavelength.name} → {lines[c.wavelength_id].name}": None
        for c in channels
        if c.wavelength.name != lines[c.wavelength_id].name
    }
    lost = any(set(c.purposes) - {"generic_imaging"} for c in channels)
    extras = [
        (bool(renamed), f"channels {', '.join(renamed)}"),
        (target.only_generic_imaging and lost, f"{target.name} is for generic imaging only, so the "
         "purposes are that now"),
        (any(_has_too_many_tiles(c, target) for c in channels),
         f"tiles set to 1 x 1, because {target.name} takes at most {target.max_tiles_per_side} per "
         "side"),
        (not target.has_zoom and any(c.zoom != 1.0 for c in channels),
         f"zoom set to 1, because {target.name} has no zoom body"),
        (any(_has_too_many_sheets(c, target) for c in channels),
         f"the left sheet alone, because {target.name} has one; correct it if it is the right one"),
        (any(c.raw_subfolder or c.z_planes for c in channels), "raw folders and planes cleared"),
    ]  # fmt: skip
    return "; ".join(
        [f"{before.name} → {target.name}", *(words for holds, words in extras if holds)]
    )
