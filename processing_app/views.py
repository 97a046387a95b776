"""Pages of processing: the list of runs, and one run as it moves."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core_app.http import person, refusals_as_messages
from processing_app import selectors, workflows
from processing_app.services import runs
from processing_app.states import RunState

RUNS_PER_PAGE = 50


@login_required
@require_GET
def run_list(request: HttpRequest) -> HttpResponse:
    """The runs that this person may see; `?state=running` shows those in one state."""
    rows = selectors.with_steps(selectors.visible_runs(to=person(request)))
    state = request.GET.get("state", "")
    if state in RunState.values:
        rows = rows.filter(state=state)
    page = Paginator(rows, RUNS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "runs": [selectors.overview(run) for run in page],
        "states": RunState.choices,
        "chosen": state,
    }
    return render(request, "processing_app/run_list.html", context)


@login_required
@require_GET
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One run with its steps."""
    return render(request, "processing_app/run_detail.html", {"view": _view(request, pk)})


@login_required
@require_GET
def run_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the run's page that moves. While the run is active it asks for itself again."""
    return render(request, "processing_app/run_live.html", {"view": _view(request, pk)})


@login_required
@require_POST
@refusals_as_messages
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the run, or set a failed one aside."""
    run = selectors.get_run(pk, to=person(request))
    words = "is set aside" if run.state == RunState.FAILED else "is being cancelled"
    runs.cancel_run(run, by=person(request), reason=request.POST.get("reason", "")[:250])
    messages.success(request, f"{run} {words}.")
    return redirect("processing:run-detail", pk=pk)


@login_required
@require_POST
@refusals_as_messages
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with the run where it failed."""
    run = selectors.get_run(pk, to=person(request))
    workflows.retry_run(run, by=person(request))
    messages.success(request, f"{run} goes on. Steps that succeeded are kept.")
    return redirect("processing:run-detail", pk=pk)


def _view(request: HttpRequest, pk: int) -> selectors.RunView:
    user = person(request)
    selectors.get_run(pk, to=user)
    run = selectors.with_steps(selectors.visible_runs(to=user)).get(pk=pk)
    return selectors.overview(run, to=user)
