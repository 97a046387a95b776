"""What a run would be planned as now, and whether a stored run still is what was planned."""

from collections.abc import Sequence

from core_app.errors import NotReady
from imaging_app.models import ImagingRequest
from imaging_app.states import ImagingState
from processing_app import choices, pipelines
from processing_app.choices import Chosen
from processing_app.deliveries import deliveries_of
from processing_app.models import ProcessingRequest, Run, SitePipeline, SiteStep, Step
from processing_app.models.site import SITE_PREFIX
from processing_app.pipelines import PlannedStep
from processing_app.site_pipelines import Script, site_steps
from processing_app.states import ACTIVE
from processing_app.wishes import checksums_of, corrections_of, wanted_of
from requests_app.states import RequestState

# The step whose values people enter by themselves, beside imaging and rounds.
CORRECT = "correct"


def steps_of(
    pipeline: str,
    imaging_request: ImagingRequest,
    chosen: Chosen | None = None,
    *,
    processing_request: ProcessingRequest | None = None,
) -> list[PlannedStep]:
    """Return the steps of a pipeline by what is entered now. Raises NotReady for a gap.

    Pipelines that process what was imaged need the round that says what is wanted.
    """
    if pipeline.startswith(SITE_PREFIX):
        return _site_steps(pipeline, imaging_request)
    folder, deliveries = str(imaging_request.folder), deliveries_of(imaging_request)
    if plan := pipelines.PLANNERS.get(pipeline):
        return plan(folder, deliveries, chosen)
    if processing_request is None:
        raise NotReady("Say first what is wanted: ask for processing on the page of the sample.")
    wanted = wanted_of(processing_request)
    if pipeline == pipelines.LIGHTSHEET:
        return pipelines.lightsheet_steps(folder, deliveries, wanted, chosen)
    corrections = corrections_of(imaging_request)
    return pipelines.correction_steps(folder, deliveries, wanted, corrections, chosen)


def chosen_for(run: Run) -> dict[str, str]:
    """Return what a person chose for the run, and the usual where nobody chose."""
    return choices.completed(run.pipeline, run.parameters.get("choices"))


def _site_steps(name: str, imaging_request: ImagingRequest) -> list[PlannedStep]:
    """Return the steps that the facility's own scripts are now."""
    row = SitePipeline.objects.filter(name=name.removeprefix(SITE_PREFIX)).first()
    if row is None:
        raise NotReady(f"The site's own pipeline {name} is not set up any more.")
    if not row.is_offered:
        raise NotReady(f"The pipeline {row} is not offered. An operator can switch it on again.")
    scripts = [_script(step) for step in row.steps.order_by("position", "pk")]
    deliveries = deliveries_of(imaging_request)
    return site_steps(row.name, row.version, scripts, str(imaging_request.folder), deliveries)


def _script(step: SiteStep) -> Script:
    return Script(
        key=step.key,
        label=step.label,
        command=tuple(map(str, step.command)),
        by_channel=step.unit == SitePipeline.Unit.CHANNEL,
        values=step.parameters,
        cpus=step.cpus,
        memory_mb=step.memory_mb,
        minutes=step.minutes,
    )


def is_planned_so(run: Run, steps: Sequence[PlannedStep]) -> bool:
    """Return True if the run does exactly this. How its steps are worded does not matter."""
    stored = list(run.steps.order_by("position"))
    return len(stored) == len(steps) and all(map(_is_same, stored, steps))


def _is_same(stored: Step, planned: PlannedStep) -> bool:
    """What a stored step asks for may have been raised by a person, unless the plan says it."""
    asks = not planned.resources or stored.resources == planned.resources
    return asks and _values(stored) == _values(planned)


def _values(step: Step | PlannedStep) -> tuple[object, ...]:
    return (
        step.key, step.name, list(step.needs),
        step.inputs, step.parameters, step.outputs, step.product, step.artifact, step.tasks,
    )  # fmt: skip


def newer_run(run: Run) -> Run | None:
    """Return the newest run that counts instead of this one, if there is any."""
    rows = Run.objects.filter(
        pipeline=run.pipeline,
        imaging_request=run.imaging_request_id,
        processing_request=run.processing_request_id,
    )
    return rows.filter(pk__gt=run.pk).order_by("-pk").first()


def steps_of_run(run: Run, chosen: Chosen) -> list[PlannedStep]:
    """Return what the run would be planned as now, with these choices. Raises NotReady."""
    return steps_of(
        run.pipeline, run.imaging_request, chosen, processing_request=run.processing_request
    )


def obstacle_to_retry(run: Run) -> str:
    """Return why the run may not be retried, and what to do instead; empty if it may.

    A run writes what its values say to the place of its product, so it has to be the newest one and
    to have the values that hold today.
    """
    return obstacle_to_repeat(run) or _difference(run)


def obstacle_to_repeat(run: Run) -> str:
    """Return why the run may not be run again with other parameters; empty if it may."""
    if run.pipeline in pipelines.OF_DELIVERIES:
        return "Look at the raw data afresh instead: press the button on the sample's imaging page."
    newer = newer_run(run)
    if newer is not None:
        return f"Run {newer.pk} is newer and counts instead of this one. Look there."
    if obstacle := _obstacle_at_work(run):
        return obstacle
    request = run.imaging_request.sample.request
    if request.state not in {RequestState.SUBMITTED, RequestState.CLOSED}:
        return f"The request is {request.get_state_display().lower()}, so nothing of it is run."
    if run.imaging_request.state != ImagingState.COMPLETE:
        return "Imaging of this sample is not complete. Complete it; a new run begins then."
    return ""


def _obstacle_at_work(run: Run) -> str:
    """Rounds stand side by side, but of one sample and pipeline only one run is at work."""
    active = Run.objects.filter(imaging_request=run.imaging_request_id, state__in=ACTIVE)
    there = active.filter(pipeline=run.pipeline).exclude(processing_request=run.processing_request)
    if (other := there.first()) is not None:
        return (
            f"{other} of another round of the same images is at work. Wait for it, or cancel it on "
            "its page."
        )
    reader = active.filter(pipeline__in=pipelines.READ_BY.get(run.pipeline, ())).first()
    if reader is None:
        return ""
    return f"{reader} reads what it makes. Wait for it, or cancel it on its page."


def _difference(run: Run) -> str:
    try:
        steps = steps_of_run(run, chosen_for(run))
        is_same = is_planned_so(run, steps)
    except NotReady as gap:
        return gap.message
    replaced = _replaced_atlases(run)
    if is_same and not replaced:
        return ""
    what = _what_differs(run, steps, replaced)
    return f"{what} since the run was planned. {_begins_anew(run)}"


def _replaced_atlases(run: Run) -> list[str]:
    """Return the atlases that have other files than when the run was planned, or are not wanted."""
    now = checksums_of(run.processing_request)
    then = run.parameters.get("atlases", {})
    return [name for name, checksum in then.items() if now.get(name) != checksum]


def _what_differs(run: Run, steps: Sequence[PlannedStep], replaced: Sequence[str]) -> str:
    if replaced:
        return f"The atlas ({', '.join(replaced)}) was replaced or another one chosen"
    stored = [_entered(step) for step in run.steps.filter(name=CORRECT).order_by("position")]
    if stored != [_entered(step) for step in steps if step.name == CORRECT]:
        return "How its channels are corrected has changed"
    if run.pipeline.startswith(SITE_PREFIX):
        return "The site's own pipeline, or what it reads, has changed"
    return "What holds for this sample has changed"


def _entered(step: Step | PlannedStep) -> tuple[object, ...]:
    """What people enter of a correction, beside where planes lie and how many there are."""
    return (step.parameters, step.inputs.get("flat"))


def _begins_anew(run: Run) -> str:
    """Return what to do for a run with the values of today."""
    if run.processing_request is not None:
        return "Start the processing again on its page: the new run has what holds now."
    if run.pipeline.startswith(SITE_PREFIX):
        return "Run it again with other parameters: the new run has what holds now."
    return "Re-open its imaging, look at the values and complete it; a new run begins then."
