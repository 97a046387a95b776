"""What an imaging request delivered, as the plain values that pipelines are built from."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from core_app.errors import NotReady
from imaging_app import raw_data, selectors
from imaging_app.models import DeliveryWaiver, ImagingChannel, ImagingRequest, RawDelivery
from imaging_app.models.imaging import resolution_folder
from imaging_app.selectors import FolderKey
from pipeline.orientation import axes_of
from processing_app.pipelines import Channel, Delivery
from processing_app.pipelines.parts import Size


def deliveries_of(imaging_request: ImagingRequest) -> list[Delivery]:
    """Return the raw folders that were entered, with their channels. Raises NotReady for a gap."""
    groups = selectors.channels_by_folder(imaging_request)
    waivers: dict[FolderKey, list[str]] = defaultdict(list)
    for waiver in DeliveryWaiver.objects.filter(resolution__imaging_request=imaging_request):
        waivers[_place(waiver)].append(waiver.key)
    found = RawDelivery.objects.filter(resolution__imaging_request=imaging_request)
    verdicts = {_place(delivery): delivery for delivery in found}
    return [
        _delivery(key, channels, sorted(waivers[key]), verdicts.get(key))
        for key, channels in groups.items()
    ]


def _place(row: RawDelivery | DeliveryWaiver) -> FolderKey:
    return row.resolution_id, row.ventral_up, row.subfolder


def _delivery(
    place: FolderKey,
    channels: Sequence[ImagingChannel],
    waived: Collection[str],
    verdict: RawDelivery | None,
) -> Delivery:
    first = channels[0]
    objective = first.resolution.objective
    _require_planes(channels)
    return Delivery(
        resolution=resolution_folder(objective.name, ventral_up=first.ventral_up),
        subfolder=first.raw_subfolder,
        layout=objective.microscope.layout,
        channels=tuple(
            _channel(row, index, raw_data.accepted_gaps(row, verdict, waived))
            for index, row in enumerate(channels)
        ),
        place=place,
        expected=tuple(raw_data.expected_values(channels)),
        waived=tuple(waived),
        manifest_digest=verdict.manifest_digest if verdict else "",
        plane_yx=_plane_yx(verdict),
    )


def _plane_yx(verdict: RawDelivery | None) -> Size | None:
    """Return the size of the planes that the check found; None if they differ, or none is known."""
    shape = verdict.report.get("plane_shape") if verdict else None
    return (int(shape[0]), int(shape[1])) if shape else None


def _require_planes(channels: Sequence[ImagingChannel]) -> None:
    for row in channels:
        if row.z_planes is None:
            raise NotReady(f"{row} has no number of planes. Enter it on the imaging page.")


def _channel(row: ImagingChannel, index: int, absent: dict[str, tuple[int, ...]]) -> Channel:
    return Channel(
        id=row.pk,
        name=row.wavelength.name,
        color=row.wavelength.color,
        filter_index=raw_data.file_index(row, index),
        left=row.left_sheet,
        right=row.right_sheet,
        columns=row.tile_columns,
        rows=row.tile_rows,
        planes=row.z_planes or 0,
        voxel_um=row.voxel_um,
        absent=absent,
        overlap=row.tile_overlap,
        purposes=frozenset(row.purposes),
        axes=axes_of(row.orientation, ventral_up=row.ventral_up),
    )
