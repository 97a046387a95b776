"""Use cases that begin with processing and reach further: runs, up to what people can open."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from core_app.errors import Misconfigured, NotReady, StaleState
from core_app.models import User
from imaging_app.models import ImagingRequest
from imaging_app.workflows import take_in_reports
from processing_app.cluster import open_cluster
from processing_app.models import Cluster, ProcessingRequest, Run
from processing_app.services import (
    clusters,
    driving,
    partly,
    processing,
    rerunning,
    rounds,
    runs,
)
from processing_app.services import requests as requests_of_processing
from processing_app.services.driving import TickSummary
from processing_app.services.processing import OPEN_REQUEST, Entry
from processing_app.services.requests import PlaceWishes
from processing_app.services.runs import Wishes
from requests_app.models import Request
from requests_app.services import requests
from requests_app.states import RequestState
from requests_app.workflows import close_if_finished
from viewers_app.services import layers
from viewers_app.workflows import tell_what_became_viewable

logger = logging.getLogger(__name__)


def drive(budget: timedelta) -> TickSummary:
    """Move every due attempt on once, take in what checks found, make new products viewable.

    People are told what they can look at. Safe to repeat.
    """
    summary, clock = TickSummary(), driving.Clock(budget)
    driving.plan(summary)
    for row in clusters.with_work(at=timezone.now()):
        if clock.has_time():
            _serve(row, clock, summary)
    driving.plan(summary)
    partly.note_all()
    summary.active = driving.is_active()
    take_in_reports()
    summary.published = layers.publish_new_products()
    tell_what_became_viewable()
    return summary


def _serve(row: Cluster, clock: driving.Clock, summary: TickSummary) -> None:
    """One cluster that cannot even be opened is its own trouble; the others go on."""
    try:
        with open_cluster(clusters.config_of(row)) as cluster:
            driving.serve(cluster, clock, summary)
    except Misconfigured as wrong:
        summary.troubles.append(f"{row}: {wrong}")
        clusters.pause(clusters.status_of(row.name), str(wrong))
    except Exception as mistake:
        logger.exception("the cluster %s could not be served", row)
        summary.troubles.append(f"{row}: {type(mistake).__name__}")
        # So that the page shows it and operators are told.
        words = f"The site could not serve the cluster ({type(mistake).__name__})."
        clusters.fell_silent(clusters.status_of(row.name), words)


def retry_run(run: Run, *, by: User) -> None:
    """Go on with a failed or cancelled run; a request that was closed is open again with it."""
    with transaction.atomic():
        runs.retry_run(run, by=by)
        _open_again(run, by=by, note=f"{run} is retried.")


def run_again(run: Run, wishes: Wishes, *, by: User) -> Run:
    """Make a new run with other parameters; a request that was closed is open again with it."""
    with transaction.atomic():
        made = rerunning.run_again(run, wishes, by=by)
        _open_again(made, by=by, note=f"{made} was begun.")
        return made


def start_processing(
    processing_request: ProcessingRequest,
    entries: Sequence[Entry],
    *,
    by: User,
    seen: int | None = None,
) -> list[Run]:
    """Begin the runs of a round; a request that was closed is open again with it.

    `seen` is the newest event of the round that the person saw.
    """
    with transaction.atomic():
        begun = processing.start(processing_request, entries, by=by, seen=seen)
        _open_again(begun[0], by=by, note=f"{processing_request} was started.")
    return begun


def ask_for_processing(
    imaging_request: ImagingRequest, wishes: PlaceWishes, *, by: User, after: int
) -> ProcessingRequest:
    """Ask for one more round of processing; a request that was closed is open again with it.

    `after` is the number of the newest round that the person saw. Raises StaleState if there is a
    newer one, beside what opening a round raises.
    """
    with transaction.atomic():
        runs.hold(imaging_request.pk)
        request = Request.objects.select_for_update().get(pk=imaging_request.root_id)
        if request.state not in OPEN_REQUEST:
            raise NotReady(
                f"The request is {request.get_state_display().lower()}, so nothing of it is "
                "processed."
            )
        newer = imaging_request.processing_requests.filter(number__gt=after).order_by("number")
        if (last := newer.last()) is not None:
            raise StaleState(
                f"Processing round {last.number} was asked for since you opened this page, so "
                "nothing was stored. It is listed below; ask again if you want yours as well."
            )
        opened = requests_of_processing.open_processing_request(
            imaging_request, by=by, wishes=wishes
        )
        _open_request(request, by=by, note=f"{opened} was asked for.")
    return opened


def set_aside(processing_request: ProcessingRequest, *, by: User, reason: str) -> None:
    """Say that a round is not wanted; its request closes if that was all that was open."""
    with transaction.atomic():
        rounds.set_aside(processing_request, by=by, reason=reason)
        close_if_finished(Request.objects.get(pk=processing_request.root_id))


def want_again(processing_request: ProcessingRequest, *, by: User) -> None:
    """Let a round that was not wanted wait again; a closed request is open again with it."""
    with transaction.atomic():
        rounds.want_again(processing_request, by=by)
        request = Request.objects.get(pk=processing_request.root_id)
        _open_request(request, by=by, note=f"{processing_request} is wanted after all.")


def _open_again(run: Run, *, by: User, note: str) -> None:
    _open_request(Request.objects.get(pk=run.root_id), by=by, note=note)


def _open_request(request: Request, *, by: User, note: str) -> None:
    if request.state == RequestState.CLOSED:
        requests.reopen(request, by=by, note=note)
