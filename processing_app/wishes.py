"""What is wanted of processing, as the plain values that pipelines are built from."""

from core_app.errors import NotReady
from imaging_app.models import ImagingChannel, ImagingRequest
from imaging_app.models.imaging import resolution_folder
from pipeline.orientation import axes_of
from processing_app.models import (
    Atlas,
    ChannelCorrection,
    ProcessingRequest,
    ProcessingResolution,
)
from processing_app.pipelines import Correction, Corrections, Reference, Wanted, Wish


def wanted_of(processing_request: ProcessingRequest) -> Wanted:
    """Return what one round of processing wants of each objective and side.

    Raises NotReady if a brain is to be registered with an atlas that is not installed.
    """
    rows = processing_request.resolutions.select_related("resolution__objective", "atlas")
    return Wanted(
        processing_request.number,
        {
            resolution_folder(row.resolution.objective.name, ventral_up=row.ventral_up): _wish(row)
            for row in rows
        },
    )


def atlases_of(processing_request: ProcessingRequest | None) -> list[Atlas]:
    """Return the atlases with which a round of processing registers, each once."""
    if processing_request is None:
        return []
    rows = processing_request.resolutions.exclude(atlas=None).select_related("atlas")
    return list(dict.fromkeys(row.atlas for row in rows if row.atlas and _registers(row)))


def checksums_of(processing_request: ProcessingRequest | None) -> dict[str, str]:
    """Return which files each atlas of a round has now, by its name; runs keep it."""
    return {atlas.name: atlas.checksum for atlas in atlases_of(processing_request)}


def corrections_of(imaging_request: ImagingRequest) -> Corrections:
    """Return how each channel of a round of imaging is corrected, where somebody entered it."""
    rows = ChannelCorrection.objects.filter(channel__resolution__imaging_request=imaging_request)
    return Corrections({row.channel_id: _correction(row) for row in rows})


def _wish(row: ProcessingResolution) -> Wish:
    reference = _reference(row.atlas) if row.atlas is not None and _registers(row) else None
    return Wish(reference, axes_of(row.final_orientation))


def _registers(row: ProcessingResolution) -> bool:
    channels = ImagingChannel.objects.filter(resolution=row.resolution_id)
    return channels.filter(ventral_up=row.ventral_up, registration=True).exists()


def _reference(atlas: Atlas) -> Reference:
    if not atlas.is_installed:
        raise NotReady(
            f"The atlas {atlas} is not installed here. Choose another, or ask an operator to "
            "install it with `manage.py import_atlas`."
        )
    return Reference(
        atlas.name, atlas.template_path, atlas.annotation_path, atlas.structure_tree_path,
        atlas.voxel_um, atlas.directions,
    )  # fmt: skip


def _correction(row: ChannelCorrection) -> Correction:
    return Correction(row.flat_from, row.flat_name, (row.sigma_foreground, row.sigma_background))
