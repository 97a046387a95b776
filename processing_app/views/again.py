"""Run a pipeline again with other parameters."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core_app.errors import DomainError, Invalid
from core_app.http import person
from core_app.roles import Action, can
from processing_app import selectors, workflows
from processing_app.forms import AgainForm
from processing_app.models import Run
from processing_app.plans import obstacle_to_repeat
from processing_app.services import rerunning


@login_required
@require_http_methods(["GET", "POST"])
def run_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask with what; then make the new run and go there. For processing staff alone."""
    run = selectors.get_run(pk, to=person(request))
    if not can(person(request), Action.PROCESS, run.imaging_request.sample.request):
        raise Http404("Only processing staff runs a pipeline again.")
    form = AgainForm(request.POST if request.method == "POST" else None, run=run)
    made = _made(request, run, form) if form.is_bound and form.is_valid() else None
    if made is not None:
        messages.success(request, f"{made} is planned. It counts instead of run {run.pk}.")
        for warning in rerunning.warnings_of(made):
            messages.warning(request, warning)
        return redirect("processing:run-detail", pk=made.pk)
    context = {"view": selectors.overview(run), "form": form, "obstacle": obstacle_to_repeat(run)}
    status = 422 if form.is_bound else 200
    return render(request, "processing_app/run_again.html", context, status=status)


def _made(request: HttpRequest, run: Run, form: AgainForm) -> Run | None:
    """Return the new run, or None with the reasons in the form."""
    try:
        return workflows.run_again(run, form.wishes(), by=person(request))
    except Invalid as refusal:
        form.show(refusal)
    except DomainError as refusal:
        form.add_error(None, refusal.message)
    return None
