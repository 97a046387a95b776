"""Write what a look at the raw data said."""

from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.errors import NotReady, StaleState
from core_app.models import User
from core_app.transitions import record
from imaging_app import raw_data, selectors
from imaging_app.models import ImagingChannel, ImagingRequest, Microscope, RawDelivery
from imaging_app.services.guards import hold_open, require
from pipeline.raw.check import DeliveryReport


def check_delivery(imaging_request: ImagingRequest, *, by: User) -> list[RawDelivery]:
    """Compare every raw folder of the sample with what was entered; store each verdict.

    Nothing on disk changes. The disk is read outside any transaction.
    """
    require(
        selectors.can_edit(imaging_request, by), "Only who images this sample checks its delivery."
    )
    groups = selectors.channels_by_folder(imaging_request)
    if not groups:
        raise NotReady("Enter the parameters and the raw folder of each channel first.")
    _require_checkable(groups.values())
    reports = {key: _look(group) for key, group in groups.items()}
    with transaction.atomic():
        hold_open(imaging_request)
        if _expectations(selectors.channels_by_folder(imaging_request)) != _expectations(groups):
            raise StaleState("The parameters were changed during the check; check again.")
        deliveries = [_store(key, report, by) for key, report in reports.items()]
        problems = sum(len(d.problems) for d in deliveries)
        record(
            imaging_request,
            "delivery checked",
            by=by,
            note=f"{problems} problems" if problems else "right",
        )
    return deliveries


def _expectations(
    groups: Mapping[selectors.FolderKey, Sequence[ImagingChannel]],
) -> dict[selectors.FolderKey, object]:
    return {key: raw_data.expected_of(channels) for key, channels in groups.items()}


def _require_checkable(groups: Iterable[Sequence[ImagingChannel]]) -> None:
    """Refuse to judge by the rules of another microscope."""
    for channels in groups:
        microscope = channels[0].resolution.objective.microscope
        if microscope.layout != Microscope.Layout.LAVISION:
            raise NotReady(
                f"This site has no rules yet for the raw data of the {microscope}, so it is "
                "neither right nor wrong. Nothing was changed: leave the data where it is, the "
                "sample stays open until it can be checked."
            )


def _look(channels: Sequence[ImagingChannel]) -> DeliveryReport:
    return raw_data.check_folder(settings.DATA_ROOT, channels[0].raw_folder, channels)


def _store(key: tuple[int, bool, str], report: DeliveryReport, by: User) -> RawDelivery:
    as_json = raw_data.as_stored(report)
    delivery, _ = RawDelivery.objects.update_or_create(
        resolution_id=key[0],
        ventral_up=key[1],
        subfolder=key[2],
        defaults={
            "checked_at": timezone.now(),
            "checked_by": by,
            "is_right": report.ok,
            "problems": as_json["problems"],
            "report": as_json,
        },
    )
    return delivery
