"""What is made of raw data by itself, and what looks at it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from processing_app import choices
from processing_app.choices import Chosen
from processing_app.pipelines.parts import (
    MERGED_SHEETS,
    Channel,
    Delivery,
    Json,
    PlannedStep,
    dashed,
    key_of,
    manifest_of,
    placed,
    raw_folder,
)

RAW: Final = "raw"
CHECK: Final = "check"
VERIFY: Final = "verify"
# Runs that look at what the microscope wrote, before and after it is processed; they make nothing.
OF_DELIVERIES: Final = frozenset({CHECK, VERIFY})


def raw_steps(
    imaging_folder: str, deliveries: Sequence[Delivery], chosen: Chosen | None = None
) -> list[PlannedStep]:
    """Return the steps of the raw pipeline: check each folder, then a volume per channel and sheet.

    Tiled channels are checked only, since nobody wants to look at them before they are stitched;
    layouts that the steps cannot read are left out.
    """
    compression = choices.completed(RAW, chosen)[choices.COMPRESSION.key]
    taken: set[str] = set()
    steps = []
    for delivery, place in placed(deliveries):
        key = key_of(f"inspect-{delivery.subfolder}{place}", taken)
        inspect = _inspect(imaging_folder, delivery, key, on_problem="fail")
        steps.append(inspect)
        for channel, side in _volumes(delivery):
            key = key_of(f"precompute-{channel.name}{dashed(side)}{place}", taken)
            volume = _precompute(imaging_folder, delivery, channel, side, key, inspect.key)
            volume.parameters["compression"] = compression
            steps.append(volume)
    return steps


def check_steps(
    imaging_folder: str, deliveries: Sequence[Delivery], chosen: Chosen | None = None
) -> list[PlannedStep]:
    """Return one step per raw folder that says what it holds and what is wrong with it."""
    taken: set[str] = set()
    return [
        _inspect(
            imaging_folder,
            delivery,
            key_of(f"inspect-{delivery.subfolder}{place}", taken),
            on_problem="report",
        )
        for delivery, place in placed(deliveries)
    ]


def verify_steps(
    imaging_folder: str, deliveries: Sequence[Delivery], chosen: Chosen | None = None
) -> list[PlannedStep]:
    """Return one step per raw folder that reads every file again and compares it with the list."""
    taken: set[str] = set()
    return [
        _verify(imaging_folder, delivery, key_of(f"verify-{delivery.subfolder}{place}", taken))
        for delivery, place in placed(deliveries)
        if delivery.manifest_digest
    ]


def _volumes(delivery: Delivery) -> Iterator[tuple[Channel, str]]:
    """Return the volumes of a folder: one per sheet, or one for both where they come merged."""
    for channel in delivery.channels:
        if not channel.is_tiled:
            for side in ("",) if delivery.layout in MERGED_SHEETS else channel.sides:
                yield channel, side


def _inspect(imaging_folder: str, delivery: Delivery, key: str, *, on_problem: str) -> PlannedStep:
    inputs: dict[str, Json] = {"folder": raw_folder(imaging_folder, delivery)}
    if on_problem == "fail" and delivery.manifest_digest:
        inputs["manifest_digest"] = delivery.manifest_digest  # of what was judged, nothing else
    return PlannedStep(
        key=key,
        name="inspect_raw",
        label=f"Check the raw data in {delivery.subfolder}",
        inputs=inputs,
        parameters={
            "channels": list(delivery.expected),
            "layout": delivery.layout,
            "waived": list(delivery.waived),
            "on_problem": on_problem,
        },
        outputs={"manifest": manifest_of(imaging_folder, delivery)},
        place=delivery.place,
    )


def _verify(imaging_folder: str, delivery: Delivery, key: str) -> PlannedStep:
    return PlannedStep(
        key=key,
        name="verify_raw",
        label=f"Read the raw data in {delivery.subfolder} again",
        inputs={
            "folder": raw_folder(imaging_folder, delivery),
            "layout": delivery.layout,
            "manifest": manifest_of(imaging_folder, delivery),
            "manifest_digest": delivery.manifest_digest,
        },
        parameters={"on_problem": "report"},
        outputs={},
        place=delivery.place,
    )


def _precompute(
    imaging_folder: str, delivery: Delivery, channel: Channel, side: str, key: str, needs: str
) -> PlannedStep:
    folder = f"{imaging_folder}/viz/{delivery.resolution}/raw"
    sheet = f", {side} light sheet" if side else ""
    inputs: dict[str, Json] = {
        "folder": raw_folder(imaging_folder, delivery),
        "layout": delivery.layout,
        "channel_index": channel.filter_index,
        "sheet_code": channel.sheet_code(side),
        "planes": channel.planes,
    }
    if absent := channel.absent.get(side):
        inputs["absent"] = list(absent)
    if delivery.manifest_digest:
        inputs["manifest"] = manifest_of(imaging_folder, delivery)
        inputs["manifest_digest"] = delivery.manifest_digest
    return PlannedStep(
        key=key,
        name="precompute",
        label=f"Make the volume of {channel.name} nm{sheet} for viewing",
        needs=(needs,),
        inputs=inputs,
        parameters={
            "voxel_um": list(channel.voxel_um),
            "channel": channel.name,
            "color": channel.color,
        },
        outputs={"volume": f"{folder}/channel_{channel.name}{f'_{side}' if side else ''}"},
        product={"kind": "raw", "channel": channel.id, "side": side},
    )
