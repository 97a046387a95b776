"""Use cases that begin with imaging and reach further: completing and skipping a sample."""

from django.db import transaction

from core_app.bell import ring
from core_app.errors import DomainError, NotReady, Rejected
from core_app.models import User
from core_app.storage import make_folder
from imaging_app.models import ImagingBatch, ImagingRequest
from imaging_app.services import deliveries, imaging
from processing_app.models import Run
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
