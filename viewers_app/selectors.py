"""Reads of layers and views. Every one that a person asks takes the person."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from core_app.models import User
from requests_app.models import Sample
from requests_app.selectors import visible_requests
from viewers_app import rights
from viewers_app.models import AtlasLayer, DataLayer, Layer, ViewerSession
from viewers_app.orientations import AXES
from viewers_app.states import OPEN, SessionState

TO_SAMPLE = "product__channel__resolution__imaging_request__sample"
WHAT_A_LAYER_SHOWS = (
    "product__step__run",
    "product__channel__wavelength",
    "product__channel__resolution__objective",
    f"{TO_SAMPLE}__request__owner",
)
# What a person most likely wants to see first.
BEST_FIRST = (
    "corrected", "blended", "stitched", "raw", "downsized", "registered", "raw_atlas", "cells",
)  # fmt: skip


def layers() -> QuerySet[DataLayer]:
    """Return all layers with what is needed to show and to judge them.

    Without those of retired products, which show what was imaged before and was not there again.
    """
    return DataLayer.objects.select_related(*WHAT_A_LAYER_SHOWS).filter(product__retired_at=None)


def visible_layers(*, to: User) -> QuerySet[DataLayer]:
    """Return the layers of requests that this person may read, which are those they may see."""
    return layers().filter(**{f"{TO_SAMPLE}__request__in": visible_requests(to=to)})


def pictured_layers(*, to: User) -> QuerySet[DataLayer]:
    """Return those of the visible layers that have a picture."""
    return visible_layers(to=to).exclude(product__thumbnail="")


def atlas_layers() -> QuerySet[AtlasLayer]:
    """Return the volumes of the atlases that are installed, with these."""
    rows = AtlasLayer.objects.select_related("atlas")
    return rows.exclude(atlas__checksum="").exclude(atlas__template_path="")


def find_layer(uuid: UUID) -> Layer | None:
    """Return the layer whoever asks; the caller judges the rights."""
    return layers().filter(uuid=uuid).first() or atlas_layers().filter(uuid=uuid).first()


def find_layers(uuids: Sequence[str]) -> list[Layer]:
    """Return those of these layers that exist, in their order; the caller judges the rights."""
    found: list[Layer] = [*layers().filter(uuid__in=uuids), *atlas_layers().filter(uuid__in=uuids)]
    return sorted(found, key=lambda layer: uuids.index(str(layer.uuid)))


def volumes_named(uuids: Iterable[UUID | str]) -> dict[UUID, Layer]:
    """Return these volumes whoever asks, also retired ones; the console alone shows them."""
    wanted = list(uuids)
    rows: list[Layer] = [
        *DataLayer.objects.select_related(*WHAT_A_LAYER_SHOWS).filter(uuid__in=wanted),
        *AtlasLayer.objects.select_related("atlas").filter(uuid__in=wanted),
    ]
    return {layer.uuid: layer for layer in rows}


def is_of_sample(words: str) -> Q:
    """Return which volumes are of a sample or of a request with these words in its name."""
    request = f"{TO_SAMPLE}__request"
    fields = (f"{TO_SAMPLE}__name", f"{TO_SAMPLE}__code", f"{request}__name")
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": words})
    return found


def samples_with_layers(*, to: User) -> QuerySet[Sample]:
    """Return the samples with something to look at, the newest volume first."""
    products = "imaging_requests__resolutions__channels__products"
    newest = Max(f"{products}__layer__created_at", filter=Q(**{f"{products}__retired_at": None}))
    rows = Sample.objects.filter(request__in=visible_requests(to=to))
    rows = rows.annotate(newest=newest).filter(newest__isnull=False)
    return rows.select_related("request__owner", "request__lab").order_by("-newest", "-pk")


def best_layers(rows: Iterable[DataLayer]) -> list[DataLayer]:
    """Return the layers to open at one press: the best product of the first objective."""
    found = list(rows)
    if not found:
        return []
    best = min(found, key=_worth)
    return [layer for layer in found if _worth(layer) == _worth(best)]


def _worth(layer: DataLayer) -> tuple[int, int, bool, int]:
    resolution = layer.channel.resolution
    return (
        -resolution.imaging_request.number,
        BEST_FIRST.index(layer.product.kind),
        layer.channel.ventral_up,
        resolution.pk,
    )


def views() -> QuerySet[ViewerSession]:
    """Return all views with what their rights follow from."""
    return ViewerSession.objects.select_related("owner", "share__created_by", "share__view")


def live_views(named: Collection[UUID]) -> Iterator[ViewerSession]:
    """Return those of these views that are live, the newest first."""
    rows = views().filter(uuid__in=named, state__in=OPEN)
    return (view for view in rows if view.is_live)


def views_with_process(also: Collection[UUID] = ()) -> list[ViewerSession]:
    """Return the views that have or should have a process, and those of these addresses."""
    over = {SessionState.STOPPED, SessionState.FAILED, SessionState.EXPIRED}
    current = Q(mode=ViewerSession.Mode.PYTHON) & ~Q(state__in=over)
    return list(views().filter(current | Q(uuid__in=also)))


def python_views(*, owner: User) -> QuerySet[ViewerSession]:
    """Return the person's views that have a process now, which are limited in number."""
    rows = views().filter(owner=owner, mode=ViewerSession.Mode.PYTHON)
    return rows.filter(state__in={*OPEN, SessionState.STOPPING}).order_by("pk")


def find_view(uuid: UUID) -> ViewerSession | None:
    """Return the view whoever asks; the caller judges whose it is."""
    return views().filter(uuid=uuid).first()


def session_of(uuid: UUID, *, owner: User) -> ViewerSession | None:
    """Return the person's own view."""
    return views().filter(uuid=uuid, owner=owner).first()


def layers_of(session: ViewerSession) -> list[Layer]:
    """Return the view's layers that its visitor may still see, in the order chosen."""
    found = find_layers(session.layer_uuids)
    return [layer for layer in found if rights.may_fetch(session, layer)]


def orientation_of(layer: Layer) -> str:
    """Return how the volume is stored: as the step says, else as the channel was imaged."""
    if isinstance(layer, AtlasLayer):
        return layer.atlas.orientation
    stored = layer.product.facts.get("orientation")
    return stored if stored in AXES else layer.channel.orientation


def unique_names(rows: Sequence[Layer]) -> list[str]:
    """Return short names, as long as they have to be to tell these layers apart."""
    for parts in range(1, 5):
        names = [" ".join(_name_parts(layer)[:parts]) for layer in rows]
        if len(set(names)) == len(names):
            return names
    return [f"{layer.name} {str(layer.uuid)[:8]}" for layer in rows]


def _name_parts(layer: Layer) -> tuple[str, ...]:
    if isinstance(layer, AtlasLayer):
        return (layer.name, layer.atlas.name)
    up = "ventral up" if layer.channel.ventral_up else "dorsal up"
    objective = layer.channel.resolution.objective.name
    return (layer.name, layer.product.kind, f"{objective} {up}", layer.sample.name)
