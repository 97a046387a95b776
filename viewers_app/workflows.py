"""Use cases that begin with volumes and reach further: saying that they can be looked at."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from core_app.models import Event
from core_app.transitions import record
from imaging_app.models import ImagingRequest
from imaging_app.states import ImagingState
from processing_app.models import Product, Run
from processing_app.pipelines import CORRECTION, RAW
from processing_app.states import RunState
from viewers_app import mails
from viewers_app.models import DataLayer

VIEWABLE = "volumes viewable"
CORRECTED = "corrected volumes viewable"
OF_CHANNEL = ("product__channel__wavelength", "product__channel__resolution__objective")
RECENT = timedelta(days=2)  # longer than a driver is away; nobody is told of old volumes


def tell_what_became_viewable() -> int:
    """Tell of each round whose raw, or whose corrected, volumes are all there; return how many.

    Safe to repeat and to run twice at once: what was told is noted in the history of the round.
    """
    told = Event.objects.filter(
        kind=ImagingRequest.KIND, object_id=OuterRef("imaging_request"), verb=VIEWABLE
    )
    done = Run.objects.filter(
        pipeline=RAW, state=RunState.SUCCEEDED, finished_at__gte=timezone.now() - RECENT
    )
    raw = sum(_tell(run) for run in done.exclude(Exists(told)).order_by("pk"))
    return raw + sum(_tell_corrected(run) for run in _correcting())


def _correcting() -> QuerySet[Run]:
    """Return the runs that go on, of whose corrected volumes nobody was told.

    One that is complete has a mail of its own, with the same link.
    """
    told = Event.objects.filter(kind=Run.KIND, object_id=OuterRef("pk"), verb=CORRECTED)
    rows = Run.objects.filter(pipeline=CORRECTION, state=RunState.RUNNING)
    return rows.exclude(Exists(told)).order_by("pk")


def _tell_corrected(run: Run) -> bool:
    """Tell once every corrected volume of the run is there; a channel alone is not told of."""
    planned = run.steps.filter(product__kind=Product.Kind.CORRECTED).count()
    layers = DataLayer.objects.filter(
        product__step__run=run, product__kind=Product.Kind.CORRECTED, product__retired_at=None
    )
    if not planned or layers.count() < planned:
        return False
    with transaction.atomic():
        held = Run.objects.select_for_update().filter(pk=run.pk, state=RunState.RUNNING).first()
        if held is None or _is_told(held, CORRECTED):
            return False
        mails.tell_corrected(held, layers.select_related(*OF_CHANNEL))
        record(held, CORRECTED, by=None)
    return True


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
        if found is None or _is_told(found, VIEWABLE):
            return False
        layers = DataLayer.objects.filter(product__in=made).select_related(*OF_CHANNEL)
        mails.tell_viewable(found, layers)
        record(found, VIEWABLE, by=None)
    return True


def _is_told(obj: ImagingRequest | Run, verb: str) -> bool:
    return Event.objects.filter(kind=obj.KIND, object_id=obj.pk, verb=verb).exists()
