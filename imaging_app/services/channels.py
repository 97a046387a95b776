"""Write how channels were acquired: the values of one sample, all or none."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256

from django.db import transaction
from django.db.models import Q

from core_app.changes import changed
from core_app.errors import Invalid, StaleState
from core_app.models import Event, User
from core_app.transitions import record
from imaging_app import rules, selectors
from imaging_app.models import ImagingChannel, ImagingRequest, RawDelivery
from imaging_app.rules import ACQUISITION_FIELDS, Acquisition, Entry, Line
from imaging_app.services.guards import hold_open, require

__all__ = ["Acquisition", "seen_of", "set_channels"]


def set_channels(
    imaging_request: ImagingRequest,
    settings_of: Mapping[int, Acquisition],
    *,
    by: User,
    seen: str = "",
) -> None:
    """Store how the channels of one sample were acquired: {channel id: acquisition}. All or none.

    A changed channel loses the verdict of an earlier check of its folder. `seen` is what the form
    was made of (seen_of): if a colleague changed it since, StaleState is raised.
    """
    require(
        selectors.can_edit(imaging_request, by),
        "Only who images this sample enters its parameters.",
    )
    with transaction.atomic():
        hold_open(imaging_request)
        channels = list(selectors.channels_of(imaging_request))
        given = [(c, settings_of[c.pk]) for c in channels if c.pk in settings_of]
        different = [c for c, acquisition in given if acquisition_of(c) != acquisition]
        if different:  # else it was sent twice
            refuse_stale([imaging_request], channels, seen)
        _require_no_problems(problems_of(channels, settings_of))
        if not different:
            return
        for channel in different:
            acquisition = settings_of[channel.pk]
            ImagingChannel.objects.filter(pk=channel.pk).update(**asdict(acquisition))
            drop_verdicts(channel, channel.raw_subfolder, acquisition.raw_subfolder)
        _number_filters(imaging_request)
        changed(*channels)
        record(imaging_request, "acquisition entered", by=by)


def acquisition_of(channel: ImagingChannel) -> Acquisition:
    """Return what is stored of one channel."""
    return Acquisition(**{name: getattr(channel, name) for name in ACQUISITION_FIELDS})


def line_of(channel: ImagingChannel, *, sample: str = "") -> Line:
    """Return what the rules need to know of one channel."""
    objective = channel.resolution.objective
    return Line(
        objective=objective.name,
        name=channel.wavelength.name,
        ventral_up=channel.ventral_up,
        max_tiles=objective.max_tiles_per_side,
        has_two_sheets=objective.light_sheets > 1,
        has_zoom=objective.has_zoom,
        sample=sample,
    )


def problems_of(
    channels: Sequence[ImagingChannel], settings_of: Mapping[int, Acquisition]
) -> rules.Problems:
    """Return what cannot be right about one sample, by channel.

    What was entered for its other channels counts too; of channels without a folder nothing was.
    """
    stored = [
        Entry(_key(c), line_of(c), acquisition_of(c))
        for c in channels
        if c.pk not in settings_of and c.raw_subfolder
    ]
    given = [Entry(_key(c), line_of(c), settings_of[c.pk]) for c in channels if c.pk in settings_of]
    problems = {
        entry.key: found
        for entry in given
        if (found := rules.acquisition_problems(entry.line, entry.given))
    }
    for key, messages in rules.disagreements([*stored, *given]).items():
        problems.setdefault(key, messages)
    return problems


def _key(channel: ImagingChannel) -> str:
    return f"channel-{channel.pk}"


def _require_no_problems(problems: rules.Problems) -> None:
    if problems:
        raise Invalid(next(iter(problems.values()))[0], fields=problems)


def drop_verdicts(channel: ImagingChannel, *subfolders: str) -> None:
    """Forget what a check said of these folders of the channel."""
    RawDelivery.objects.filter(
        resolution_id=channel.resolution_id,
        ventral_up=channel.ventral_up,
        subfolder__in=subfolders,
    ).delete()


def key_of(channel: ImagingChannel) -> dict[str, object]:
    """Return the natural key under which the mirror knows a channel."""
    imaging_request = channel.resolution.imaging_request
    request = imaging_request.sample.request
    return {
        "username": request.owner.username,
        "request_name": request.name,
        "sample_name": imaging_request.sample.name,
        "imaging_request_number": imaging_request.number,
        "image_resolution": channel.resolution.objective.name,
        "channel_name": channel.wavelength.name,
        "ventral_up": channel.ventral_up,
    }


def _number_filters(imaging_request: ImagingRequest) -> None:
    """Channels that share a folder are Filter 0, 1, 2, … in the order of their wavelengths."""
    for group in selectors.channels_by_folder(imaging_request).values():
        for index, channel in enumerate(group):
            ImagingChannel.objects.filter(pk=channel.pk).update(filter_index=index)


def seen_of(channels: Iterable[ImagingChannel]) -> str:
    """Return in short what these channels are now: "12-5f2c81d03a" for each round of a sample.

    A form carries it; what it says differs as soon as somebody changed anything of that sample.
    """
    return ".".join(f"{pk}-{word}" for pk, word in sorted(_words_of(channels).items()))


def _words_of(channels: Iterable[ImagingChannel]) -> dict[int, str]:
    groups: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    for channel in channels:
        groups[channel.resolution.imaging_request_id].append(_values(channel))
    return {
        pk: sha256(repr(sorted(rows, key=repr)).encode()).hexdigest()[:12]
        for pk, rows in groups.items()
    }


def _values(channel: ImagingChannel) -> tuple[object, ...]:
    acquired = (getattr(channel, name) for name in ACQUISITION_FIELDS)
    place = (channel.resolution.objective_id, channel.wavelength_id, channel.ventral_up)
    return (channel.pk, *place, *channel.purposes, *acquired)


def refuse_stale(
    imaging_requests: Sequence[ImagingRequest], channels: Collection[ImagingChannel], seen: str
) -> None:
    """Raise StaleState if any of these samples is not what a form showed any more."""
    if not seen:
        return
    shown = dict(part.partition("-")[::2] for part in seen.split("."))
    now = _words_of(channels)
    moved = [r for r in imaging_requests if now.get(r.pk) != shown.get(str(r.pk))]
    if moved:
        raise StaleState(
            f"Somebody was faster: {'; '.join(map(_last_act, moved[:3]))}"
            f"{f' and {len(moved) - 3} more samples' if len(moved) > 3 else ''}. Nothing was "
            "overwritten. Compare with what is stored now, then press again."
        )


def _last_act(imaging_request: ImagingRequest) -> str:
    """Return who did what to the sample last, such as "brain-1 (objective changed by kim)"."""
    mine = Q(kind=ImagingRequest.KIND, object_id=imaging_request.pk)
    last = Event.objects.filter(mine).select_related("by").order_by("pk").last()
    if last is None:
        return str(imaging_request.sample)
    verb = f"is {last.to}" if last.to else last.verb
    note = f": {last.note}" if last.note else ""
    return f"{imaging_request.sample} ({verb}, by {last.by or 'the system'}{note})"
