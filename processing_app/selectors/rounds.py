"""Rounds of processing: the queue, one round with its places, and what will be made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Lower
from django.http import Http404

from core_app import roles
from core_app.errors import NotReady
from core_app.models import Event, User
from core_app.roles import Role
from imaging_app import selectors as imaging
from imaging_app.models import ImagingChannel, ImagingRequest, Objective
from imaging_app.states import ImagingState
from processing_app import plans
from processing_app.models import Artifact, ProcessingRequest, ProcessingResolution, Product
from processing_app.pipelines import STARTED, PlannedStep
from processing_app.states import ProcessingState
from requests_app.selectors import visible_requests
from requests_app.states import RequestState

ORDER = "imaging_request__sample__request"
OPEN_REQUEST = (RequestState.SUBMITTED, RequestState.CLOSED)
SORTS: dict[str, F | Lower] = {
    "submitted": F(f"{ORDER}__submitted_at"),
    "request": Lower(f"{ORDER}__name"),
    "sample": Lower("imaging_request__sample__name"),
    "owner": Lower(f"{ORDER}__owner__username"),
    "imaging": F("imaging_request__number"),
    "round": F("number"),
    "processor": Lower("processor__username"),
    "imager": Lower("imaging_request__batch__imager__username"),
    "species": Lower(f"{ORDER}__species__label"),
    "since": F("state_since"),
}
PlaceKey = tuple[int, bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the queue is sorted, as the address says it; what is unknown is ignored."""

    sort: str = ""
    descending: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Wanted":
        sort = query.get("sort", "")
        return cls(sort if sort in SORTS else "", query.get("dir") == "desc")


def sees_all(user: User) -> bool:
    """Return True for those whose work is processing, or the machines for it."""
    return roles.has_role(user, Role.PROCESSOR, Role.MANAGER, Role.OPERATOR)


def owned_by(user: User, path: str) -> Q:
    """Return the condition for what is of this person's own requests."""
    return Q(**{f"{path}__owner": user}) | Q(**{f"{path}__requested_by": user})


def visible_rounds(*, to: User) -> QuerySet[ProcessingRequest]:
    """Return the rounds of the requests that this person may read."""
    rows = ProcessingRequest.objects.filter(**{f"{ORDER}__in": visible_requests(to=to)})
    return rows.select_related(
        f"{ORDER}__owner", f"{ORDER}__species", f"{ORDER}__lab", "imaging_request__batch__imager",
        "processor",
    )  # fmt: skip


def get_round(pk: int, *, to: User) -> ProcessingRequest:
    """Return one round, or 404 for whoever may not read its request."""
    found = visible_rounds(to=to).filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such round of processing, or it is not yours to see.")
    return found


def queue(*, to: User) -> QuerySet[ProcessingRequest]:
    """Return the rounds of this person's own requests, or all for processing staff."""
    rows = visible_rounds(to=to).exclude(**{f"{ORDER}__state": RequestState.DRAFT})
    return rows if sees_all(to) else rows.filter(owned_by(to, ORDER))


def failed(rows: QuerySet[ProcessingRequest]) -> QuerySet[ProcessingRequest]:
    return rows.filter(state=ProcessingState.FAILED)


def at_work(rows: QuerySet[ProcessingRequest]) -> QuerySet[ProcessingRequest]:
    return rows.filter(state=ProcessingState.RUNNING)


def ready(rows: QuerySet[ProcessingRequest]) -> QuerySet[ProcessingRequest]:
    """Return what waits, is imaged, and can be processed here."""
    return _waiting(rows).filter(imaging_request__state=ImagingState.COMPLETE)


def on_deck(rows: QuerySet[ProcessingRequest]) -> QuerySet[ProcessingRequest]:
    """Return what waits for its images."""
    not_yet = [ImagingState.WAITING, ImagingState.IN_PROGRESS]
    return _waiting(rows).filter(imaging_request__state__in=not_yet)


def over(rows: QuerySet[ProcessingRequest]) -> QuerySet[ProcessingRequest]:
    return rows.filter(state__in=[ProcessingState.COMPLETE, ProcessingState.CANCELLED])


def _waiting(rows: QuerySet[ProcessingRequest]) -> QuerySet[ProcessingRequest]:
    taken = [o.pk for o in Objective.objects.all() if any(n in STARTED for n in o.pipelines)]
    places = ProcessingResolution.objects.filter(
        processing_request=OuterRef("pk"), resolution__objective__in=taken
    )
    waiting = rows.filter(state=ProcessingState.WAITING, **{f"{ORDER}__state__in": OPEN_REQUEST})
    return waiting.filter(Exists(places))


def ordered(
    rows: QuerySet[ProcessingRequest], wanted: Wanted, *, newest_first: bool = False
) -> QuerySet[ProcessingRequest]:
    """Return the rows as the person sorted them, what has no value last; else by how long."""
    if not wanted.sort:
        return rows.order_by(*(("-state_since", "-pk") if newest_first else ("state_since", "pk")))
    column = SORTS[wanted.sort]
    towards = column.desc if wanted.descending else column.asc
    return rows.order_by(towards(nulls_last=True), "pk")


@dataclass(frozen=True, slots=True)
class Made:
    """One kind of thing that a run will make, and of what."""

    label: str
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlaceView:
    """One objective and side of a round: its channels, and what will be made of them."""

    row: ProcessingResolution
    channels: Sequence[ImagingChannel]
    made: Sequence[Made] = ()

    @property
    def key(self) -> PlaceKey:
        return self.row.resolution_id, self.row.ventral_up

    @property
    def registers(self) -> bool:
        """Return True if an atlas has something to be registered with."""
        return any(channel.registration for channel in self.channels)

    @property
    def title(self) -> str:
        side = ", ventral side up" if self.row.ventral_up else ""
        return f"{self.row.resolution.objective.name}{side}"


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round with its places; `why_none`: why nothing can be planned now."""

    places: Sequence[PlaceView] = ()
    why_none: str = ""
    steps: int = 0


def places_of(processing_request: ProcessingRequest) -> list[PlaceView]:
    """Return the objectives and sides of a round in natural order, dorsal before ventral."""
    rows = processing_request.resolutions.select_related(
        "resolution__objective__microscope", "atlas", "quality"
    ).order_by("resolution__objective__position", "ventral_up", "pk")
    channels = _by_place(imaging.channels_of(processing_request.imaging_request))
    return [PlaceView(row, channels.get((row.resolution_id, row.ventral_up), ())) for row in rows]


def imaged_places(imaging_request: ImagingRequest) -> dict[PlaceKey, list[ImagingChannel]]:
    """Return what was imaged that a pipeline of this installation processes, place by place."""
    channels = imaging.channels_of(imaging_request)
    fit = [c for c in channels if any(n in STARTED for n in c.resolution.objective.pipelines)]
    return _by_place(fit)


def _by_place(
    channels: Sequence[ImagingChannel] | QuerySet[ImagingChannel],
) -> dict[PlaceKey, list[ImagingChannel]]:
    return {
        key: list(group)
        for key, group in groupby(channels, key=lambda c: (c.resolution_id, c.ventral_up))
    }


def planned(processing_request: ProcessingRequest) -> RoundView:
    """Return a round with what a run begun now would make, planned as that run is planned."""
    places = places_of(processing_request)
    if processing_request.imaging_request.state != ImagingState.COMPLETE:
        return RoundView(places, "It is planned once imaging of this sample is complete.")
    names = [n for place in places for n in place.row.resolution.objective.pipelines]
    pipelines = dict.fromkeys(STARTED[name] for name in names if name in STARTED)
    try:
        steps = [step for name in pipelines for step in _steps(name, processing_request)]
    except NotReady as gap:
        return RoundView(places, gap.message)
    if not steps:
        return RoundView(places, "Nothing of what was delivered can go through the pipeline.")
    made = _made_by(steps, places)
    filled = [PlaceView(p.row, p.channels, made.get(p.key, ())) for p in places]
    return RoundView(filled, steps=len(steps))


def _steps(pipeline: str, processing_request: ProcessingRequest) -> list[PlannedStep]:
    return plans.steps_of(
        pipeline, processing_request.imaging_request, processing_request=processing_request
    )


def _made_by(
    steps: Sequence[PlannedStep], places: Sequence[PlaceView]
) -> dict[PlaceKey, list[Made]]:
    where = {channel.pk: (place.key, channel) for place in places for channel in place.channels}
    found: dict[PlaceKey, dict[str, list[str]]] = {}
    for step in steps:
        for what, label in ((step.product, _volume), (step.artifact, _other)):
            if what and (known := where.get(_channel_id(what))):
                key, channel = known
                kinds = found.setdefault(key, {})
                kinds.setdefault(label(str(what["kind"])), []).append(_of(channel, what))
    return {
        key: [Made(label, tuple(dict.fromkeys(of))) for label, of in kinds.items()]
        for key, kinds in found.items()
    }


def _channel_id(what: Mapping[str, object]) -> int:
    channel = what.get("channel")
    return channel if isinstance(channel, int) else 0


def _volume(kind: str) -> str:
    return Product.Kind(kind).label if kind in Product.Kind.values else kind


def _other(kind: str) -> str:
    return Artifact.Kind(kind).label if kind in Artifact.Kind.values else kind


def _of(channel: ImagingChannel, what: Mapping[str, object]) -> str:
    side = str(what.get("side") or "")
    return f"{channel.wavelength.name}{f' {side} sheet' if side else ''}"


def rounds_of(imaging_request: ImagingRequest) -> list[ProcessingRequest]:
    """Return the rounds of processing of one round of imaging, the newest last."""
    places = ProcessingResolution.objects.select_related("resolution__objective", "atlas")
    rows = imaging_request.processing_requests.select_related("processor").order_by("number")
    return list(rows.prefetch_related(Prefetch("resolutions", queryset=places)))


def events_of_round(processing_request: ProcessingRequest) -> list[Event]:
    """Return what happened to a round, newest first, with who did it and why."""
    rows = Event.objects.filter(kind=processing_request.KIND, object_id=processing_request.pk)
    return list(rows.select_related("by").order_by("-id")[:100])
