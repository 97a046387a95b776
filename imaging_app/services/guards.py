"""What every write of imaging asks first: may this person, is there a reason, is it still open."""

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
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


def require(allowed: bool, otherwise: str) -> None:  # noqa: FBT001  # the sentence reads as one
    """Raise NotAllowed with these words unless it is allowed."""
    if not allowed:
        raise NotAllowed(otherwise)


def require_reason(reason: str, otherwise: str) -> None:
    """Raise Invalid with these words for a reason that says nothing."""
    if not reason.strip():
        raise Invalid(otherwise, fields={"reason": ["Give a reason."]})
