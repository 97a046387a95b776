"""What is entered of the correction of stitched planes: flat field and stripes, per channel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import User
from core_app.paths import DataPath
from core_app.roles import Action, can
from core_app.transitions import record_on
from imaging_app.models import ImagingChannel, ImagingRequest
from processing_app.models import ChannelCorrection
from processing_app.selectors import corrections as reads
from processing_app.services import runs

FlatFrom = ChannelCorrection.FlatFrom
LONGEST_NAME = 64
MOST_SIGMA = 4096.0


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody entered for one channel."""

    channel: ImagingChannel
    flat_from: str
    flat_name: str = ""
    sigma_foreground: float = 0.0
    sigma_background: float = 0.0


def set_corrections(
    imaging_request: ImagingRequest, entries: Sequence[Entered], *, by: User
) -> None:
    """Keep how each channel is corrected, all of it or nothing.

    Raises NotAllowed, NotReady (it is being corrected) and Invalid, whose fields are named
    `<id of the channel>-<field>`.
    """
    if not can(by, Action.START_PROCESSING, imaging_request.sample.request):
        raise NotAllowed("Only the owner and processing staff enter how images are corrected.")
    known = {channel.pk for channel in reads.channels_to_correct(imaging_request)}
    if any(entry.channel.pk not in known for entry in entries):
        raise Invalid("Something was entered for a channel that is not corrected.")
    fields = {
        f"{entry.channel.pk}-{name}": [words]
        for entry in entries
        for name, words in _problems(entry).items()
    }
    if fields:
        raise Invalid("Correct what is marked below; nothing was saved.", fields=fields)
    with transaction.atomic():
        runs.hold(imaging_request.pk)
        if reads.is_being_corrected(imaging_request):
            raise NotReady("It is being corrected now. Wait for the run, or cancel it on its page.")
        for entry in entries:
            _keep(entry, by=by)


def problem_of_name(name: str, folder: str) -> str:
    """Return what is wrong with the name of a flat field beside the planes; empty if nothing is.

    Whether the file is there is said only where the folder can be seen from this machine.
    """
    if not name:
        return "Type the name of the file, flat.tiff for example."
    if len(name) > LONGEST_NAME:
        return f"The name has {len(name)} characters; at most {LONGEST_NAME} fit."
    if "/" in name or name in {".", ".."}:
        return f"Type the name alone. The file has to lie in {folder}."
    try:
        path = DataPath(folder) / name
        if not DataPath(folder).under(settings.DATA_ROOT).is_dir():
            return ""
        is_there = path.real_under(settings.DATA_ROOT).is_file()
    except Invalid as refusal:
        return refusal.message
    return "" if is_there else f"There is no file {path}. Put it there, or correct the name."


def _problems(entry: Entered) -> dict[str, str]:
    found = {}
    if entry.flat_from not in FlatFrom.values:
        found["flat_from"] = "Choose where the flat field comes from."
    if entry.flat_from == FlatFrom.FILE:
        words = problem_of_name(entry.flat_name, reads.planes_folder(entry.channel))
        found |= {"flat_name": words} if words else {}
    for name in ("sigma_foreground", "sigma_background"):
        value = getattr(entry, name)
        if not math.isfinite(value) or not 0 <= value <= MOST_SIGMA:
            found[name] = f"Type a width from 0 to {MOST_SIGMA:.0f} pixels."
    return found


def _keep(entry: Entered, *, by: User) -> None:
    values = {
        "flat_from": entry.flat_from,
        "flat_name": entry.flat_name if entry.flat_from == FlatFrom.FILE else "",
        "sigma_foreground": entry.sigma_foreground,
        "sigma_background": entry.sigma_background,
    }
    row = ChannelCorrection.objects.filter(channel=entry.channel).first()
    if row is not None and all(getattr(row, name) == value for name, value in values.items()):
        return
    row, _ = ChannelCorrection.objects.update_or_create(
        channel=entry.channel, defaults={**values, "set_by": by}
    )
    root_id = entry.channel.resolution.imaging_request.root_id
    record_on(row, "correction set", by=by, note=_note(values), root_id=root_id)


def _note(values: dict[str, object]) -> str:
    name = f" ({values['flat_name']})" if values["flat_name"] else ""
    return (
        f"flat field: {FlatFrom(str(values['flat_from'])).label.lower()}{name}; stripes: "
        f"{values['sigma_foreground']} and {values['sigma_background']} pixels"
    )
