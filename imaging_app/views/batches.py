"""Pages of one imaging batch."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core_app.http import person, refusals_as_messages
from imaging_app import selectors, workflows
from imaging_app.states import OVER


@require_GET
@login_required
def batch_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one batch with its samples."""
    batch = selectors.get_batch(pk, to=person(request))
    rows = batch.imaging_requests.select_related("sample").order_by("sample__position")
    rows = rows.prefetch_related(
        "resolutions__objective__microscope", "resolutions__channels__wavelength"
    )
    samples = list(rows)
    context = {
        "batch": batch,
        "clearing": batch.clearing_batch,
        "order": batch.clearing_batch.request,
        "samples": samples,
        "done": sum(sample.state in OVER for sample in samples),
        "is_cleared": selectors.is_cleared(batch),
        "can_start": selectors.can_start(batch, person(request)),
        "can_book": batch.state not in OVER and selectors.may_image(batch, person(request)),
    }
    return render(request, "imaging_app/imaging_batch.html", context)


@require_POST
@login_required
@refusals_as_messages
def start_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Claim the batch, and make the folders for its raw data."""
    batch = selectors.get_batch(pk, to=person(request))
    workflows.start_imaging(batch, by=person(request))
    return redirect("imaging:batch", pk=batch.pk)
