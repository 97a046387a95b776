"""Which event of processing tells whom, in which words; called inside its transaction."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.text import Truncator

from core_app.models import Event
from core_app.notices import Letter, staff, tell
from core_app.notices.letters import shortened
from core_app.roles import Role
from processing_app.failures import TOLD_BY_CLUSTER, failure_of
from processing_app.models import Attempt, Cluster, ProcessingRequest, Run
from processing_app.states import AttemptState, RunState
from requests_app.addressees import address_of, correspondents, counted, named, shown
from requests_app.models import Request

LONGEST_MESSAGE = 300
# What to do about it stands at its end.
LONGEST_TROUBLE = 1000
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
    message = "" if attempt.reason in TOLD_BY_CLUSTER else attempt.message
    said = f" ({shortened(message, LONGEST_MESSAGE)})" if message else ""
    return f"{attempt.step.label}: {known.words}{said}. {known.advice}"


def tell_processed(processing_request: ProcessingRequest) -> None:
    """Tell once that a round of processing is complete, and where its results are."""
    imaging_request = processing_request.imaging_request
    sample = imaging_request.sample
    request = sample.request
    letter = Letter(
        subject=f"Processing is complete: {shortened(sample.name)} of {named(request)}",
        opening=f"Processing round {processing_request.number} of the sample {sample.name} of the "
        f"request {named(request)} is complete.",
        facts=(
            ("Request", str(request)),
            ("Sample", sample.name),
            ("Imaging round", str(imaging_request.number)),
        ),
        closing=("The log lists everything that was made, with the quality of the images.",),
        links=(
            ("The processing log", reverse("processing:round-log", args=[processing_request.pk])),
            ("The volumes", reverse("viewers:sample-chooser", args=[sample.pk])),
            ("The request", address_of(request)),
        ),
    )
    once = f"{processing_request.KIND} {processing_request.pk}"
    tell("processing-complete", letter, correspondents(request), root_id=request.pk, once=once)


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
            ("Processing", reverse("processing:queue")),
            ("The request", address_of(request)),
        ),
    )
    # Without a key: what was reminded of is noted in the history of each round.
    tell("processing-reminder", letter, correspondents(request), root_id=request.pk)


def tell_silent(cluster: Cluster, *, since: datetime, trouble: str) -> None:
    """Tell operators that a cluster gives no answer; once for each silence."""
    _tell_operators(
        cluster,
        since,
        kind="cluster-silent",
        subject=f"The cluster {cluster} gives no answer",
        opening=f"The cluster {cluster} has given no answer since {since:%Y-%m-%d %H:%M} UTC.",
        trouble=trouble,
        closing="Nothing is lost: jobs there go on, and it is asked again by itself, every five "
        f"minutes at least. After {settings.CLUSTER_PAUSE_AFTER_H} hours it is left alone until "
        "somebody resumes it in the staff console.",
    )


def tell_paused(cluster: Cluster, *, since: datetime, trouble: str) -> None:
    """Tell operators that a cluster is left alone until they resume it."""
    _tell_operators(
        cluster,
        since,
        kind="cluster-paused",
        subject=f"The cluster {cluster} is paused until you resume it",
        opening=f"The cluster {cluster} is not asked any more.",
        trouble=trouble,
        closing="Nothing is lost: jobs there go on, and their results are taken in later. Mend "
        f"what is said above, try it with `manage.py doctor --cluster {cluster}`, then resume the "
        "cluster in the staff console.",
    )


def tell_partly_silent(cluster: Cluster, *, since: datetime, trouble: str) -> None:
    """Tell operators that jobs wait though the cluster answers; once for each such time."""
    _tell_operators(
        cluster,
        since,
        kind="cluster-partly-silent",
        subject=f"The cluster {cluster} answers only in part",
        opening=f"Jobs on the cluster {cluster} wait since {since:%Y-%m-%d %H:%M} UTC for an "
        "answer that does not come; other questions are answered.",
        trouble=trouble,
        closing="Nothing is lost: it is asked again by itself, every five minutes at least. See "
        f"`manage.py doctor --cluster {cluster}`: a part such as accounting may be down.",
    )


def tell_answers_in_full(cluster: Cluster, *, since: datetime) -> None:
    """Tell operators that nothing waits for an answer any more."""
    _tell_operators(
        cluster,
        since,
        kind="cluster-answers-in-full",
        subject=f"The cluster {cluster} answers in full again",
        opening=f"No job waits any more for an answer of the cluster {cluster}, which answered "
        f"only in part since {since:%Y-%m-%d %H:%M} UTC.",
        trouble="",
        closing="There is nothing to do.",
    )


def tell_answers_again(cluster: Cluster, *, since: datetime) -> None:
    """Tell operators that a silence of which they were told is over."""
    _tell_operators(
        cluster,
        since,
        kind="cluster-answers",
        subject=f"The cluster {cluster} answers again",
        opening=f"The cluster {cluster} was silent since {since:%Y-%m-%d %H:%M} UTC and answers "
        "again. Everything goes on by itself.",
        trouble="",
        closing="There is nothing to do.",
    )


def _tell_operators(
    cluster: Cluster, since: datetime, *, kind: str, subject: str, opening: str, trouble: str,
    closing: str,
) -> None:  # fmt: skip
    letter = Letter(
        subject=subject,
        opening=opening,
        facts=(("What was said", Truncator(trouble).chars(LONGEST_TROUBLE)),) if trouble else (),
        closing=(closing,),
        links=(("The cluster", reverse("admin:processing_app_cluster_change", args=[cluster.pk])),),
    )
    told = staff(Role.OPERATOR, why="you look after the clusters")
    tell(kind, letter, told, root_id=None, once=f"{kind} {cluster} {since:%Y%m%dT%H%M%S}")
