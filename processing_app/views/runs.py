"""The list of runs, and one run as it moves."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core_app.http import person, refusals_as_messages
from processing_app import selectors, workflows
from processing_app.selectors import FollowedLog
from processing_app.services import runs
from processing_app.states import RunState

RUNS_PER_PAGE = 50
MAX_DIGITS = 18


@login_required
@require_GET
def run_list(request: HttpRequest) -> HttpResponse:
    """The runs that this person may see; `?state=running&cluster=default` shows some of them."""
    visible = selectors.visible_runs(to=person(request))
    clusters = selectors.clusters_with_runs(visible)
    state, cluster = request.GET.get("state", ""), request.GET.get("cluster", "")
    rows = selectors.with_steps(visible)
    if state in RunState.values:
        rows = rows.filter(state=state)
    if cluster in {str(row) for row in clusters}:
        rows = rows.filter(cluster__name=cluster)
    page = Paginator(rows, RUNS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "runs": [selectors.overview(run) for run in page],
        "states": RunState.choices,
        "chosen": state,
        "clusters": clusters,
        "chosen_cluster": cluster,
        "troubles": selectors.troubles(clusters),
        "nothing": "No run is in this state." if state else "No run is on this cluster.",
    }
    return render(request, "processing_app/run_list.html", context)


@login_required
@require_GET
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One run with its steps; `?log=12` shows the log of that attempt as it grows."""
    context = {"view": _view(request, pk), "log": _followed(request, pk)}
    return render(request, "processing_app/run_detail.html", context)


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
    return selectors.whole_view(run, to=user)


def _followed(request: HttpRequest, run: int) -> FollowedLog | None:
    """Return the log that the address names, if there is such an attempt."""
    wanted = request.GET.get("log", "")
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= MAX_DIGITS):
        return None
    try:
        attempt = selectors.attempt_of_run(int(wanted), run=run, to=person(request))
    except Http404:
        return None
    return selectors.followed_log(attempt)
