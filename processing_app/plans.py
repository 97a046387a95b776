"""What a run would be planned as now, and whether a stored run still is what was planned."""

from collections.abc import Sequence

from core_app.errors import NotReady
from imaging_app.models import ImagingRequest
from imaging_app.states import ImagingState
from processing_app import pipelines
from processing_app.deliveries import deliveries_of
from processing_app.models import Run, Step
from processing_app.pipelines import PlannedStep
from requests_app.states import RequestState


def steps_of(pipeline: str, imaging_request: ImagingRequest) -> list[PlannedStep]:
    """Return the steps of a pipeline by what is entered now. Raises NotReady for a gap."""
    plan = pipelines.PLANNERS[pipeline]
    return plan(str(imaging_request.folder), deliveries_of(imaging_request))


def is_planned_so(run: Run, steps: Sequence[PlannedStep]) -> bool:
    """Return True if the run does exactly this. How its steps are worded does not matter."""
    return [_values(step) for step in run.steps.order_by("position")] == list(map(_values, steps))


def _values(step: Step | PlannedStep) -> tuple[object, ...]:
    return (
        step.key, step.name, list(step.needs),
        step.inputs, step.parameters, step.outputs, step.product,
    )  # fmt: skip


def newer_run(run: Run) -> Run | None:
    """Return the newest run that counts instead of this one, if there is any."""
    rows = Run.objects.filter(pipeline=run.pipeline, imaging_request=run.imaging_request_id)
    return rows.filter(pk__gt=run.pk).order_by("-pk").first()


def obstacle_to_retry(run: Run) -> str:
    """Return why the run may not be retried, and what to do instead; empty if it may.

    A run writes what its values say to the place of its product, so it has to be the newest one and
    to have the values that hold today.
    """
    if run.pipeline in pipelines.OF_DELIVERIES:
        return "Look at the raw data afresh instead: press the button on the sample's imaging page."
    newer = newer_run(run)
    if newer is not None:
        return f"Run {newer.pk} is newer and counts instead of this one. Look there."
    request = run.imaging_request.sample.request
    if request.state not in {RequestState.SUBMITTED, RequestState.CLOSED}:
        return f"The request is {request.get_state_display().lower()}, so nothing of it is run."
    if run.imaging_request.state != ImagingState.COMPLETE:
        return "Imaging of this sample is not complete. Complete it; a new run begins then."
    return _difference(run)


def _difference(run: Run) -> str:
    try:
        is_same = is_planned_so(run, steps_of(run.pipeline, run.imaging_request))
    except NotReady as gap:
        return gap.message
    if is_same:
        return ""
    return (
        "What holds for this sample has changed since the run was planned. "
        "Re-open its imaging, look at the values and complete it; a new run begins then."
    )
