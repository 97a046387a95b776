"""Pages of the application origin: volumes, the chooser, one layer. A view is opened by POST."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from core_app.http import person, refusals_as_messages
from core_app.models import User
from requests_app.models import Sample
from requests_app.selectors import visible_samples
from viewers_app import rights, selectors, snippets
from viewers_app.chooser import matrices_of
from viewers_app.keys import picture_key
from viewers_app.models import DataLayer
from viewers_app.responses import file_answer
from viewers_app.rooted import open_below
from viewers_app.services import sessions

PER_PAGE = 24
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Card:
    """One sample on the list: its volumes, and those that Open opens."""

    sample: Sample
    layers: list[DataLayer]
    best: list[DataLayer]

    @property
    def products(self) -> list[str]:
        return sorted({layer.product.get_kind_display() for layer in self.layers})

    @property
    def channels(self) -> list[str]:
        return sorted({layer.channel.wavelength.name for layer in self.layers})


@login_required
@require_safe
def volume_list(request: HttpRequest) -> HttpResponse:
    """Show what this person can look at, newest first."""
    pages = Paginator(selectors.samples_with_layers(to=person(request)), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    cards = _cards(list(page.object_list), person(request))
    return render(request, "viewers_app/volume_list.html", {"cards": cards, "page": page})


@login_required
@require_safe
def sample_chooser(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the matrix of one sample's volumes."""
    sample = get_object_or_404(visible_samples(to=person(request)), pk=pk)
    matrices = matrices_of(sample, to=person(request))
    best = {layer.pk for card in _cards([sample], person(request)) for layer in card.best}
    context = {"sample": sample, "matrices": matrices, "best": best}
    return render(request, "viewers_app/sample_chooser.html", context)


@login_required
@require_POST
@refusals_as_messages
def open_view(request: HttpRequest) -> HttpResponse:
    """Open the ticked volumes; answers with the way to the viewer origin."""
    wanted = _uuids(request.POST.getlist("layer"))
    layers = list(selectors.visible_layers(to=person(request)).filter(uuid__in=wanted))
    if len(layers) != len(wanted):
        raise Http404("There is no such volume, or it is not yours to see.")
    layers.sort(key=lambda layer: wanted.index(layer.uuid))
    opened = sessions.open_view(
        sessions.Wanted(layers, title_of(layers)),
        by=person(request),
        sign_in=request.session.session_key or "",
    )
    return redirect(opened.url)


@login_required
@require_safe
def layer_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the facts of one volume."""
    layer = _layer(uuid, person(request))
    context = {
        "layer": layer,
        "product": layer.product,
        "voxel_um": [nm / 1000 for nm in layer.product.voxel_nm_xyz],
        "size_mm": _size_mm(layer),
        "orientation": selectors.orientation_of(layer).capitalize(),
        "may_see_path": rights.may_see_path(person(request), layer),
        "copied": snippets.of_layers([layer], to=person(request)),
    }
    return render(request, "viewers_app/layer_page.html", context)


@login_required
@require_safe
def open_again(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Offer to open a view that has ended; opening it is a button."""
    session = selectors.session_of(uuid, owner=person(request))
    if session is None:
        raise Http404("There is no such view, or it is not yours.")
    context = {"session": session, "layers": selectors.layers_of(session)}
    return render(request, "viewers_app/open_again.html", context)


@login_required
@require_safe
def thumbnail(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """Serve the picture of the middle plane."""
    layer = _layer(uuid, person(request))
    key = picture_key(layer.product.thumbnail)
    parts = str(layer.folder).split("/")
    file = open_below(settings.DATA_ROOT, (*parts, *key.parts)) if key else None
    if file is None:
        raise Http404("This volume has no picture.")
    return file_answer(request, file, content_type="image/png", cache_control="private, no-cache")


def title_of(layers: list[DataLayer]) -> str:
    """Return "brain-001 · Raw", or what else names these volumes shortly."""
    samples = list(dict.fromkeys(layer.sample.name for layer in layers))
    kinds = list(dict.fromkeys(layer.product.get_kind_display() for layer in layers))
    return " · ".join(_some(names) for names in (samples, kinds) if names)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _uuids(texts: list[str]) -> list[UUID]:
    try:
        return list(dict.fromkeys(UUID(text) for text in texts))
    except ValueError:
        raise Http404("There is no such volume, or it is not yours to see.") from None


def _cards(samples: list[Sample], to: User) -> list[Card]:
    """Return a card for each sample, with the layers of all of them in one query."""
    found: dict[int, list[DataLayer]] = {sample.pk: [] for sample in samples}
    for layer in selectors.visible_layers(to=to).filter(**{f"{selectors.TO_SAMPLE}__in": samples}):
        found[layer.sample.pk].append(layer)
    return [
        Card(sample, found[sample.pk], selectors.best_layers(found[sample.pk]))
        for sample in samples
    ]


def _layer(uuid: UUID, to: User) -> DataLayer:
    return get_object_or_404(selectors.visible_layers(to=to), uuid=uuid)


def _size_mm(layer: DataLayer) -> list[float]:
    product = layer.product
    return [n * nm / 1e6 for n, nm in zip(product.shape_xyz, product.voxel_nm_xyz, strict=True)]
