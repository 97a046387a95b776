"""Reads of instruments and imaging. Every list takes the person, so that nobody sees too much."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.http import Http404

from core_app import roles
from core_app.models import User
from core_app.roles import Action, Role
from imaging_app import raw_data
from imaging_app.models import (
    DeliveryWaiver,
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    Objective,
    RawDelivery,
)
from imaging_app.states import ImagingState
from requests_app.models import ClearingBatch, Request
from requests_app.selectors import visible_requests
from requests_app.states import ClearingState, RequestState

FolderKey = tuple[int, bool, str]


def offered_objectives() -> QuerySet[Objective]:
    """Return the objectives that new requests may choose, with their wavelengths."""
    rows = Objective.objects.filter(is_offered=True).select_related("microscope")
    return rows.prefetch_related("microscope__wavelengths")


def imaging_queue(*, to: User) -> QuerySet[ImagingBatch]:
    """Return the batches that this person images, or all of them for imaging staff."""
    rows = ImagingBatch.objects.select_related(
        "clearing_batch__request__owner", "clearing_batch__protocol", "imager"
    )
    rows = rows.annotate(sample_count=Count("imaging_requests", distinct=True)).order_by("id")
    rows = rows.exclude(clearing_batch__request__state=RequestState.DRAFT)
    if roles.has_role(to, Role.IMAGER, Role.MANAGER):
        return rows
    # Who was imaging staff once reads of it only what anybody in their place may read.
    own = Q(clearing_batch__request__owner=to, clearing_batch__request__self_imaging=True)
    return rows.filter(Q(imager=to) | own, clearing_batch__request__in=visible_requests(to=to))


def get_batch(pk: int, *, to: User) -> ImagingBatch:
    """Return an imaging batch of a visible request, or 404."""
    rows = ImagingBatch.objects.select_related(
        "clearing_batch__request__owner", "clearing_batch__protocol", "imager"
    )
    found = rows.filter(pk=pk, clearing_batch__request__in=visible_requests(to=to)).first()
    if found is None:
        raise Http404("There is no such batch, or it is not yours to see.")
    return found


def get_imaging_request(pk: int, *, to: User) -> ImagingRequest:
    """Return one sample's round of imaging of a visible request, or 404."""
    rows = ImagingRequest.objects.select_related(
        "sample__request__owner", "sample__request__lab", "batch__clearing_batch__request"
    )
    found = rows.filter(pk=pk, sample__request__in=visible_requests(to=to)).first()
    if found is None:
        raise Http404("There is no such sample, or it is not yours to see.")
    return found


def channels_of(imaging_request: ImagingRequest) -> QuerySet[ImagingChannel]:
    """Return the channels of one sample's round, by objective, orientation and wavelength."""
    rows = ImagingChannel.objects.filter(resolution__imaging_request=imaging_request)
    rows = rows.select_related(
        "wavelength",
        "resolution__objective__microscope",
        "resolution__imaging_request__sample__request__owner",
    )
    return rows.order_by("resolution__objective__position", "ventral_up", "wavelength__position")


def channels_by_folder(imaging_request: ImagingRequest) -> dict[FolderKey, list[ImagingChannel]]:
    """Group the channels that have a raw folder by (resolution id, ventral up, folder)."""
    groups: dict[FolderKey, list[ImagingChannel]] = defaultdict(list)
    for channel in channels_of(imaging_request):
        if channel.raw_subfolder:
            groups[folder_of(channel)].append(channel)
    return dict(groups)


def right_folders(imaging_request: ImagingRequest) -> set[FolderKey]:
    """Return the raw folders that passed their last check, by the values that hold now.

    Values change without the sample being touched, too: those of its objective, say.
    """
    rows = RawDelivery.objects.filter(resolution__imaging_request=imaging_request, is_right=True)
    verdicts = {
        (resolution, ventral_up, subfolder): expected
        for resolution, ventral_up, subfolder, expected in rows.values_list(
            "resolution_id", "ventral_up", "subfolder", "expected"
        )
    }
    groups = channels_by_folder(imaging_request)
    return {key for key, channels in groups.items() if is_about(verdicts.get(key), channels)}


def is_about(expected: object, channels: Sequence[ImagingChannel]) -> bool:
    """Return True if these are the values that the channels of one folder have now."""
    if any(channel.z_planes is None for channel in channels):
        return False
    return expected == raw_data.expected_values(channels)


def folder_of(channel: ImagingChannel) -> FolderKey:
    return channel.resolution_id, channel.ventral_up, channel.raw_subfolder


def delivery_at(place: FolderKey) -> RawDelivery | None:
    """Return the verdict on one raw folder, if it was checked."""
    rows = RawDelivery.objects.filter(
        resolution_id=place[0], ventral_up=place[1], subfolder=place[2]
    )
    return rows.select_related("resolution__imaging_request").first()


def deliveries_of(imaging_request: ImagingRequest) -> QuerySet[RawDelivery]:
    """Return the verdicts on the raw folders of one sample's round."""
    rows = RawDelivery.objects.filter(resolution__imaging_request=imaging_request)
    return rows.select_related("resolution__objective", "checked_by")


def imaged_and_not_read_since(moment: datetime) -> QuerySet[ImagingRequest]:
    """Return finished samples with raw data that was neither checked nor read again since then."""
    known = RawDelivery.objects.filter(resolution__imaging_request=OuterRef("pk"))
    known = known.exclude(manifest_digest="")
    old = known.filter(checked_at__lt=moment).filter(
        Q(verified_at=None) | Q(verified_at__lt=moment)
    )
    rows = ImagingRequest.objects.filter(Exists(old), state=ImagingState.COMPLETE)
    # What was read again comes last, and of the rest what was checked first.
    rows = rows.annotate(
        _read=Subquery(old.order_by("verified_at").values("verified_at")[:1]),
        _checked=Subquery(old.order_by("checked_at").values("checked_at")[:1]),
    )
    order = (F("_read").asc(nulls_first=True), "_checked", "pk")
    return rows.select_related("sample__request__owner").order_by(*order)


def waivers_of(imaging_request: ImagingRequest) -> QuerySet[DeliveryWaiver]:
    """Return what was accepted about the raw folders of one sample's round, with its authors."""
    rows = DeliveryWaiver.objects.filter(resolution__imaging_request=imaging_request)
    return rows.select_related("by", "resolution__objective")


def waiting_batches_of(clearing_batch: ClearingBatch) -> list[ImagingBatch]:
    """Return the imaging batches of these samples that nobody has started, with their samples."""
    rows = ImagingBatch.objects.filter(clearing_batch=clearing_batch, state=ImagingState.WAITING)
    rows = rows.select_related("clearing_batch__request")
    return list(
        rows.prefetch_related(
            "imaging_requests__sample", "imaging_requests__resolutions__objective"
        )
    )


def is_self_imaged(batch: ImagingBatch) -> bool:
    """Return True if the owner of the samples is to image this batch."""
    return batch.imager_id == batch.clearing_batch.request.owner_id


def concerns_imagers(request: Request) -> bool:
    """Return True once imaging staff were told of the request, or began to image it."""
    rows = ImagingBatch.objects.filter(clearing_batch__request=request)
    rows = rows.exclude(imager=request.owner_id)
    ready = Q(clearing_batch__state=ClearingState.COMPLETE)
    return rows.filter(ready | ~Q(state=ImagingState.WAITING)).exists()


def is_cleared(batch: ImagingBatch) -> bool:
    return batch.clearing_batch.state == ClearingState.COMPLETE


def may_image(batch: ImagingBatch, by: User) -> bool:
    """Return True for imaging staff, and for the owner of a self-imaged request or round."""
    if by.is_active and batch.imager_id == by.pk and is_self_imaged(batch):
        return True
    return roles.can(by, Action.IMAGE, batch.clearing_batch.request)


def can_start(batch: ImagingBatch, by: User) -> bool:
    """Return True for a cleared batch that waits, unless a colleague has claimed it."""
    is_free = batch.state == ImagingState.WAITING and batch.imager_id in {None, by.pk}
    return is_free and is_cleared(batch) and may_image(batch, by)


def can_edit(imaging_request: ImagingRequest, by: User) -> bool:
    """Return True while the sample is being imaged, for who may image it."""
    return imaging_request.state == ImagingState.IN_PROGRESS and may_image(
        imaging_request.batch, by
    )


def can_change_channels(imaging_request: ImagingRequest, by: User) -> bool:
    """Return True for who may change what is imaged and how: before imaging starts, staff only."""
    if imaging_request.state == ImagingState.WAITING:
        return roles.has_role(by, Role.IMAGER, Role.MANAGER)
    return can_edit(imaging_request, by)


def can_reopen(imaging_request: ImagingRequest, by: User) -> bool:
    finished = imaging_request.state in {ImagingState.COMPLETE, ImagingState.SKIPPED}
    return finished and roles.has_role(by, Role.IMAGER, Role.MANAGER)
