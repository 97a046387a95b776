"""What every write of imaging asks first: may this person, is there a reason, is it still open."""

from collections.abc import Sequence

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import User
from imaging_app import selectors
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.states import OVER, ImagingState


def hold_open(imaging_request: ImagingRequest) -> None:
    """Take the row for this transaction: imaging must still be open when the entry lands."""
    rows = ImagingRequest.objects.select_for_update().filter(pk=imaging_request.pk)
    if not rows.filter(state=ImagingState.IN_PROGRESS).exists():
        raise StaleState(
            "This sample was finished meanwhile; your entry was not saved. Reload the page."
        )


def hold_batch(batch: ImagingBatch) -> ImagingBatch:
    """Take the row for this transaction and return it as it is now; it must not be over."""
    held = ImagingBatch.objects.select_for_update().filter(pk=batch.pk).first()
    if held is None or held.state in OVER:
        state = held.get_state_display().lower() if held else "gone"
        raise NotReady(f"The batch is {state}, so it is given to nobody.")
    return held


def hold_all(imaging_requests: Sequence[ImagingRequest]) -> None:
    """Take the rows for this transaction, in the order of their keys; read their states anew."""
    rows = ImagingRequest.objects.select_for_update()
    for one in sorted(imaging_requests, key=lambda each: each.pk):
        one.refresh_from_db(fields=["state"], from_queryset=rows)


def require_changeable(imaging_request: ImagingRequest, *, by: User) -> None:
    """Raise unless this person may change which channels of the sample are imaged, and how."""
    if selectors.can_change_channels(imaging_request, by):
        return
    if not selectors.may_image(imaging_request.batch, by):
        raise NotAllowed("Only who images this sample changes its channels.")
    if imaging_request.state == ImagingState.WAITING:
        raise NotAllowed("Start imaging first; until then imaging staff change the channels.")
    state = imaging_request.get_state_display().lower()
    raise StaleState(
        f"{imaging_request.sample} is {state}, so nothing of it was changed. To correct it, "
        "re-open it on its page."
    )


def require(allowed: bool, otherwise: str) -> None:  # noqa: FBT001  # the sentence reads as one
    """Raise NotAllowed with these words unless it is allowed."""
    if not allowed:
        raise NotAllowed(otherwise)


def require_reason(reason: str, otherwise: str) -> None:
    """Raise Invalid with these words for a reason that says nothing."""
    if not reason.strip():
        raise Invalid(otherwise, fields={"reason": ["Give a reason."]})
