"""What an imaging request delivered, as the plain values that pipelines are built from."""

from collections.abc import Sequence
from itertools import groupby

from core_app.errors import NotReady
from imaging_app.models import ImagingChannel, ImagingRequest
from imaging_app.models.imaging import resolution_folder
from processing_app.pipelines import Channel, Delivery


def deliveries_of(imaging_request: ImagingRequest) -> list[Delivery]:
    """Return the raw folders that were entered, with their channels. Raises NotReady for a gap."""
    rows = ImagingChannel.objects.filter(resolution__imaging_request=imaging_request)
    rows = rows.exclude(raw_subfolder="").select_related(
        "wavelength", "resolution__objective__microscope", "resolution__imaging_request"
    )
    order = ("resolution_id", "ventral_up", "raw_subfolder", "wavelength__position")
    groups = groupby(rows.order_by(*order), key=_folder_key)
    return [_delivery(list(channels)) for _, channels in groups]


def _folder_key(channel: ImagingChannel) -> tuple[int, bool, str]:
    return channel.resolution_id, channel.ventral_up, channel.raw_subfolder


def _delivery(channels: Sequence[ImagingChannel]) -> Delivery:
    first = channels[0]
    objective = first.resolution.objective
    return Delivery(
        resolution=resolution_folder(objective.name, ventral_up=first.ventral_up),
        subfolder=first.raw_subfolder,
        layout=objective.microscope.layout,
        channels=tuple(_channel(row, position) for position, row in enumerate(channels)),
    )


def _channel(row: ImagingChannel, position: int) -> Channel:
    """Channels that share a folder are numbered in their order, unless the imager gave a number."""
    if row.z_planes is None:
        raise NotReady(f"{row} has no number of planes. Enter it on the imaging page.")
    return Channel(
        id=row.pk,
        name=row.wavelength.name,
        color=row.wavelength.color,
        filter_index=position if row.filter_index is None else row.filter_index,
        left=row.left_sheet,
        right=row.right_sheet,
        columns=row.tile_columns,
        rows=row.tile_rows,
        planes=row.z_planes,
        voxel_um=row.voxel_um,
    )
