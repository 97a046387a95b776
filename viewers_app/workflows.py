"""Use cases that begin with volumes and reach further: saying that they can be looked at."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from core_app.models import Event
from core_app.transitions import record
from imaging_app.models import ImagingRequest
from imaging_app.states import ImagingState
from processing_app.models import Product, Run
from processing_app.pipelines import RAW
from processing_app.states import RunState
from viewers_app import mails
from viewers_app.models import DataLayer

VIEWABLE = "volumes viewable"
RECENT = timedelta(days=2)  # longer than a driver is away; nobody is told of old volumes


def tell_what_became_viewable() -> int:
    """Tell of each round of imaging whose raw volumes are all there, once; return how many.

    Safe to repeat and to run twice at once: what was told is noted in the history of the round.
    """
    told = Event.objects.filter(
        kind=ImagingRequest.KIND, object_id=OuterRef("imaging_request"), verb=VIEWABLE
    )
    done = Run.objects.filter(
        pipeline=RAW, state=RunState.SUCCEEDED, finished_at__gte=timezone.now() - RECENT
    )
    return sum(_tell(run) for run in done.exclude(Exists(told)).order_by("pk"))


def _tell(run: Run) -> bool:
    made = Product.objects.filter(step__run=run, retired_at=None)
    if not made.exists() or made.filter(layer__isnull=True).exists():
        return (
            False  # tiles are not looked at; and what is not published yet comes with a later look
        )
    with transaction.atomic():
        rows = ImagingRequest.objects.select_for_update().filter(
            pk=run.imaging_request_id, state=ImagingState.COMPLETE
        )
        found = rows.first()
        if found is None or _is_told(found):
            return False
        layers = DataLayer.objects.filter(product__in=made).select_related(
            "product__channel__wavelength", "product__channel__resolution__objective"
        )
        mails.tell_viewable(found, layers)
        record(found, VIEWABLE, by=None)
    return True


def _is_told(imaging_request: ImagingRequest) -> bool:
    rows = Event.objects.filter(kind=imaging_request.KIND, object_id=imaging_request.pk)
    return rows.filter(verb=VIEWABLE).exists()
