"""What is entered of the correction of stitched planes: flat field and stripes, per channel."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings
from django.db import transaction

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
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
FIELDS = ("flat_from", "flat_name", "sigma_foreground", "sigma_background")


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody entered for one channel."""

    channel: ImagingChannel
    flat_from: str
    flat_name: str = ""
    sigma_foreground: float = 0.0
    sigma_background: float = 0.0


def set_corrections(
    imaging_request: ImagingRequest, entries: Sequence[Entered], *, by: User, seen: str = ""
) -> None:
    """Keep how each channel is corrected, all of it or nothing.

    `seen` is what the form was made of (seen_of). Raises NotAllowed, NotReady (it is being
    corrected), StaleState (a colleague changed it since) and Invalid, whose fields are named
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
        before = list(reads.channels_to_correct(imaging_request))
        if (run := reads.correcting_run(imaging_request)) is not None:
            who = run.requested_by or "lightserv itself"
            raise NotReady(
                f"It is being corrected now: {who} began {run}. Wait for it, or cancel it on its "
                "page."
            )
        kept = [_keep(entry, by=by) for entry in entries]
        if any(kept):  # else it was sent twice
            _require_nothing_unseen(before, seen)


def seen_of(channels: Iterable[ImagingChannel]) -> str:
    """Return in short how these channels are corrected now; a form carries it."""
    words = sorted((channel.pk, _note(_values_of(channel))) for channel in channels)
    return sha256(repr(words).encode()).hexdigest()[:12]


def _require_nothing_unseen(channels: Sequence[ImagingChannel], seen: str) -> None:
    """Refuse to write over what a colleague entered since the form was made."""
    if not seen or seen == seen_of(channels):
        return
    now = "; ".join(
        f"{channel.wavelength.name} ({channel.correction.set_by}): {_note(_values_of(channel))}"
        for channel in channels
        if hasattr(channel, "correction")
    )
    raise StaleState(
        f"Somebody changed this while your page was open. Stored is now {now}. Compare, then press "
        "again if yours is right."
    )


def _values_of(channel: ImagingChannel) -> dict[str, object]:
    known = getattr(channel, "correction", None) or ChannelCorrection(channel=channel)
    return {name: getattr(known, name) for name in FIELDS}


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


def _keep(entry: Entered, *, by: User) -> bool:
    """Write it and return True, if it differs from what is stored."""
    values = {
        "flat_from": entry.flat_from,
        "flat_name": entry.flat_name if entry.flat_from == FlatFrom.FILE else "",
        "sigma_foreground": entry.sigma_foreground,
        "sigma_background": entry.sigma_background,
    }
    row = ChannelCorrection.objects.filter(channel=entry.channel).first()
    if row is not None and all(getattr(row, name) == value for name, value in values.items()):
        return False
    row, _ = ChannelCorrection.objects.update_or_create(
        channel=entry.channel, defaults={**values, "set_by": by}
    )
    root_id = entry.channel.resolution.imaging_request.root_id
    record_on(row, "correction set", by=by, note=_note(values), root_id=root_id)
    return True


def _note(values: dict[str, object]) -> str:
    name = f" ({values['flat_name']})" if values["flat_name"] else ""
    return (
        f"flat field: {FlatFrom(str(values['flat_from'])).label.lower()}{name}; stripes: "
        f"{values['sigma_foreground']} and {values['sigma_background']} pixels"
    )
