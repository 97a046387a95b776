"""Where samples are, and how much of a request is done, as conditions of the database."""

from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    FloatField,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextChoices,
    Value,
)
from django.db.models.functions import Cast, Coalesce, NullIf

from imaging_app.models import ImagingRequest
from imaging_app.states import ImagingState
from processing_app.models import ProcessingRequest, Run
from processing_app.states import ACTIVE, ProcessingState, RunState
from requests_app.models import Request, Sample
from requests_app.states import ClearingState
from viewers_app.models import DataLayer

OPEN = [ImagingState.WAITING, ImagingState.IN_PROGRESS]
NOT_WANTED = [ImagingState.SKIPPED, ImagingState.CANCELLED]
AT_WORK = [*ACTIVE, RunState.SUCCEEDED]


class Place(TextChoices):
    """Where a sample is, in the order of the work."""

    ON_THE_WAY = "on-the-way", "On the way"
    CLEARING = "clearing", "Clearing"
    IMAGING = "imaging", "Imaging"
    PROCESSING = "processing", "Processing"
    VIEWABLE = "viewable", "Viewable"
    IMAGED = "imaged", "Imaged"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"


def samples_at(place: str) -> QuerySet[Sample]:
    """Return the samples at this place: the rule of strips.place_of() as a query."""
    rounds = ImagingRequest.objects.filter(sample=OuterRef("pk"))
    opened = Exists(rounds.filter(state__in=OPEN))
    failed = Exists(rounds.filter(_newest_run([RunState.FAILED])))
    pending = Exists(rounds.filter(_newest_run(AT_WORK), ~_has_layers()))
    viewable = Exists(rounds.filter(_has_layers()))
    imaged = Exists(rounds.filter(state=ImagingState.COMPLETE))
    cleared = Q(clearing_batch__state=ClearingState.COMPLETE)
    waits = Q(clearing_batch__state=ClearingState.WAITING) | Q(clearing_batch=None)
    away = Q(received_at=None, request__self_clearing=False)
    before = Q(opened) & ~Q(failed)
    after = ~Q(opened) & ~Q(failed)
    rules = {
        Place.ON_THE_WAY: before & waits & away,
        Place.CLEARING: before & ~cleared & ~(waits & away),
        Place.IMAGING: before & cleared,
        Place.PROCESSING: after & Q(pending),
        Place.VIEWABLE: after & ~Q(pending) & Q(viewable),
        Place.IMAGED: after & ~Q(pending) & ~Q(viewable) & Q(imaged),
        Place.FAILED: Q(failed),
        Place.SKIPPED: after & ~Q(viewable) & ~Q(imaged),
    }
    return Sample.objects.filter(rules[Place(place)])


def _newest_run(states: list[RunState]) -> Q:
    """The round is imaged, and its newest run is in one of these states."""
    runs = Run.objects.processing()
    newer = runs.filter(imaging_request=OuterRef("imaging_request"), pk__gt=OuterRef("pk"))
    found = runs.filter(~Exists(newer), imaging_request=OuterRef("pk"), state__in=states)
    return Q(Exists(found), state=ImagingState.COMPLETE)


def _has_layers() -> Exists:
    path = "product__channel__resolution__imaging_request"
    return Exists(DataLayer.objects.filter(**{path: OuterRef("pk")}, product__retired_at=None))


def with_fractions(rows: QuerySet[Request]) -> QuerySet[Request]:
    """Add what is cleared, imaged and processed, each of how many, over all rounds.

    Rounds of imaging that were skipped or cancelled are not wanted any more, so they do not count.
    What counts as processed are the raw data of a round, and each further processing that began.
    """
    samples = Sample.objects.filter(request=OuterRef("pk"))
    cleared = samples.filter(clearing_batch__state=ClearingState.COMPLETE)
    rounds = ImagingRequest.objects.filter(sample__request=OuterRef("pk"))
    wanted = rounds.exclude(state__in=NOT_WANTED)
    imaged = wanted.filter(state=ImagingState.COMPLETE)
    made = rounds.filter(_newest_run([RunState.SUCCEEDED]))
    asked = ProcessingRequest.objects.filter(imaging_request__sample__request=OuterRef("pk"))
    asked = asked.exclude(state=ProcessingState.CANCELLED)
    asked = asked.exclude(state=ProcessingState.WAITING, number=1)
    finished = asked.filter(state=ProcessingState.COMPLETE)
    return rows.annotate(
        sample_count=_count(samples, "request"),
        cleared_count=_count(cleared, "request"),
        round_count=_count(wanted, "sample__request"),
        imaged_count=_count(imaged, "sample__request"),
        to_process=_count(wanted, "sample__request")
        + _count(asked, "imaging_request__sample__request"),
        processed_count=_count(made, "sample__request")
        + _count(finished, "imaging_request__sample__request"),
    )


def _count(rows: QuerySet[Any], path: str) -> Coalesce:
    """Return the number of rows as a subquery of its own, so that counts do not multiply."""
    counted = rows.order_by().values(path).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def fraction(done: str, of: str) -> Coalesce:
    """Return done / of for sorting; what has nothing to do counts as done, as in the list."""
    share = Cast(F(done), FloatField()) / Cast(NullIf(F(of), Value(0)), FloatField())
    return Coalesce(share, Value(1.0), output_field=FloatField())
