"""Pages of samples: the list, the tube's own address, reception."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core_app.http import person, refusals_as_messages
from requests_app import overview, selectors
from requests_app.models import Sample
from requests_app.services import requests
from requests_app.views.requests import address_of

PER_PAGE = 50


@require_GET
@login_required
def sample_list(request: HttpRequest) -> HttpResponse:
    """List every sample this person may read, each with its strip."""
    rows = selectors.visible_samples(to=person(request)).order_by("-request_id", "position")
    if words := request.GET.get("q", "").strip():
        rows = rows.filter(Q(name__icontains=words) | Q(request__name__icontains=words))
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    samples = list(page.object_list)
    strips = overview.strips_of(samples)
    context = {
        "lines": [(s, strips[s.pk]) for s in samples],
        "page": page,
        "search": request.GET.get("q", ""),
    }
    return render(request, "requests_app/sample_list.html", context)


@require_GET
@login_required
def tube(request: HttpRequest, code: str) -> HttpResponse:
    """Lead from a tube's QR code to its request. It tells nothing to whoever may not read it."""
    sample = _visible(request, code=code)
    return redirect(f"{address_of(sample.request)}#sample-{sample.pk}")


@require_POST
@login_required
@refusals_as_messages
def receive(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that the tube is here."""
    sample = _visible(request, pk=pk)
    requests.receive(sample, by=person(request))
    messages.success(request, f"{sample.name} is received.")
    return redirect(f"{address_of(sample.request)}#sample-{sample.pk}")


def _visible(request: HttpRequest, **key: object) -> Sample:
    sample = selectors.visible_samples(to=person(request)).filter(**key).first()
    if sample is None:
        raise Http404("There is no such sample, or it is not yours to see.")
    return sample
