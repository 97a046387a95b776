"""One request: what was ordered for each sample, and what happened to it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Max, Prefetch, QuerySet, Sum
from django.utils import timezone

from core_app.models import Event, User
from imaging_app import selectors as imaging_reads
from imaging_app.models import ImagingChannel, ImagingRequest, ImagingResolution
from processing_app.models import Attempt, ProcessingRequest, ProcessingResolution, Product, Run
from processing_app.selectors import RunView, overview, with_steps
from processing_app.states import ACTIVE
from requests_app import selectors
from requests_app.models import ClearingBatch, Request, Sample
from requests_app.overview.places import Place
from requests_app.overview.strips import Sight, sights_of, token_of
from requests_app.states import RequestState
from viewers_app.models import DataLayer

PUBLISHED_WITHIN = timedelta(minutes=10)
TO_ROUND = "product__channel__resolution__imaging_request"


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is wanted at one objective: channels with their purposes, and of processing."""

    objective: str
    channels: list[tuple[str, str]]
    notes_for_imager: str
    wanted: list[ProcessingResolution]


@dataclass(frozen=True, slots=True)
class RoundDetail:
    """One round of imaging: what was ordered, how far it is, and what came of it."""

    imaging: ImagingRequest
    ordered: list[Ordered]
    processing: list[ProcessingRequest]
    runs: list[RunView]
    layers: list[DataLayer]
    may_reopen: bool

    @property
    def token(self) -> str:
        return token_of(self.imaging.state)


@dataclass(frozen=True, slots=True)
class SampleDetail:
    """One sample of the request page."""

    sample: Sample
    sight: Sight
    rounds: list[RoundDetail]
    may_reopen: bool

    @property
    def batch(self) -> ClearingBatch | None:
        return self.sample.clearing_batch

    @property
    def key(self) -> str:
        """Return the id of its unfolding part in the page."""
        return f"s-{self.sample.pk}"

    @property
    def is_viewable(self) -> bool:
        return self.sight.strip[-1].state == "done"

    @property
    def link(self) -> str:
        """Return the batch's link if it is an address of the web; other text is no link."""
        link = self.batch.link if self.batch else ""
        return link if link.startswith(("https://", "http://")) else ""


def samples_of(request: Request) -> list[Sample]:
    """Return the samples with everything that their lines name."""
    rows = request.samples.select_related(
        "clearing_batch__protocol", "clearing_batch__clearer", "received_by", "subject"
    )
    samples = list(rows.order_by("position"))
    for sample in samples:
        sample.request = request
        if sample.clearing_batch:
            sample.clearing_batch.request = request
    return samples


def details_of(request: Request, *, to: User) -> list[SampleDetail]:
    """Return the samples of a request with all their rounds, in a fixed number of queries."""
    samples = samples_of(request)
    sights, rounds = sights_of(samples), _rounds_of(samples, to)
    return [
        SampleDetail(s, sights[s.pk], rounds.get(s.pk, []), _may_reopen_clearing(s, to))
        for s in samples
    ]


def _may_reopen_clearing(sample: Sample, to: User) -> bool:
    return sample.clearing_batch is not None and selectors.can_reopen(sample.clearing_batch, to)


def _rounds_of(samples: Sequence[Sample], to: User) -> dict[int, list[RoundDetail]]:
    by_pk = {sample.pk: sample for sample in samples}
    rows = list(_with_orders(ImagingRequest.objects.filter(sample__in=by_pk)))
    runs, layers = _runs_of(rows), _layers_of(rows)
    found: dict[int, list[RoundDetail]] = defaultdict(list)
    for imaging in rows:
        imaging.sample = by_pk[imaging.sample_id]
        detail = RoundDetail(
            imaging, _ordered_of(imaging), list(imaging.processing_requests.all()),
            runs.get(imaging.pk, []), layers.get(imaging.pk, []),
            imaging_reads.can_reopen(imaging, to),
        )  # fmt: skip
        found[imaging.sample_id].append(detail)
    return found


def _with_orders(rows: QuerySet[ImagingRequest]) -> QuerySet[ImagingRequest]:
    channels = ImagingChannel.objects.select_related("wavelength")
    channels = channels.order_by("ventral_up", "wavelength__position")
    resolutions = ImagingResolution.objects.select_related("objective")
    resolutions = resolutions.order_by("objective__position").prefetch_related(
        Prefetch("channels", queryset=channels)
    )
    wanted = ProcessingResolution.objects.select_related("atlas").order_by("pk")
    asked = ProcessingRequest.objects.order_by("number").prefetch_related(
        Prefetch("resolutions", queryset=wanted)
    )
    rows = rows.select_related("batch__imager", "batch__clearing_batch")
    return rows.order_by("sample_id", "number").prefetch_related(
        Prefetch("resolutions", queryset=resolutions),
        Prefetch("processing_requests", queryset=asked),
    )


def _ordered_of(imaging: ImagingRequest) -> list[Ordered]:
    wanted = [w for p in imaging.processing_requests.all() for w in p.resolutions.all()]
    return [
        Ordered(
            resolution.objective.name,
            [_channel(channel) for channel in resolution.channels.all()],
            resolution.notes_for_imager,
            [w for w in wanted if w.resolution_id == resolution.pk],
        )
        for resolution in imaging.resolutions.all()
    ]


def _channel(channel: ImagingChannel) -> tuple[str, str]:
    """Return wavelength and purposes in the words of the form."""
    purposes = ", ".join(purpose.replace("_", " ") for purpose in channel.purposes)
    up = ", ventral up" if channel.ventral_up else ""
    return f"{channel.wavelength.name}{up}", purposes


def _runs_of(rounds: Iterable[ImagingRequest]) -> dict[int, list[RunView]]:
    """Return {round: its runs, newest first}; steps are read of those that are at work."""
    by_pk = {imaging.pk: imaging for imaging in rounds}
    rows = list(Run.objects.processing().filter(imaging_request__in=by_pk).order_by("-id"))
    active = [run.pk for run in rows if run.state in ACTIVE]
    at_work = {run.pk: run for run in with_steps(Run.objects.filter(pk__in=active))}
    found: dict[int, list[RunView]] = defaultdict(list)
    for row in rows:
        run = at_work.get(row.pk, row)
        run.imaging_request = by_pk[run.imaging_request_id]
        found[run.imaging_request_id].append(
            overview(run) if run.pk in at_work else RunView(run, ())
        )
    return found


def _layers_of(rounds: Iterable[ImagingRequest]) -> dict[int, list[DataLayer]]:
    ids = [imaging.pk for imaging in rounds]
    rows = DataLayer.objects.filter(product__retired_at=None, **{f"{TO_ROUND}__in": ids})
    rows = rows.select_related("product__channel__wavelength", "product__channel__resolution")
    rows = rows.defer("product__facts")
    found: dict[int, list[DataLayer]] = defaultdict(list)
    for layer in rows.order_by("product__channel__wavelength__position", "product__side", "pk"):
        found[layer.product.channel.resolution.imaging_request_id].append(layer)
    return found


def is_moving(request: Request) -> bool:
    """Return True while something of the request runs by itself, so its page should refresh.

    That is a run at work, or volumes just made that are published in a moment.
    """
    runs = Run.objects.filter(imaging_request__sample__request=request)
    if request.state == RequestState.SUBMITTED and runs.filter(state__in=ACTIVE).exists():
        return True
    made = Product.objects.filter(
        channel__resolution__imaging_request__sample__request=request,
        layer__isnull=True,
        retired_at=None,
        made_at__gt=timezone.now() - PUBLISHED_WITHIN,
    )
    return made.exists()


def stamp_of(request: Request) -> str:
    """Return a word that differs if the moving part of the page would, for two cheap queries."""
    last = Event.objects.filter(root_id=request.pk).aggregate(last=Max("id"))["last"]
    at_work = Attempt.objects.filter(
        step__run__imaging_request__sample__request=request, step__run__state__in=ACTIVE
    )
    seen = at_work.aggregate(seen=Max("last_seen_at"), stumbles=Sum("stumbles"))
    path = f"{TO_ROUND}__sample__request"
    layers = DataLayer.objects.filter(**{path: request}).count()
    return f"{last}-{layers}-{seen['seen'] and seen['seen'].timestamp()}-{seen['stumbles']}"


def viewable_words(details: Sequence[SampleDetail]) -> str:
    """Return how many samples can be looked at, if only some can."""
    count = sum(detail.is_viewable for detail in details)
    if not count or count == len(details):
        return ""
    rest = len(details) - count
    waiting = sum(d.sight.place not in {Place.SKIPPED, Place.VIEWABLE} for d in details)
    if not waiting:
        return f"{count} of {len(details)} samples can be looked at; {rest} will not get images"
    return f"{count} of {len(details)} samples can be looked at already"
