"""The log of imaging as a table for programs and spreadsheets: a line per channel."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from core_app.exports import csv_answer, xlsx_answer
from imaging_app.models import DeliveryWaiver, ImagingChannel
from imaging_app.selectors import log
from imaging_app.selectors.log import Line
from requests_app.models import Request

AT_ONCE = 200
HEADER = (
    "request", "owner", "lab", "species", "sample", "animal", "round", "clearing_batch",
    "imaging_batch", "protocol", "antibody1", "antibody2", "imaged_on", "imager", "microscope",
    "objective", "channel", "ventral_up", "purposes", "requested", "orientation",
    "tiles_columns_x_rows", "tile_overlap", "z_step_um", "z_planes", "left_sheet", "right_sheet",
    "zoom", "xy_pixel_um", "numerical_aperture", "acquisition_started", "acquisition_ended",
    "raw_folder", "filter_index", "files", "bytes", "delivery", "checked_at", "checked_by",
    "accepted", "manifest", "manifest_sha256", "notes_for_imager", "notes_from_imaging", "address",
)  # fmt: skip
Cell = object


def log_csv(rows: QuerySet[ImagingChannel], *, name: str) -> HttpResponseBase:
    """Send the lines as CSV, read while they are sent."""
    return csv_answer(f"{name}.csv", HEADER, cells_of(_read(rows)))


def log_xlsx(rows: QuerySet[ImagingChannel], *, name: str) -> HttpResponseBase:
    """Send the lines as a workbook."""
    return xlsx_answer(f"{name}.xlsx", HEADER, cells_of(_read(rows)), sheet="Imaging log")


def _read(rows: QuerySet[ImagingChannel]) -> Iterator[Line]:
    return log.lines_of(rows.iterator(chunk_size=AT_ONCE))


def cells_of(lines: Iterable[Line]) -> Iterator[Sequence[Cell]]:
    """Return the cells of each line, in the order of HEADER."""
    for line in lines:
        yield (*_of_sample(line), *_of_channel(line), *_of_delivery(line), *_of_notes(line))


def _of_sample(line: Line) -> Sequence[Cell]:
    found = line.imaging_request
    sample, batch = found.sample, found.batch
    request, clearing = sample.request, batch.clearing_batch
    return (
        request.name, request.owner.username, _lab_of(request),
        request.species.name if request.species else "", sample.name,
        sample.subject.name if sample.subject else "", found.number, clearing.number, batch.number,
        str(clearing.protocol), clearing.antibody1, clearing.antibody2, found.performed_on,
        batch.imager.username if batch.imager else "",
    )  # fmt: skip


def _of_channel(line: Line) -> Sequence[Cell]:
    channel, resolution = line.channel, line.channel.resolution
    return (
        resolution.objective.microscope.label, resolution.objective.name, channel.wavelength.name,
        _yes(channel.ventral_up), ", ".join(channel.purposes), _yes(channel.is_requested),
        channel.orientation, line.tiles, channel.tile_overlap, channel.z_step_um, channel.z_planes,
        _yes(channel.left_sheet), _yes(channel.right_sheet), channel.zoom,
        round(line.pixel_um, 5), line.numerical_aperture,
        _local(resolution.acquisition_started_at), _local(resolution.acquisition_ended_at),
        str(channel.raw_folder) if channel.raw_subfolder else "", channel.filter_index,
    )  # fmt: skip


def _of_delivery(line: Line) -> Sequence[Cell]:
    delivery, accepted = line.delivery, "; ".join(map(_accepted, line.waivers))
    if delivery is None:
        return (None, None, line.verdict, None, None, accepted, None, None)
    return (
        delivery.files, delivery.bytes, line.verdict, _local(delivery.checked_at),
        delivery.checked_by.username if delivery.checked_by else "", accepted, delivery.manifest,
        delivery.manifest_digest,
    )  # fmt: skip


def _of_notes(line: Line) -> Sequence[Cell]:
    found = line.imaging_request
    address = f"{settings.SITE_URL}{reverse('imaging:request-log', args=[found.pk])}"
    return (line.channel.resolution.notes_for_imager, found.notes_from_imaging, address)


def _accepted(waiver: DeliveryWaiver) -> str:
    return f"{waiver.what} (accepted by {waiver.by.username}: {waiver.reason})"


def _lab_of(request: Request) -> str:
    return request.lab.name if request.lab else request.lab_text


def _local(moment: datetime | None) -> str:
    return timezone.localtime(moment).isoformat(timespec="minutes") if moment else ""


def _yes(value: bool) -> str:  # noqa: FBT001  # a column of the row
    return "yes" if value else "no"
