"""Use cases that begin with imaging and reach further: completing and skipping a sample."""

from django.db import transaction

from core_app.bell import ring
from core_app.errors import DomainError, NotAllowed, NotReady, Rejected, StaleState
from core_app.models import User
from core_app.storage import make_folder
from imaging_app import selectors as imaging_reads
from imaging_app.edits import ChangeObjective, Edit, RemoveChannel
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.selectors import batches as batch_reads
from imaging_app.services import deliveries, edits, imaging
from imaging_app.services.batches import Outcome, named
from imaging_app.services.guards import hold_all
from imaging_app.states import OVER
from processing_app import selectors as processing_reads
from processing_app.models import Run
from processing_app.services import requests as processing
from processing_app.services import runs
from requests_app.workflows import close_if_finished

DRIVE = "processing_app.tasks.drive_runs"


def complete_imaging(imaging_request: ImagingRequest, *, by: User) -> Run | None:
    """Check the delivery once more, finish the sample, start what its raw data goes through.

    Returns the run, or None where no pipeline of this installation takes such data.
    """
    found = deliveries.check_delivery(imaging_request, by=by)
    wrong = [delivery for delivery in found if not delivery.is_right]
    if wrong:
        count = sum(len(delivery.problems) for delivery in wrong)
        raise NotReady(
            f"The raw data is not right yet: {count} problem{'s' if count > 1 else ''}, "
            "listed below."
        )
    with transaction.atomic():
        imaging.finish(imaging_request, by=by)
        run = runs.start_raw_run(imaging_request, by=by)
        ring(DRIVE)
    return run


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
        imaging.skip(imaging_request, by=by, reason=reason)
        close_if_finished(imaging_request.sample.request)


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
    if not imaging_reads.may_image(batch, by):
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
    done = edits.carry_out(imaging_request, edit, by=by, seen=seen)
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
    rows = imaging_request.resolutions.select_related(
        "objective", "imaging_request__sample__request__owner"
    )
    for folder in (resolution.raw_folder(ventral_up=False) for resolution in rows):
        try:
            make_folder(folder)
        except Rejected as error:
            raise NotReady(
                f"{error}. Ask who looks after the storage, then press Make the folders."
            ) from error
