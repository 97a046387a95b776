"""The list of samples."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from core_app.http import person
from requests_app import overview, selectors

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
