"""One request: what was ordered for each sample, and what happened to it."""

from collections import defaultdict
from collections.abc import Sequence

from processing_app.models import Run
from processing_app.selectors import RunView, overview, with_steps
from processing_app.states import RunState
from requests_app.models import Request, Sample
from requests_app.states import RequestState


def runs_by_sample(samples: Sequence[Sample]) -> dict[int, list[RunView]]:
    """Return {sample id: its runs with their progress, newest first}."""
    found: dict[int, list[RunView]] = defaultdict(list)
    rows = Run.objects.filter(imaging_request__sample__in=[s.pk for s in samples])
    rows = with_steps(rows.select_related("imaging_request__sample__request__owner"))
    for run in rows.order_by("-id"):
        found[run.imaging_request.sample_id].append(overview(run))
    return found


def is_moving(request: Request) -> bool:
    """Return True while something of the request runs by itself, so its page should refresh."""
    active = [RunState.PLANNED, RunState.RUNNING]
    running = Run.objects.filter(imaging_request__sample__request=request, state__in=active)
    return request.state == RequestState.SUBMITTED and running.exists()
