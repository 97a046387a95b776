"""Write imaging: claim, set channels, check deliveries, complete, skip, re-open."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app import roles
from core_app.changes import changed
from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import User
from core_app.roles import Role
from core_app.transitions import advance, advance_many, record
from imaging_app import raw_data, selectors
from imaging_app.models import (
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    Microscope,
    RawDelivery,
)
from imaging_app.states import ImagingState
from pipeline.raw.check import DeliveryReport
from requests_app.models import Request
from requests_app.states import RequestState


def start(batch: ImagingBatch, *, by: User) -> None:
    """Claim the batch and begin. If two people press at once, one gets it, the other is told."""
    _require(
        selectors.may_image(batch, by),
        "Only imaging staff, or a self-imaging owner, start imaging.",
    )
    if not selectors.is_cleared(batch):
        raise NotReady(
            "These samples are still being cleared; imaging can start when clearing is complete."
        )
    if batch.state == ImagingState.IN_PROGRESS:
        if batch.imager_id == by.pk:
            return  # pressed twice
        raise StaleState(f"{batch.imager} has started this batch already.")
    if batch.state != ImagingState.WAITING:
        raise NotReady(
            f"The batch is {batch.get_state_display().lower()}. To correct a sample of it, "
            "re-open that sample on its imaging page."
        )
    with transaction.atomic():
        # The samples before their batch, as withdrawing and finishing take them.
        list(batch.imaging_requests.order_by("pk").select_for_update().values_list("pk"))
        advance(batch, ImagingState.IN_PROGRESS, by=by, note="claimed")
        ImagingBatch.objects.filter(pk=batch.pk).update(imager=by)
        waiting = batch.imaging_requests.filter(state=ImagingState.WAITING).select_related("sample")
        advance_many(waiting, ImagingState.IN_PROGRESS, by=by)
    batch.imager = by


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
    _require(
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
        _hold(imaging_request)
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


def check_delivery(imaging_request: ImagingRequest, *, by: User) -> list[RawDelivery]:
    """Compare every raw folder of the sample with what was entered; store each verdict.

    Nothing on disk changes. The disk is read outside any transaction.
    """
    _require(
        selectors.can_edit(imaging_request, by), "Only who images this sample checks its delivery."
    )
    groups = selectors.channels_by_folder(imaging_request)
    if not groups:
        raise NotReady("Enter the parameters and the raw folder of each channel first.")
    _require_checkable(groups.values())
    reports = {key: _look(group) for key, group in groups.items()}
    with transaction.atomic():
        _hold(imaging_request)
        if _expectations(selectors.channels_by_folder(imaging_request)) != _expectations(groups):
            raise StaleState("The parameters were changed during the check; check again.")
        deliveries = [_store(key, report, by) for key, report in reports.items()]
        problems = sum(len(d.problems) for d in deliveries)
        record(
            imaging_request,
            "delivery checked",
            by=by,
            note=f"{problems} problems" if problems else "right",
        )
    return deliveries


def _expectations(
    groups: Mapping[selectors.FolderKey, Sequence[ImagingChannel]],
) -> dict[selectors.FolderKey, object]:
    return {key: raw_data.expected_of(channels) for key, channels in groups.items()}


def _require_checkable(groups: Iterable[Sequence[ImagingChannel]]) -> None:
    """Refuse to judge by the rules of another microscope."""
    for channels in groups:
        microscope = channels[0].resolution.objective.microscope
        if microscope.layout != Microscope.Layout.LAVISION:
            raise NotReady(
                f"This site has no rules yet for the raw data of the {microscope}, so it is "
                "neither right nor wrong. Nothing was changed: leave the data where it is, the "
                "sample stays open until it can be checked."
            )


def _look(channels: Sequence[ImagingChannel]) -> DeliveryReport:
    return raw_data.check_folder(settings.DATA_ROOT, channels[0].raw_folder, channels)


def _store(key: tuple[int, bool, str], report: DeliveryReport, by: User) -> RawDelivery:
    as_json = raw_data.as_stored(report)
    delivery, _ = RawDelivery.objects.update_or_create(
        resolution_id=key[0],
        ventral_up=key[1],
        subfolder=key[2],
        defaults={
            "checked_at": timezone.now(),
            "checked_by": by,
            "is_right": report.ok,
            "problems": as_json["problems"],
            "report": as_json,
        },
    )
    return delivery


def finish(imaging_request: ImagingRequest, *, by: User) -> None:
    """Mark one sample as imaged. The caller holds the transaction and just checked the delivery."""
    _require(selectors.can_edit(imaging_request, by), "Only who images this sample completes it.")
    _hold(imaging_request)
    unchecked = [
        c for c in selectors.channels_of(imaging_request) if not selectors.has_right_delivery(c)
    ]
    if unchecked:
        names = ", ".join(c.wavelength.name for c in unchecked)
        raise NotReady(
            f"The raw data of channel {names} is not there yet, or not right. "
            "Press Check, and mend what it lists."
        )
    today = timezone.localdate()
    advance(imaging_request, ImagingState.COMPLETE, by=by)
    ImagingRequest.objects.filter(pk=imaging_request.pk).update(performed_on=today)
    finish_batch(imaging_request.batch, by=by, on=today)


def finish_batch(batch: ImagingBatch, *, by: User | None, on: date) -> None:
    """Complete the batch once every sample in it is imaged or skipped.

    The caller holds the transaction. A batch that nobody started, because all its samples were
    skipped, is skipped itself.
    """
    unfinished = [ImagingState.WAITING, ImagingState.IN_PROGRESS]
    # Of two people who finish the last two samples at once, the second has to see the first.
    batch.refresh_from_db(fields=["state"], from_queryset=ImagingBatch.objects.select_for_update())
    if (
        batch.state not in unfinished
        or batch.imaging_requests.filter(state__in=unfinished).exists()
    ):
        return
    if batch.state == ImagingState.WAITING:
        advance(batch, ImagingState.SKIPPED, by=by)
    else:
        advance(batch, ImagingState.COMPLETE, by=by)
        ImagingBatch.objects.filter(pk=batch.pk).update(performed_on=on)


def skip(imaging_request: ImagingRequest, *, by: User, reason: str) -> None:
    """Finish a sample without images (it broke, say). The caller holds the transaction."""
    _require(
        selectors.may_image(imaging_request.batch, by), "Only who images this sample skips it."
    )
    _require_reason(reason, "Say why the sample is not imaged; its owner will read it.")
    advance(imaging_request, ImagingState.SKIPPED, by=by, note=reason.strip())
    finish_batch(imaging_request.batch, by=by, on=timezone.localdate())


def reopen(imaging_request: ImagingRequest, *, by: User, reason: str) -> None:
    """Open a finished sample again, to correct it. The history keeps both."""
    _require(roles.has_role(by, Role.IMAGER, Role.MANAGER), "Only staff re-open imaging.")
    _require_reason(reason, "Say why imaging is opened again.")
    if imaging_request.sample.request.state == RequestState.WITHDRAWN:
        raise NotReady("The request is withdrawn, so nothing of it is opened again.")
    with transaction.atomic():
        advance(imaging_request, ImagingState.IN_PROGRESS, by=by, note=reason.strip())
        batch = imaging_request.batch
        # Somebody may be finishing the last sample of the batch at this moment.
        batch.refresh_from_db(
            fields=["state"], from_queryset=ImagingBatch.objects.select_for_update()
        )
        if batch.state != ImagingState.IN_PROGRESS:
            advance(batch, ImagingState.IN_PROGRESS, by=by, note=reason.strip())


def cancel_open(request: Request, *, by: User, note: str) -> None:
    """Cancel what is not finished. The caller holds the transaction."""
    open_states = [ImagingState.WAITING, ImagingState.IN_PROGRESS]
    requests = ImagingRequest.objects.filter(sample__request=request, state__in=open_states)
    advance_many(requests.select_related("sample"), ImagingState.CANCELLED, by=by, note=note)
    batches = ImagingBatch.objects.filter(clearing_batch__request=request, state__in=open_states)
    advance_many(batches.select_related("clearing_batch"), ImagingState.CANCELLED, by=by, note=note)


def _hold(imaging_request: ImagingRequest) -> None:
    """Take the row for this transaction: imaging must still be open when the entry lands."""
    rows = ImagingRequest.objects.select_for_update().filter(pk=imaging_request.pk)
    if not rows.filter(state=ImagingState.IN_PROGRESS).exists():
        raise StaleState(
            "This sample was finished meanwhile; your entry was not saved. Reload the page."
        )


def _require(allowed: bool, otherwise: str) -> None:  # noqa: FBT001  # the sentence reads as one
    if not allowed:
        raise NotAllowed(otherwise)


def _require_reason(reason: str, otherwise: str) -> None:
    if not reason.strip():
        raise Invalid(otherwise, fields={"reason": ["Give a reason."]})
