"""Rounds of processing that nobody wants, or wants after all."""

from django.db import transaction

from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import User
from core_app.roles import Action, can
from core_app.transitions import advance
from processing_app.models import ProcessingRequest
from processing_app.services import runs
from processing_app.services.requests import NOT_WANTED
from processing_app.states import ProcessingState
from requests_app.models import Request
from requests_app.states import RequestState

LONGEST_REASON = 500


def set_aside(processing_request: ProcessingRequest, *, by: User, reason: str) -> None:
    """Say that a round which waits is not wanted, so that it keeps its request open no longer.

    Raises NotAllowed, Invalid (no reason) and NotReady (it does not wait any more).
    """
    _require_right(processing_request, by)
    if not reason.strip():
        raise Invalid("Say why it is not wanted.", fields={"reason": ["Give a reason."]})
    with transaction.atomic():
        held = _held(processing_request)
        if held.state != ProcessingState.WAITING:
            raise NotReady(
                f"It is {held.get_state_display().lower()}, so it does not wait any more. What is "
                "at work or failed is cancelled on the page of its run."
            )
        note = f"{NOT_WANTED}{reason.strip()[:LONGEST_REASON]}"
        advance(held, ProcessingState.CANCELLED, by=by, note=note)


def want_again(processing_request: ProcessingRequest, *, by: User) -> None:
    """Let a round wait again that was cancelled before any run of it. Raises NotAllowed, NotReady.

    The request may be closed; the workflow of the same name opens it again.
    """
    _require_right(processing_request, by)
    with transaction.atomic():
        held = _held(processing_request)
        if held.state != ProcessingState.CANCELLED:
            raise NotReady(f"It is {held.get_state_display().lower()}, so there is nothing to do.")
        request = held.imaging_request.sample.request
        if request.state not in {RequestState.SUBMITTED, RequestState.CLOSED}:
            raise NotReady(
                f"The request is {request.get_state_display().lower()}, so nothing of it is "
                "processed."
            )
        if held.runs.exists():
            raise NotReady("Runs of it were begun. Start it again instead.")
        advance(held, ProcessingState.WAITING, by=by, note="Wanted after all.")


def _require_right(processing_request: ProcessingRequest, by: User) -> None:
    if not can(by, Action.START_PROCESSING, processing_request.imaging_request.sample.request):
        raise NotAllowed("Only the owner and processing staff say whether processing is wanted.")


def _held(processing_request: ProcessingRequest) -> ProcessingRequest:
    """Take the rows in the order in which everything else takes them."""
    runs.hold(processing_request.imaging_request_id)
    Request.objects.select_for_update().get(pk=processing_request.root_id)
    return ProcessingRequest.objects.select_for_update().get(pk=processing_request.pk)
