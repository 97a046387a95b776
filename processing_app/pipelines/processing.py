"""The pipelines that process what was imaged, each as a plan of steps. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.orientation import SAGITTAL
from processing_app import choices
from processing_app.choices import Chosen
from processing_app.pipelines.analysis import analyse, registers, small_volumes
from processing_app.pipelines.parts import Channel, Delivery, Json, PlannedStep, raw_folder
from processing_app.pipelines.plan import Plan, Stack, Wanted, Wish, places
from processing_app.pipelines.stacks import (
    full_size,
    lavision_stacks,
    merged_yx,
    smartspim_placements,
    smartspim_stacks,
    stitched_folder,
)

# Light sheets blended, registered with an atlas, and all that follows.
LIGHTSHEET: Final = "lightsheet"
# Tiles of a SmartSPIM scan merged, as soon as it was imaged.
STITCHING: Final = "stitching"
# What was stitched, corrected by flat field and freed of stripes, and all that follows.
CORRECTION: Final = "correction"

_NOTHING_WANTED: Final = Wish(None, SAGITTAL)


@dataclass(frozen=True, slots=True)
class Correction:
    """How one channel is corrected: where its flat field comes from, and how wide stripes are.

    `flat_from` is file, estimated or none; `flat` the name of a file in the folder of the stitched
    planes; `sigma` the widths for foreground and background in pixels (0: stripes stay).
    """

    flat_from: str = "estimated"
    flat: str = ""
    sigma: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Corrections:
    """How each channel (by id) is corrected; one that nobody spoke of in the usual way."""

    by_channel: Mapping[int, Correction] = field(default_factory=dict)

    def of(self, channel: Channel) -> Correction:
        return self.by_channel.get(channel.id, Correction())


def lightsheet_steps(
    folder: str, deliveries: Sequence[Delivery], wanted: Wanted, chosen: Chosen | None = None
) -> list[PlannedStep]:
    """Return the steps for what a LaVision microscope delivered, place by place."""
    there = places([delivery for delivery in deliveries if delivery.layout == "lavision"])
    plan = _plan(folder, wanted.number, there, LIGHTSHEET, chosen)
    for resolution, group in there.items():
        wish = wanted.wishes.get(resolution)
        if wish is None:
            continue
        channels = [channel for delivery in group for channel in delivery.channels]
        small = small_volumes(wish, registers=registers(channels, wish))
        asked = {channel.id: small.asked_of(channel) for channel in channels}
        begun = len(plan.steps)
        stacks = [stack for delivery in group for stack in lavision_stacks(plan, delivery, asked)]
        analyse(plan, resolution, stacks, wish, placements=_placements(plan.steps[begun:]))
    return plan.steps


def stitching_steps(
    folder: str, deliveries: Sequence[Delivery], chosen: Chosen | None = None
) -> list[PlannedStep]:
    """Return the steps that merge the tiles of SmartSPIM scans; none where there are no tiles."""
    there = places([delivery for delivery in deliveries if delivery.layout == "smartspim"])
    plan = _plan(folder, 0, there, STITCHING, chosen)
    for group in there.values():
        smartspim_stacks(plan, group)
    return plan.steps


def correction_steps(
    folder: str,
    deliveries: Sequence[Delivery],
    wanted: Wanted,
    corrections: Corrections,
    chosen: Chosen | None = None,
) -> list[PlannedStep]:
    """Return the steps that correct stitched planes, register them, and all that follows."""
    there = places([delivery for delivery in deliveries if delivery.layout == "smartspim"])
    plan = _plan(folder, wanted.number, there, CORRECTION, chosen)
    for resolution, group in there.items():
        stacks = [
            _corrected(plan, delivery, channel, corrections.of(channel))
            for delivery in group
            for channel in delivery.channels
        ]
        wish = wanted.wishes.get(resolution, _NOTHING_WANTED)
        analyse(plan, resolution, stacks, wish, placements=smartspim_placements(plan, group))
    return plan.steps


def _plan(
    folder: str,
    number: int,
    there: Mapping[str, Sequence[Delivery]],
    pipeline: str,
    chosen: Chosen | None,
) -> Plan:
    return Plan(folder, choices.completed(pipeline, chosen), number, several=len(there) > 1)


def _placements(steps: Sequence[PlannedStep]) -> list[str]:
    return [step.outputs["placements"] for step in steps if "placements" in step.outputs]


def _corrected(plan: Plan, delivery: Delivery, channel: Channel, how: Correction) -> Stack:
    source = stitched_folder(plan, delivery) if channel.is_tiled else ""
    inputs: dict[str, Json] = {"folder": source or raw_folder(plan.folder, delivery)}
    if not source:
        inputs |= {"layout": delivery.layout, "planes": channel.planes}
    if how.flat_from == "file":
        inputs["flat"] = f"{inputs['folder']}/{how.flat}"
    step = plan.add(
        f"correct-{channel.name}",
        delivery.resolution,
        name="correct",
        planes=channel.planes,
        label=f"Correct {channel.name} nm",
        inputs=inputs,
        parameters={
            "name": f"{delivery.subfolder}_C{channel.filter_index:02d}",
            "flat_from": how.flat_from,
            "sigma": list(how.sigma),
        },
        # Of this round: another one may correct the same planes in another way.
        outputs={"planes": f"{full_size(plan, delivery)}/{delivery.subfolder}_corrected"},
        plane_yx=merged_yx(delivery, channel),
    )
    stack = Stack(
        channel, delivery.subfolder, step.outputs["planes"], step.key, plane_yx=step.plane_yx
    )
    plan.add_volume("corrected", delivery.resolution, stack)
    return stack
