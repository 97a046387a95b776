"""Pages of the application origin: volumes, the chooser, one layer. A view is opened by POST."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core_app.http import person, refusals_as_messages
from core_app.models import User
from requests_app.models import Sample
from requests_app.selectors import visible_samples
from viewers_app import rights, selectors, snippets
from viewers_app.chooser import matrices_of
from viewers_app.cuts import parse_cut
from viewers_app.models import DataLayer, ViewerSession
from viewers_app.offers import offers_of
from viewers_app.opening import new_press, remembered, wanted_of
from viewers_app.pictures import picture_answer
from viewers_app.rounds import rounds_of
from viewers_app.services import sessions
from viewers_app.specs import OVERLAY, PANELS, SHEETS

PER_PAGE = 24
ARRANGED = (
    (OVERLAY, "All in one place, each channel in its color"),
    (PANELS, "A panel for each channel and product"),
    (SHEETS, "A row for each channel, the light sheets beside each other"),
)


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
    context = {
        "cards": cards,
        "page": page,
        "running": selectors.python_views(owner=person(request)),
        "once": new_press(),
    }
    return render(request, "viewers_app/volume_list.html", context)


@login_required
@require_safe
def sample_chooser(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what can be opened of one sample: kinds of views, and every volume to tick."""
    sample = get_object_or_404(visible_samples(to=person(request)), pk=pk)
    rounds = rounds_of(sample, chosen=_number(request.GET.get("round", "")))
    matrices = matrices_of(sample, to=person(request), rounds=rounds)
    cells = [cell for matrix in matrices for line in matrix.lines for cell in line.cells]
    shown = [cell.layer for cell in cells if cell.layer]
    last = remembered(person(request), sample)
    best = {layer.pk for layer in selectors.best_layers(shown)}
    ticked = {layer.pk for layer in shown if str(layer.uuid) in last.layers}
    context = {
        "sample": sample,
        "rounds": rounds,
        "matrices": matrices,
        "offers": offers_of(shown) if shown else [],
        "best": best,
        "ticked": ticked or best,
        "overlaid": {layer.pk for layer in shown if str(layer.uuid) in last.overlaid},
        "has_atlases": any(cell.atlas for cell in cells),
        "arrangement": last.arrangement,
        "arrangements": ARRANGED,
        "once": new_press(),
    }
    return render(request, "viewers_app/sample_chooser.html", context)


@login_required
@require_POST
@refusals_as_messages
def open_view(request: HttpRequest) -> HttpResponse:
    """Open the ticked volumes, or a recipe; answers with the way to the viewer origin."""
    opened = sessions.open_view(
        wanted_of(request.POST, person(request)),
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
@refusals_as_messages
@require_http_methods(["GET", "HEAD", "POST"])
def open_again(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Offer to go on with a view, or to open one that has ended anew; either is a button."""
    session = _own_view(request, uuid)
    if request.method == "POST":
        return redirect(sessions.enter(session, by=person(request)).url)
    cut = parse_cut(str(session.options.get("cut", "")))
    context = {
        "session": session,
        "layers": selectors.layers_of(session),
        "is_live": session.is_live,
        "cut_fields": cut.as_fields() if cut else [],
        "once": new_press(),
    }
    return render(request, "viewers_app/open_again.html", context)


@login_required
@require_POST
@refusals_as_messages
def close_view(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """End an own view, and the process behind it."""
    session = _own_view(request, uuid)
    sessions.stop_session(session, by=person(request))
    messages.success(request, f"“{session}” is closed.")
    return redirect("viewers:volume-list")


@login_required
@require_safe
def thumbnail(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """Serve the picture of the middle plane."""
    layer = _layer(uuid, person(request))
    return picture_answer(request, layer.folder, layer.product.thumbnail)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 6 else None


def _cards(samples: list[Sample], to: User) -> list[Card]:
    """Return a card for each sample, with the layers of all of them in one query."""
    found: dict[int, list[DataLayer]] = {sample.pk: [] for sample in samples}
    for layer in selectors.visible_layers(to=to).filter(**{f"{selectors.TO_SAMPLE}__in": samples}):
        found[layer.sample.pk].append(layer)
    return [
        Card(sample, found[sample.pk], selectors.best_layers(found[sample.pk]))
        for sample in samples
    ]


def _own_view(request: HttpRequest, uuid: UUID) -> ViewerSession:
    session = selectors.session_of(uuid, owner=person(request))
    if session is None:
        raise Http404("There is no such view, or it is not yours.")
    return session


def _layer(uuid: UUID, to: User) -> DataLayer:
    return get_object_or_404(selectors.visible_layers(to=to), uuid=uuid)


def _size_mm(layer: DataLayer) -> list[float]:
    product = layer.product
    return [n * nm / 1e6 for n, nm in zip(product.shape_xyz, product.voxel_nm_xyz, strict=True)]
