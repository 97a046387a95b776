"""Remind of processing that could be started and was not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import QuerySet

from core_app.models import Event
from core_app.transitions import record
from imaging_app.models import Objective
from imaging_app.states import ImagingState
from processing_app import mails
from processing_app.models import ProcessingRequest, ProcessingResolution
from processing_app.services.requests import processing_pipeline_for
from processing_app.states import ProcessingState
from requests_app.states import RequestState

AFTER = timedelta(days=4)
REMINDED = "reminder sent"


def remind_of_processing(*, now: datetime, dry_run: bool = False) -> list[str]:
    """Tell once of each round that waits four days after its imaging; return a line per request."""
    return [
        line
        for _, group in groupby(waiting_too_long(at=now), key=_request_id)
        if (line := _remind(list(group), dry_run=dry_run))
    ]


def waiting_too_long(*, at: datetime) -> list[ProcessingRequest]:
    """Return the rounds that nobody began or was reminded of, request by request.

    Only what a pipeline of this installation takes.
    """
    rows = ProcessingRequest.objects.filter(
        state=ProcessingState.WAITING,
        imaging_request__state=ImagingState.COMPLETE,
        imaging_request__state_since__lte=at - AFTER,
        imaging_request__sample__request__state=RequestState.SUBMITTED,
        pk__in=_wanting().values("processing_request"),
    )
    reminded = Event.objects.filter(kind=ProcessingRequest.KIND, verb=REMINDED)
    rows = rows.exclude(pk__in=reminded.values("object_id"))
    rows = rows.select_related("imaging_request__sample__request__owner")
    return list(rows.order_by("imaging_request__sample__request", "imaging_request__sample", "pk"))


def _wanting() -> QuerySet[ProcessingResolution]:
    taken = [o.pk for o in Objective.objects.all() if processing_pipeline_for(o) is not None]
    return ProcessingResolution.objects.filter(resolution__objective__in=taken)


def _request_id(one: ProcessingRequest) -> int:
    return one.root_id


def _remind(found: Sequence[ProcessingRequest], *, dry_run: bool) -> str:
    """Tell of what still waits and was told by nobody else meanwhile; empty if nothing is left."""
    if dry_run:
        return _line(found)
    with transaction.atomic():
        keys = [one.pk for one in found]
        held = ProcessingRequest.objects.select_for_update().filter(pk__in=keys).order_by("pk")
        waiting = {one.pk for one in held if one.state == ProcessingState.WAITING}
        told = Event.objects.filter(
            kind=ProcessingRequest.KIND, verb=REMINDED, object_id__in=keys
        ).values_list("object_id", flat=True)
        due = [one for one in found if one.pk in waiting - set(told)]
        if not due:
            return ""
        mails.tell_not_started(due[0].imaging_request.sample.request, due)
        for one in due:
            record(one, REMINDED, by=None)
    return _line(due)


def _line(rounds: Sequence[ProcessingRequest]) -> str:
    request = rounds[0].imaging_request.sample.request
    names = ", ".join(one.imaging_request.sample.name for one in rounds)
    return f"processing not started: {request} ({names})"
