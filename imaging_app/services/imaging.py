"""Write imaging: claim, assign, start, complete, skip, re-open."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from core_app import roles
from core_app.errors import Invalid, NotReady, StaleState
from core_app.models import User
from core_app.roles import Role
from core_app.transitions import advance, advance_many, record
from imaging_app import selectors
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.services.guards import hold_batch, hold_open, require, require_reason
from imaging_app.states import ImagingState
from requests_app.models import Request
from requests_app.states import RequestState

# A batch that was started and of which nothing was imaged is complete, not skipped.
NEVER_STARTED = frozenset({ImagingState.WAITING, ImagingState.SKIPPED})


def claim(batch: ImagingBatch, *, by: User) -> None:
    """Take an unassigned batch without starting it. If two press at once, one gets it."""
    require(
        selectors.may_image(batch, by),
        "Only imaging staff, or a self-imaging owner, claim a batch.",
    )
    with transaction.atomic():
        held = hold_batch(batch)
        if held.imager_id == by.pk:
            return  # pressed twice
        if held.imager_id is not None:
            raise StaleState(f"{held.imager} has claimed this batch already.")
        _give_to(batch, by, verb="claimed", by=by)


def release(batch: ImagingBatch, *, by: User) -> None:
    """Let go of a batch that is not started: it is anybody's again."""
    staff = roles.has_role(by, Role.IMAGER, Role.MANAGER)
    require(
        staff or (batch.imager_id == by.pk and selectors.may_image(batch, by)),
        "Only imaging staff, or who has it, release a batch.",
    )
    with transaction.atomic():
        held = hold_batch(batch)
        if held.state != ImagingState.WAITING:
            raise NotReady("The batch is started. Assign it to a colleague who goes on with it.")
        if held.imager_id is not None:
            _give_to(batch, None, verb="released", by=by)


def assign(batch: ImagingBatch, *, imager: User, by: User) -> None:
    """Give the batch to a colleague of the imaging staff, or to its self-imaging owner."""
    require(roles.has_role(by, Role.IMAGER, Role.MANAGER), "Only imaging staff assign batches.")
    if not selectors.may_image(batch, imager):
        raise Invalid(f"{imager} is not imaging staff; choose somebody who is.")
    with transaction.atomic():
        held = hold_batch(batch)
        if held.imager_id != imager.pk:
            _give_to(batch, imager, verb="assigned", by=by)


def _give_to(batch: ImagingBatch, imager: User | None, *, verb: str, by: User) -> None:
    ImagingBatch.objects.filter(pk=batch.pk).update(imager=imager)
    record(batch, verb, by=by, note=str(imager) if imager and imager != by else "")
    batch.imager = imager


def start(batch: ImagingBatch, *, by: User) -> None:
    """Claim the batch and begin. If two people press at once, one gets it, the other is told."""
    require(
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
        _require_unclaimed(batch, by)
        advance(batch, ImagingState.IN_PROGRESS, by=by, note="claimed")
        ImagingBatch.objects.filter(pk=batch.pk).update(imager=by)
        waiting = batch.imaging_requests.filter(state=ImagingState.WAITING).select_related("sample")
        advance_many(waiting, ImagingState.IN_PROGRESS, by=by)
    batch.imager = by


def _require_unclaimed(batch: ImagingBatch, by: User) -> None:
    """Hold the row: nobody begins what a colleague has claimed."""
    held = ImagingBatch.objects.select_for_update().get(pk=batch.pk)
    if held.state == ImagingState.WAITING and held.imager_id not in {None, by.pk}:
        raise StaleState(
            f"{held.imager} has claimed this batch. Take it over first, if that is agreed."
        )


def finish(imaging_request: ImagingRequest, *, by: User) -> bool:
    """Mark one sample as imaged; return True if its batch is over with it.

    The caller holds the transaction and just checked the delivery.
    """
    require(selectors.can_edit(imaging_request, by), "Only who images this sample completes it.")
    hold_open(imaging_request)
    right = selectors.right_folders(imaging_request)
    channels = selectors.channels_of(imaging_request)
    unchecked = [channel for channel in channels if selectors.folder_of(channel) not in right]
    if unchecked:
        names = ", ".join(c.wavelength.name for c in unchecked)
        raise NotReady(
            f"The raw data of channel {names} is not there yet, or not right. "
            "Press Check, and mend what it lists."
        )
    today = timezone.localdate()
    advance(imaging_request, ImagingState.COMPLETE, by=by)
    ImagingRequest.objects.filter(pk=imaging_request.pk).update(performed_on=today)
    return finish_batch(imaging_request.batch, by=by, on=today)


def finish_batch(batch: ImagingBatch, *, by: User | None, on: date) -> bool:
    """Complete the batch once every sample in it is imaged or skipped; return True if it was.

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
        return False
    if batch.state == ImagingState.WAITING:
        advance(batch, ImagingState.SKIPPED, by=by)
    else:
        advance(batch, ImagingState.COMPLETE, by=by)
        ImagingBatch.objects.filter(pk=batch.pk).update(performed_on=on)
        batch.performed_on = on
    return True


def skip(imaging_request: ImagingRequest, *, by: User, reason: str) -> bool:
    """Finish a sample without images (it broke, say); return True if its batch is over with it.

    The caller holds the transaction.
    """
    require(selectors.may_image(imaging_request.batch, by), "Only who images this sample skips it.")
    require_reason(reason, "Say why the sample is not imaged; its owner will read it.")
    advance(imaging_request, ImagingState.SKIPPED, by=by, note=reason.strip())
    return finish_batch(imaging_request.batch, by=by, on=timezone.localdate())


def reopen(imaging_request: ImagingRequest, *, by: User, reason: str) -> None:
    """Open a finished sample again, to correct it. The history keeps both.

    What was skipped before its batch was started waits again; it is started with its batch.
    """
    require(roles.has_role(by, Role.IMAGER, Role.MANAGER), "Only staff re-open imaging.")
    require_reason(reason, "Say why imaging is opened again.")
    if imaging_request.sample.request.state == RequestState.WITHDRAWN:
        raise NotReady("The request is withdrawn, so nothing of it is opened again.")
    with transaction.atomic():
        # The sample before its batch, as finishing takes them: the last one may be finished now.
        held = ImagingRequest.objects.select_for_update().filter(pk=imaging_request.pk)
        list(held.values_list("pk"))
        batch = imaging_request.batch
        batch.refresh_from_db(
            fields=["state"], from_queryset=ImagingBatch.objects.select_for_update()
        )
        to = ImagingState.WAITING if batch.state in NEVER_STARTED else ImagingState.IN_PROGRESS
        advance(imaging_request, to, by=by, note=reason.strip())
        if batch.state != to:
            advance(batch, to, by=by, note=reason.strip())


def cancel_open(request: Request, *, by: User, note: str) -> None:
    """Cancel what is not finished. The caller holds the transaction."""
    open_states = [ImagingState.WAITING, ImagingState.IN_PROGRESS]
    requests = ImagingRequest.objects.filter(sample__request=request, state__in=open_states)
    advance_many(requests.select_related("sample"), ImagingState.CANCELLED, by=by, note=note)
    batches = ImagingBatch.objects.filter(clearing_batch__request=request, state__in=open_states)
    advance_many(batches.select_related("clearing_batch"), ImagingState.CANCELLED, by=by, note=note)
