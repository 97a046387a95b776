"""Which event of processing tells whom, in which words; called inside its transaction."""

from collections.abc import Sequence

from django.urls import reverse

from core_app.models import Event
from core_app.notices import Letter, staff, tell
from core_app.notices.letters import shortened
from core_app.roles import Role
from processing_app.failures import failure_of
from processing_app.models import Attempt, ProcessingRequest, Run
from processing_app.states import AttemptState, RunState
from requests_app.addressees import address_of, correspondents, counted, named, shown
from requests_app.models import Request

LONGEST_MESSAGE = 300
ENDED_BADLY = (AttemptState.FAILED, AttemptState.LOST)


def tell_failed(run: Run) -> None:
    """Tell processing and imaging staff that a run gave up: which steps, why, what to do.

    A run that is retried and gives up again is told again; one failure is told once.
    """
    sample = run.imaging_request.sample
    request = sample.request
    times = Event.objects.filter(kind=run.KIND, object_id=run.pk, to=RunState.FAILED).count()
    letter = Letter(
        subject=f"Run {run.pk} failed: {shortened(sample.name)} of {named(request)} "
        f"of {shown(request.owner)}",
        opening=f"Run {run.pk} ({run.pipeline}) of the sample {sample.name} of the request "
        f"{named(request)} of {request.owner} failed; it is not tried again by itself.",
        facts=(
            ("Request", str(request)),
            ("Sample", sample.name),
            ("Imaging round", str(run.imaging_request.number)),
        ),
        lists=(("What failed", tuple(_failure(attempt) for attempt in _last_failures(run))),),
        closing=(
            "The page of the run shows the log; there it is retried, or set aside with a reason.",
        ),
        links=(
            ("The run", reverse("processing:run-detail", args=[run.pk])),
            ("The request", address_of(request)),
        ),
    )
    told = staff(Role.PROCESSOR, Role.IMAGER, why="you look after processing or imaging")
    once = f"{run.KIND} {run.pk} for the {times}. time"
    tell("run-failed", letter, told, root_id=request.pk, once=once)


def _last_failures(run: Run) -> list[Attempt]:
    """Return the newest attempt of each step, where it ended badly."""
    attempts = Attempt.objects.filter(step__run=run).select_related("step").order_by("number")
    newest = {attempt.step_id: attempt for attempt in attempts}
    bad = [attempt for attempt in newest.values() if attempt.state in ENDED_BADLY]
    return sorted(bad, key=lambda attempt: attempt.step.position)


def _failure(attempt: Attempt) -> str:
    known = failure_of(attempt.reason)
    said = f" ({shortened(attempt.message, LONGEST_MESSAGE)})" if attempt.message else ""
    return f"{attempt.step.label}: {known.words}{said}. {known.advice}"


def tell_not_started(request: Request, rounds: Sequence[ProcessingRequest]) -> None:
    """Remind that imaging is complete and that nobody has started processing."""
    letter = Letter(
        subject=f"Processing waits to be started: {named(request)}",
        opening=f"Imaging of {counted(rounds)} of the request {named(request)} is complete, and "
        "nobody has started their processing yet.",
        facts=(("Request", str(request)),),
        lists=(("Samples", tuple(one.imaging_request.sample.name for one in rounds)),),
        closing=(
            "Start it when you like; there is nothing to do if you do not want them processed. "
            "This reminder comes once.",
        ),
        links=(
            ("Processing", reverse("processing:run-list")),
            ("The request", address_of(request)),
        ),
    )
    # Without a key: what was reminded of is noted in the history of each round.
    tell("processing-reminder", letter, correspondents(request), root_id=request.pk)
