"""Write how channels were acquired: the values of one sample, all or none."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from django.db import transaction

from core_app.changes import changed
from core_app.errors import Invalid
from core_app.models import User
from core_app.transitions import record
from imaging_app import raw_data, selectors
from imaging_app.models import ImagingChannel, ImagingRequest, RawDelivery
from imaging_app.services.guards import hold_open, require


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How one channel was acquired, as the imager typed it. Lengths in µm."""

    raw_subfolder: str
    z_planes: int
    z_step_um: float
    left_sheet: bool = True
    right_sheet: bool = True
    tile_columns: int = 1
    tile_rows: int = 1
    tile_overlap: float = 0.0
    orientation: str = ImagingChannel.Orientation.HORIZONTAL
    zoom: float = 1.0


def set_channels(
    imaging_request: ImagingRequest, settings_of: Mapping[int, Acquisition], *, by: User
) -> None:
    """Store how the channels of one sample were acquired: {channel id: acquisition}. All or none.

    A changed channel loses the verdict of an earlier check of its folder.
    """
    require(
        selectors.can_edit(imaging_request, by),
        "Only who images this sample enters its parameters.",
    )
    channels = list(selectors.channels_of(imaging_request))
    problems = {
        f"channel-{c.pk}": found
        for c in channels
        if c.pk in settings_of and (found := acquisition_problems(c, settings_of[c.pk]))
    }
    problems |= _shared_folder_problems(channels, settings_of)
    if problems:
        first = next(iter(problems.values()))[0]
        raise Invalid(first, fields=problems)
    if all(
        _is_set_so(channel, settings_of[channel.pk])
        for channel in channels
        if channel.pk in settings_of
    ):
        return
    with transaction.atomic():
        hold_open(imaging_request)
        for channel in channels:
            if channel.pk in settings_of:
                ImagingChannel.objects.filter(pk=channel.pk).update(
                    **asdict(settings_of[channel.pk])
                )
        _number_filters(imaging_request)
        RawDelivery.objects.filter(resolution__imaging_request=imaging_request).delete()
        changed(*channels)
        record(imaging_request, "acquisition entered", by=by)


def _is_set_so(channel: ImagingChannel, given: Acquisition) -> bool:
    return all(getattr(channel, name) == value for name, value in asdict(given).items())


def acquisition_problems(channel: ImagingChannel, given: Acquisition) -> list[str]:
    """Return what cannot be right about one channel, in words that say what to do."""
    objective, name = channel.resolution.objective, channel.wavelength.name
    most = objective.max_tiles_per_side
    rules = [
        (given.left_sheet or given.right_sheet, f"Channel {name}: tick at least one light sheet."),
        (0.0 <= given.tile_overlap < 1.0,
         f"Channel {name}: the overlap is a fraction from 0 up to, not including, 1; 10 % is 0.1."),
        (1 <= given.tile_columns <= most and 1 <= given.tile_rows <= most,
         f"Channel {name}: {objective.name} allows 1 to {most} tiles per side (columns x rows)."),
        (2 <= given.z_step_um <= 1000, f"Channel {name}: the z step lies between 2 and 1000 µm."),
        (1 <= given.z_planes <= 5500, f"Channel {name}: give the number of planes, 1 to 5500."),
        (raw_data.is_usable(given.raw_subfolder),
         f"Channel {name}: choose the raw folder; its name has no blanks or slashes."),
        (given.orientation in ImagingChannel.Orientation.values,
         f"Channel {name}: choose an orientation of the list."),
        (given.zoom > 0 and (objective.has_zoom or given.zoom == 1.0),
         f"Channel {name}: {objective.name} has no zoom body; leave the zoom at 1."),
    ]  # fmt: skip
    return [message for holds, message in rules if not holds]


def _shared_folder_problems(
    channels: Sequence[ImagingChannel], settings_of: Mapping[int, Acquisition]
) -> dict[str, list[str]]:
    """Channels in one folder were acquired together, so everything about them must agree."""
    first_in: dict[tuple[int, bool, str], ImagingChannel] = {}
    problems: dict[str, list[str]] = {}
    for channel in (c for c in channels if c.pk in settings_of):
        given = settings_of[channel.pk]
        first = first_in.setdefault(
            (channel.resolution_id, channel.ventral_up, given.raw_subfolder), channel
        )
        if settings_of[first.pk] != given:
            problems[f"channel-{channel.pk}"] = [
                f"Channel {channel.wavelength.name} shares the folder {given.raw_subfolder} with "
                f"channel {first.wavelength.name}, so planes, z step, sheets, tiles and "
                "orientation must be equal."
            ]
    return problems


def _number_filters(imaging_request: ImagingRequest) -> None:
    """Channels that share a folder are Filter 0, 1, 2, … in the order of their wavelengths."""
    for group in selectors.channels_by_folder(imaging_request).values():
        for index, channel in enumerate(group):
            ImagingChannel.objects.filter(pk=channel.pk).update(filter_index=index)
