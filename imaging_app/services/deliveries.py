"""Write what a look at the raw data said, and what of it was accepted."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core_app.errors import Invalid, NotReady, StaleState
from core_app.models import User
from core_app.transitions import record
from imaging_app import raw_data, selectors
from imaging_app.models import (
    DeliveryWaiver,
    ImagingRequest,
    ImagingResolution,
    RawDelivery,
)
from imaging_app.selectors import FolderKey
from imaging_app.services.guards import hold_open, require, require_reason
from imaging_app.states import ImagingState

LONGEST_REASON = 512


def require_checkable(imaging_request: ImagingRequest, *, by: User) -> None:
    """Refuse a check by the wrong person, of values that are not there, or outside the storage."""
    require(
        selectors.can_edit(imaging_request, by), "Only who images this sample checks its delivery."
    )
    groups = selectors.channels_by_folder(imaging_request)
    if not groups:
        raise NotReady("Enter the parameters and the raw folder of each channel first.")
    for channels in groups.values():
        raw_data.expected_of(channels)
        channels[0].raw_folder.real_under(settings.DATA_ROOT)


def store_check(
    imaging_request: ImagingRequest, key: FolderKey, outputs: dict[str, Any],
    *, expected: Sequence[object], by: User | None,
) -> RawDelivery | None:  # fmt: skip
    """Keep what a check of one raw folder found. The caller holds the transaction.

    Returns None where it is of no use any more: the sample is not being imaged, or what the folder
    was compared with was changed meanwhile.
    """
    held = ImagingRequest.objects.select_for_update().get(pk=imaging_request.pk)
    channels = selectors.channels_by_folder(held).get(key)
    if held.state != ImagingState.IN_PROGRESS or channels is None:
        return None
    if raw_data.expected_values(channels) != list(expected):
        return None
    delivery = _stored(key, outputs, expected, by)
    left = problems_left(delivery)
    note = f"{delivery.subfolder}: {_count(len(left))}" if left else f"{delivery.subfolder}: right"
    record(held, "delivery checked", by=by, note=note)
    return delivery


def _stored(
    key: FolderKey, outputs: dict[str, Any], expected: Sequence[object], by: User | None
) -> RawDelivery:
    report: dict[str, Any] = outputs["report"]
    delivery, _ = RawDelivery.objects.update_or_create(
        resolution_id=key[0], ventral_up=key[1], subfolder=key[2],
        defaults={
            "checked_at": timezone.now(),
            "checked_by": by,
            "is_right": False,
            "expected": list(expected),
            "problems": report["problems"],
            "report": report,
            "manifest": outputs.get("manifest") or "",
            "manifest_digest": outputs.get("manifest_digest") or "",
            "files": outputs.get("files") or report["files"],
            "bytes": report["bytes"],
            "verified_at": None,
            "verification": [],
        },
    )  # fmt: skip
    _judge(delivery)
    _note_times(delivery)
    return delivery


def _judge(delivery: RawDelivery) -> None:
    """A delivery is right when nothing is wrong with it that nobody accepted."""
    is_right = not problems_left(delivery)
    RawDelivery.objects.filter(pk=delivery.pk).update(is_right=is_right)
    delivery.is_right = is_right


def problems_left(delivery: RawDelivery) -> list[dict[str, Any]]:
    """Return the problems of the last check that nobody has accepted, or nobody may accept now."""
    accepted = set(_waivers(delivery).values_list("key", flat=True))
    return [
        problem
        for problem in delivery.problems
        if not problem.get("waivable") or problem.get("key") not in accepted
    ]


def _waivers(delivery: RawDelivery) -> Any:
    return DeliveryWaiver.objects.filter(
        resolution=delivery.resolution_id,
        ventral_up=delivery.ventral_up,
        subfolder=delivery.subfolder,
    )


def _note_times(delivery: RawDelivery) -> None:
    """The files say when the microscope wrote them; what somebody typed stands."""
    report = delivery.report
    first, last = raw_data.moment(report.get("first_at")), raw_data.moment(report.get("last_at"))
    if first is None or last is None:
        return
    rows = ImagingResolution.objects.filter(pk=delivery.resolution_id)
    rows = rows.filter(acquisition_started_at=None, acquisition_ended_at=None)
    rows.update(acquisition_started_at=first, acquisition_ended_at=last)


def accept(delivery: RawDelivery, key: str, *, by: User, reason: str) -> None:
    """Let one problem of a delivery stand, with the reason; twice is once."""
    imaging_request = delivery.resolution.imaging_request
    require(
        selectors.can_edit(imaging_request, by), "Only who images this sample accepts a problem."
    )
    require_reason(reason, "Say why this may stay as it is; whoever uses the data will read it.")
    if len(reason.strip()) > LONGEST_REASON:
        raise Invalid(
            f"The reason has {len(reason.strip())} characters; at most {LONGEST_REASON} fit.",
            fields={"reason": ["Shorten it."]},
        )
    with transaction.atomic():
        hold_open(imaging_request)
        delivery = _held(delivery)
        problem = next((p for p in delivery.problems if p.get("key") == key), None)
        if problem is None:
            raise StaleState("The folder was checked again meanwhile; look at the list below.")
        if not problem.get("waivable"):
            raise NotReady(f"This cannot stay as it is. {problem['remedy']}")
        _, is_new = DeliveryWaiver.objects.get_or_create(
            resolution_id=delivery.resolution_id, ventral_up=delivery.ventral_up,
            subfolder=delivery.subfolder, key=key,
            defaults={"what": problem["what"], "reason": reason.strip(), "by": by},
        )  # fmt: skip
        _judge(delivery)
        if is_new:
            note = f"{problem['what']} {reason.strip()}"
            record(imaging_request, "problem accepted", by=by, note=note)


def take_back(waiver: DeliveryWaiver, *, by: User) -> None:
    """A problem that was accepted counts again."""
    imaging_request = waiver.resolution.imaging_request
    require(selectors.can_edit(imaging_request, by), "Only who images this sample takes this back.")
    with transaction.atomic():
        hold_open(imaging_request)
        deleted, _ = DeliveryWaiver.objects.filter(pk=waiver.pk).delete()
        delivery = selectors.delivery_at(
            (waiver.resolution_id, waiver.ventral_up, waiver.subfolder)
        )
        if delivery is not None:
            _judge(_held(delivery))
        if deleted:
            record(imaging_request, "acceptance taken back", by=by, note=waiver.what)


def store_verification(
    imaging_request: ImagingRequest, key: FolderKey, outputs: dict[str, Any],
    *, manifest_digest: str, by: User | None,
) -> RawDelivery | None:  # fmt: skip
    """Keep what a second reading found. The caller holds the transaction.

    Returns None where the folder was checked afresh meanwhile: then it was read anyway.
    """
    delivery = RawDelivery.objects.select_for_update().filter(
        resolution_id=key[0], ventral_up=key[1], subfolder=key[2], manifest_digest=manifest_digest
    ).first()  # fmt: skip
    if delivery is None:
        return None
    problems = outputs["problems"]
    delivery.verified_at, delivery.verification = timezone.now(), problems
    delivery.save(update_fields=["verified_at", "verification"])
    words = _count(len(problems)) if problems else "as it was"
    record(imaging_request, "raw data read again", by=by, note=f"{delivery.subfolder}: {words}")
    return delivery


def _held(delivery: RawDelivery) -> RawDelivery:
    rows = RawDelivery.objects.select_for_update().select_related("resolution__imaging_request")
    found = rows.filter(pk=delivery.pk).first()
    if found is None:
        raise StaleState("The parameters were changed meanwhile; check the delivery again.")
    return found


def _count(problems: int) -> str:
    return f"{problems} problem{'' if problems == 1 else 's'}"
