"""Use cases that begin with imaging and reach further: checking, completing, skipping a sample."""

import logging
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction

from core_app.bell import ring
from core_app.errors import DomainError, NotAllowed, NotReady, Rejected, StaleState
from core_app.models import User
from core_app.roles import Action, actions_on
from core_app.storage import make_folder
from core_app.transitions import record
from imaging_app import mails, raw_data, selectors
from imaging_app.edits import ChangeObjective, Edit, RemoveChannel
from imaging_app.models import ImagingBatch, ImagingRequest, Objective, RawDelivery
from imaging_app.selectors import FolderKey
from imaging_app.selectors import batches as batch_reads
from imaging_app.services import deliveries, edits, imaging
from imaging_app.services.batches import Outcome, named
from imaging_app.services.guards import hold_all, hold_open
from imaging_app.states import OVER, ImagingState
from processing_app import selectors as processing_reads
from processing_app.models import Run, Step, StepReport
from processing_app.pipelines import CHECK, OF_DELIVERIES, RAW, VERIFY
from processing_app.services import reports, runs
from processing_app.services import requests as processing
from processing_app.states import RunState
from requests_app.workflows import close_if_finished

logger = logging.getLogger(__name__)

DRIVE = "processing_app.tasks.drive_runs"


def check_delivery(imaging_request: ImagingRequest, *, by: User) -> Run:
    """Have the raw folders of one sample looked at by the cluster; twice at once is one look.

    Nothing on disk changes but the list of files beside the results.
    """
    deliveries.require_checkable(imaging_request, by=by)
    with transaction.atomic():
        hold_open(imaging_request)  # a colleague may complete it at this moment
        run = runs.start_run(CHECK, imaging_request, by=by)
        if run is None:
            raise NotReady("None of these folders is of a kind that this site can check.")
        record(imaging_request, "check asked", by=by)
        ring(DRIVE)
    return run


def verify_delivery(imaging_request: ImagingRequest, *, by: User | None) -> Run:
    """Have every raw file read again, and compared with the list made at the check.

    `by` is None for the command that does so with what was not read for long.
    """
    allowed = actions_on(by, imaging_request.sample.request) if by else {Action.PROCESS}
    if not allowed & {Action.IMAGE, Action.PROCESS}:
        raise NotAllowed("Only imaging and processing staff have raw data read again.")
    with transaction.atomic():
        run = runs.start_run(VERIFY, imaging_request, by=by)
        if run is None:
            raise NotReady("There is no list of raw files yet; it is made when they are checked.")
        record(imaging_request, "second reading asked", by=by)
        ring(DRIVE)
    return run


def take_in_reports() -> int:
    """Store what checks have found since; return how many were of use. Safe to repeat."""
    return sum(map(_take_in_alone, processing_reads.reports_to_take_in()))


def _take_in_alone(report: StepReport) -> bool:
    """A report that trips us up is loud in the log, and does not stop the others."""
    try:
        return _take_in(report)
    except OperationalError:
        # The database was busy or away: the report is as good as before.
        logger.warning("the report %s waits: the database did not take it in", report.pk)
        return False
    except Exception:
        logger.exception("the report %s could not be taken in", report.pk)
        reports.take(report)
        return False


def _take_in(report: StepReport) -> bool:
    step = report.attempt.step
    run = step.run
    place = run.parameters.get("places", {}).get(step.key)
    with transaction.atomic():
        if not reports.take(report) or run.pipeline not in OF_DELIVERIES or place is None:
            return False
        key = (int(place[0]), bool(place[1]), str(place[2]))
        stored = _STORING[run.pipeline](run, step, key, report.outputs)
        return stored is not None


def _store_check(
    run: Run, step: Step, key: FolderKey, outputs: dict[str, Any]
) -> RawDelivery | None:
    expected = step.parameters["channels"]
    return deliveries.store_check(
        run.imaging_request, key, outputs, expected=expected, by=run.requested_by
    )


def _store_verification(
    run: Run, step: Step, key: FolderKey, outputs: dict[str, Any]
) -> RawDelivery | None:
    digest = step.inputs["manifest_digest"]
    return deliveries.store_verification(
        run.imaging_request, key, outputs, manifest_digest=digest, by=run.requested_by
    )


_STORING = {CHECK: _store_check, VERIFY: _store_verification}


def complete_imaging(imaging_request: ImagingRequest, *, by: User) -> list[Run]:
    """Finish a sample whose raw data is right, and start what its raw data goes through.

    Returns the runs; none where no pipeline of this installation takes such data.
    """
    _require_no_check(imaging_request)
    _require_nothing_moved(imaging_request)
    with transaction.atomic():
        batch_is_over = imaging.finish(imaging_request, by=by)
        _require_no_check(imaging_request)  # now that nobody can begin another one
        begun = runs.start_runs_of(imaging_request, by=by)
        if batch_is_over:
            tell_imaged(imaging_request.batch, by=by)
        close_if_finished(imaging_request.sample.request)
        ring(DRIVE)
    return begun


def _require_no_check(imaging_request: ImagingRequest) -> None:
    if processing_reads.is_being_checked(imaging_request):
        raise NotReady("The raw data is being checked. Complete the sample when that has ended.")


def _require_nothing_moved(imaging_request: ImagingRequest) -> None:
    """Refuse for a folder that changed after its check."""
    for delivery in selectors.deliveries_of(imaging_request):
        if raw_data.has_changed_since(settings.DATA_ROOT, delivery.folder, delivery.report):
            raise NotReady(
                f"Files came to {delivery.subfolder} or left it after the check. "
                "Press Check the delivery again."
            )


def start_imaging(batch: ImagingBatch, *, by: User) -> None:
    """Claim the batch, then make its raw data folders; a missing folder leaves it claimed."""
    imaging.start(batch, by=by)
    try:
        for imaging_request in batch.imaging_requests.all():
            make_folders(imaging_request)
    except DomainError as trouble:
        raise NotReady(f"The batch is started, but: {trouble.message}") from trouble


def skip_sample(imaging_request: ImagingRequest, *, by: User, reason: str) -> None:
    """Finish a sample without images; the request closes if nothing else is open."""
    with transaction.atomic():
        batch_is_over = imaging.skip(imaging_request, by=by, reason=reason)
        runs.stop_looking(imaging_request, by=by, reason="The sample is skipped.")
        if batch_is_over:
            tell_imaged(imaging_request.batch, by=by)
        close_if_finished(imaging_request.sample.request)


def tell_imaged(batch: ImagingBatch, *, by: User) -> None:
    """Tell that a batch is over, and what comes next by itself or can be begun."""
    imaged = batch.imaging_requests.filter(state=ImagingState.COMPLETE)
    used = Objective.objects.filter(pk__in=imaged.values("resolutions__objective"))
    fit = [objective for objective in used if processing.is_processable(objective)]
    made = Run.objects.filter(imaging_request__in=imaged, pipeline=RAW)
    mails.tell_imaged(
        batch,
        by=by,
        makes_volumes=made.exclude(state__in=[RunState.FAILED, RunState.CANCELLED]).exists(),
        processable=[objective.name for objective in fit],
        is_installed=any(processing.processing_pipeline_for(objective) for objective in fit),
    )


def edit_sample(imaging_request: ImagingRequest, edit: Edit, *, by: User, seen: str = "") -> str:
    """Change which channels of a sample are imaged; its processing follows. Says what was done.

    Empty if it was so already. Raises StaleState if a colleague changed the sample since `seen`.
    """
    with transaction.atomic():
        hold_all([imaging_request])
        return _edit(imaging_request, edit, by=by, seen=seen)


def edit_batch(batch: ImagingBatch, edit: Edit, *, by: User, seen: str = "") -> Outcome:
    """Change which channels of every open sample are imaged; finished ones are left alone.

    A sample where it is not possible is left alone too, and named. Another objective is for all
    open samples or for none.
    """
    if not selectors.may_image(batch, by):
        raise NotAllowed("Only who images this batch changes its channels.")
    outcome = Outcome()
    with transaction.atomic():
        samples = batch_reads.samples_of(batch)
        hold_all(samples)
        for sample in samples:
            if sample.state in OVER:
                outcome.left.append((sample, f"is {sample.get_state_display().lower()}"))
            elif not edits.concerns(sample, edit):
                outcome.left.append((sample, "has not this objective"))
            else:
                _edit_one_of(outcome, sample, edit, by=by, seen=seen)
    return outcome


def _edit_one_of(
    outcome: Outcome, imaging_request: ImagingRequest, edit: Edit, *, by: User, seen: str
) -> None:
    try:
        with transaction.atomic():
            done = _edit(imaging_request, edit, by=by, seen=seen)
    except StaleState:
        raise
    except DomainError as refusal:
        if isinstance(edit, ChangeObjective):
            words = named(imaging_request, refusal.message)
            raise NotReady(f"No sample was changed. {words}") from refusal
        outcome.left.append((imaging_request, refusal.message))
        return
    (outcome.changed if done else outcome.same).append(imaging_request)
    if done and done not in outcome.done:
        outcome.done.append(done)


def _edit(imaging_request: ImagingRequest, edit: Edit, *, by: User, seen: str) -> str:
    if not edits.is_done(imaging_request, edit):
        _require_untouched(imaging_request, edit)
    before = processing.keys_of(imaging_request) if isinstance(edit, ChangeObjective) else {}
    done = edits.carry_out(imaging_request, edit, by=by, seen=seen)
    if done:
        processing.tell_renamed(before)
    followed = processing.follow_imaging(imaging_request, by=by) if done else ""
    return "; ".join(filter(None, (done, followed)))


def _require_untouched(imaging_request: ImagingRequest, edit: Edit) -> None:
    """Refuse to take away a channel that volumes or a run at work hang on."""
    if not isinstance(edit, RemoveChannel | ChangeObjective):
        return
    gone = edits.channels_meant(imaging_request, edit)
    made = processing_reads.channels_with_products(gone)
    if made:
        names = ", ".join(batch_reads.words_of(channel) for channel in made)
        raise NotReady(
            f"{imaging_request.sample}: there are volumes of {names} already, so it stays. To "
            "image otherwise, ask for another round of imaging."
        )
    run = processing_reads.active_run_of(imaging_request)
    if run is not None:
        raise NotReady(f"{imaging_request.sample}: {run} is at work. Cancel it, or wait for it.")


def make_folders(imaging_request: ImagingRequest) -> None:
    """Make the folders for the imager's raw data. Safe to repeat; outside any transaction."""
    channels = selectors.channels_of(imaging_request)
    places = {(c.resolution_id, c.ventral_up): c for c in channels}
    for channel in places.values():
        folder = channel.resolution.raw_folder(ventral_up=channel.ventral_up)
        try:
            make_folder(folder)
        except Rejected as error:
            raise NotReady(
                f"{error}. Ask who looks after the storage, then press Make the folders."
            ) from error
