"""The list of samples."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from core_app.http import person
from requests_app import exports, overview, selectors
from requests_app.views.listing import SAMPLE_COLUMNS, columns_of, sample_menus, state_chips

PER_PAGE = 50


@require_GET
@login_required
def sample_list(request: HttpRequest) -> HttpResponse:
    """List every sample this person may read, each with its own batch and rounds."""
    user = person(request)
    asked = overview.asked_of_samples(request.GET.dict())
    page = Paginator(overview.listed_samples(asked, to=user), PER_PAGE)
    shown = page.get_page(request.GET.get("page"))
    context = {
        "rows": overview.sample_rows_of(shown.object_list),
        "page": shown,
        "asked": asked,
        "columns": columns_of(asked, SAMPLE_COLUMNS),
        "chips": state_chips(asked, drafts=False),
        "menus": sample_menus(asked, selectors.visible_requests(to=user)),
    }
    return render(request, "requests_app/sample_list.html", context)


@require_GET
@login_required
def sample_export(request: HttpRequest) -> StreamingHttpResponse:
    """Send what the list of this address shows, all pages of it, as CSV."""
    asked = overview.asked_of_samples(request.GET.dict())
    rows = overview.listed_samples(asked, to=person(request))
    return exports.samples_csv(rows)
