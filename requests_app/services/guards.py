"""What every change of a clearing batch asks first: who, in which state, with the row held."""

from core_app.errors import NotAllowed, NotReady, StaleState
from requests_app.models import ClearingBatch, Request
from requests_app.states import ClearingState, RequestState

OPEN = frozenset({ClearingState.WAITING, ClearingState.IN_PROGRESS})


def require(allowed: bool, otherwise: str) -> None:  # noqa: FBT001  # the sentence reads as one
    if not allowed:
        raise NotAllowed(otherwise)


def require_open(request: Request) -> None:
    if request.state != RequestState.SUBMITTED:
        raise NotReady(f"The request is {request.get_state_display().lower()}.")


def hold(batch: ClearingBatch) -> None:
    """Take the row for this transaction: the batch must still be in progress when entries land."""
    held = ClearingBatch.objects.select_for_update().filter(
        pk=batch.pk, state=ClearingState.IN_PROGRESS
    )
    if not held.exists():
        raise StaleState(
            "The batch was completed or put back meanwhile; your entry was not saved. "
            "Reload the page."
        )


def hold_open(batch: ClearingBatch) -> ClearingBatch:
    """Take the row for this transaction and return it as it is now; it must not be over."""
    held = ClearingBatch.objects.select_for_update().filter(pk=batch.pk).first()
    if held is None or held.state not in OPEN:
        state = held.get_state_display().lower() if held else "gone"
        raise NotReady(f"The batch is {state}; there is nothing to assign or to plan.")
    return held
