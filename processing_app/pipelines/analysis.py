"""From a stack of planes per channel to what is asked of it: registered, counted, judged. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.orientation import turn
from processing_app.choices import REGISTRATION as REGISTRATION_CHOICE
from processing_app.pipelines.parts import Channel, Json, PlannedStep
from processing_app.pipelines.plan import Plan, Reference, Stack, Wish

# Registration works on voxels somewhat finer than those of the atlas.
FINER = 1.3
# Without an atlas the small volume has voxels of this size, µm.
USUAL_VOXEL_UM = 20.0
# Of a cell, µm; and in pixels where these are so large that nothing smaller is seen.
CELL_UM, LEAST_CELL_PIXELS = 16.0, 3
REGISTRATION = "registration"
CELLS = "cell_detection"


@dataclass(frozen=True, slots=True)
class Small:
    """How the small volumes of one place lie: voxel size (x, y, z) along their own axes."""

    voxel_um: tuple[float, float, float]
    axes: tuple[str, str, str]

    def asked_of(self, channel: Channel) -> dict[str, Json]:
        """Return it as `blend_sheets` and `downsize` take it."""
        return {
            "voxel_um": list(self.voxel_um),
            "axes": list(channel.axes),
            "to_axes": list(self.axes),
        }


def small_volumes(wish: Wish, *, registers: bool) -> Small:
    """Return how small volumes lie: as the atlas does, if there is anything to register."""
    if wish.reference is None or not registers:
        return Small((USUAL_VOXEL_UM,) * 3, wish.axes)
    x, y, z = (round(um / FINER, 4) for um in wish.reference.voxel_um)
    return Small((x, y, z), wish.reference.axes)


def registers(channels: Sequence[Channel], wish: Wish) -> bool:
    """Return True if one of the channels is that of the registration, and there is an atlas."""
    return wish.reference is not None and any(REGISTRATION in one.purposes for one in channels)


def analyse(
    plan: Plan, resolution: str, stacks: Sequence[Stack], wish: Wish, *, placements: Sequence[str]
) -> None:
    """Plan everything that follows from the stacks of one place."""
    small = small_volumes(wish, registers=registers([one.channel for one in stacks], wish))
    stacks = [one if one.downsized else _downsized(plan, resolution, one, small) for one in stacks]
    for stack in stacks:
        plan.add_volume(
            "downsized", resolution, stack, layout="volume", source=stack.downsized,
            voxel_um=small.voxel_um, axes=small.axes,
        )  # fmt: skip
    cells = [_cells(plan, resolution, one) for one in stacks if CELLS in one.channel.purposes]
    if wish.reference is not None:
        template = next((one for one in stacks if REGISTRATION in one.channel.purposes), None)
        if template is not None:
            _register(plan, resolution, stacks, template, wish.reference, small, cells)
    _assess(plan, resolution, stacks, placements)


def _downsized(plan: Plan, resolution: str, stack: Stack, small: Small) -> Stack:
    channel = stack.channel
    volume = f"{plan.output(resolution)}/{stack.subfolder}_resized_{stack.code}.tif"
    step = plan.add(
        f"downsize-{channel.name}",
        resolution,
        name="downsize",
        label=f"Make {channel.name} nm small",
        needs=stack.needs,
        inputs={"folder": stack.folder},
        parameters={
            "voxel_um": list(channel.voxel_um),
            "to_voxel_um": list(small.voxel_um),
            "axes": list(channel.axes),
            "to_axes": list(small.axes),
        },
        outputs={"volume": volume},
        plane_yx=stack.plane_yx,
    )
    return replace(stack, key=step.key, downsized=volume)


def _cells(plan: Plan, resolution: str, stack: Stack) -> tuple[Stack, PlannedStep]:
    channel = stack.channel
    step = plan.add(
        f"cells-{channel.name}",
        resolution,
        name="detect_cells",
        label=f"Find the cells of {channel.name} nm",
        needs=stack.needs,
        inputs={"folder": stack.folder},
        parameters={
            "voxel_um": list(channel.voxel_um),
            "diameter_um": max(CELL_UM, LEAST_CELL_PIXELS * channel.voxel_um[0]),
            "channel": channel.name,
            "color": channel.color,
        },
        outputs={"cells": plan.view("cells", resolution, channel)},
        product={"kind": "cells", "channel": channel.id, "side": "", "output": "cells"},
        plane_yx=stack.plane_yx,
    )
    return stack, step


def _register(
    plan: Plan,
    resolution: str,
    stacks: Sequence[Stack],
    template: Stack,
    reference: Reference,
    small: Small,
    cells: Sequence[tuple[Stack, PlannedStep]],
) -> None:
    """Register the registration channel, and bring the others and the labels through it."""
    output = plan.output(resolution)
    sizes: dict[str, Json] = {
        "voxel_um": list(small.voxel_um),
        "template_voxel_um": list(reference.voxel_um),
        "settings": plan.chosen[REGISTRATION_CHOICE.key],
    }
    both: dict[str, Json] = {"volume": template.downsized, "template": reference.template}
    channel = template.channel
    there = plan.add(
        "register",
        resolution,
        name="register",
        label=f"Register {channel.name} nm with {reference.name}",
        needs=template.needs,
        inputs=both,
        parameters=sizes,
        outputs={"folder": f"{output}/elastix"},
        artifact={"kind": "registration", "channel": channel.id, "output": "folder"},
        plane_yx=template.plane_yx,
    )
    _registered(plan, resolution, template, there, "result.1.tif", reference)
    for stack in stacks:
        if stack is not template:
            _bring_along(plan, resolution, stack, template, there, reference, sizes)
    back = plan.add(
        "register-back",
        resolution,
        name="register_back",
        label=f"Register {reference.name} with {channel.name} nm",
        needs=template.needs,
        inputs=both,
        parameters=sizes,
        outputs={"folder": f"{output}/elastix_inverse_transform/atlas2reg"},
        plane_yx=template.plane_yx,
    )
    _labels(plan, resolution, stacks, template, back, reference, small, cells)


def _registered(
    plan: Plan,
    resolution: str,
    stack: Stack,
    made: PlannedStep,
    file: str,
    reference: Reference,
) -> None:
    plan.add_volume(
        "registered", resolution, stack, layout="volume", source=f"{made.outputs['folder']}/{file}",
        voxel_um=reference.voxel_um, axes=reference.axes, needs=(made.key,),
    )  # fmt: skip


def _bring_along(
    plan: Plan,
    resolution: str,
    stack: Stack,
    template: Stack,
    there: PlannedStep,
    reference: Reference,
    sizes: dict[str, Json],
) -> None:
    name = f"{stack.subfolder}_resized_{stack.code}"
    inputs: dict[str, Json] = {
        "volume": stack.downsized,
        "registration": there.outputs["folder"],
        "reference": template.downsized,
    }
    moved = plan.add(
        f"transform-{stack.channel.name}",
        resolution,
        name="transform",
        label=f"Bring {stack.channel.name} nm to {reference.name}",
        needs=(there.key, *stack.needs),
        inputs=inputs,
        parameters=sizes,
        outputs={"folder": f"{there.outputs['folder']}/{name}"},
        plane_yx=stack.plane_yx,
    )
    _registered(plan, resolution, stack, moved, "result.tif", reference)


def _labels(
    plan: Plan,
    resolution: str,
    stacks: Sequence[Stack],
    template: Stack,
    back: PlannedStep,
    reference: Reference,
    small: Small,
    cells: Sequence[tuple[Stack, PlannedStep]],
) -> None:
    """Bring the regions of the atlas to the sample, as it was imaged, and count in them."""
    folder = f"{plan.output(resolution)}/raw_atlas/transformed_annotations"
    warped = plan.add(
        "labels",
        resolution,
        name="warp_labels",
        label=f"Bring the regions of {reference.name} to the sample",
        needs=(back.key,),
        inputs={
            "annotation": reference.annotation,
            "back": back.outputs["folder"],
            "volume": template.downsized,
        },
        parameters={
            "annotation_voxel_um": list(reference.voxel_um),
            "voxel_um": list(small.voxel_um),
            "axes": list(small.axes),
        },
        outputs={"labels": f"{folder}/result.tif"},
        plane_yx=template.plane_yx,
    )
    _viewable_labels(plan, resolution, template, warped, reference, small)
    _regions(plan, resolution, stacks, template, warped, reference, small, cells)


def _viewable_labels(
    plan: Plan,
    resolution: str,
    template: Stack,
    warped: PlannedStep,
    reference: Reference,
    small: Small,
) -> None:
    channel = template.channel
    plan.add(
        "view-labels",
        resolution,
        name="precompute_labels",
        label=f"Make the regions of {reference.name} viewable on the sample",
        needs=(warped.key, *template.needs),
        inputs={
            "labels": warped.outputs["labels"],
            "tree": reference.tree,
            "like": template.folder,
        },
        parameters={
            "voxel_um": list(small.voxel_um),
            "onto": {
                "voxel_um": list(channel.voxel_um),
                "axes": list(channel.axes),
                "from_axes": list(small.axes),
            },
        },
        outputs={"volume": plan.view("raw_atlas", resolution, channel)},
        product={"kind": "raw_atlas", "channel": channel.id, "side": ""},
        plane_yx=template.plane_yx,
    )


def _regions(
    plan: Plan,
    resolution: str,
    stacks: Sequence[Stack],
    template: Stack,
    warped: PlannedStep,
    reference: Reference,
    small: Small,
    cells: Sequence[tuple[Stack, PlannedStep]],
) -> None:
    labels, channel = warped.outputs["labels"], template.channel
    small_ones = [key for stack in stacks for key in stack.needs]
    plan.add(
        "regions",
        resolution,
        name="count_regions",
        label="Measure the regions",
        needs=(warped.key, *small_ones, *(step.key for _, step in cells)),
        inputs={
            "labels": labels,
            "hemispheres": f"{labels.rpartition('/')[0]}/hemispheres.tif",
            "tree": reference.tree,
            "volumes": [{"channel": one.channel.name, "volume": one.downsized} for one in stacks],
            "cells": [
                {"channel": one.channel.name, "folder": step.outputs["cells"]}
                for one, step in cells
            ],
        },
        parameters={
            "voxel_um": list(small.voxel_um),
            "axes": list(small.axes),
            "cells_axes": list(channel.axes),
        },
        outputs={"table": f"{plan.output(resolution)}/regions"},
        artifact={"kind": "regions", "channel": channel.id, "output": "table"},
        plane_yx=template.plane_yx,
    )


def _assess(
    plan: Plan, resolution: str, stacks: Sequence[Stack], placements: Sequence[str]
) -> None:
    """Plan the quality sheet. It waits for the stacks alone: a failed registration has one too."""
    inputs: dict[str, Json] = {
        "channels": [{"channel": one.channel.name, "folder": one.folder} for one in stacks],
    }
    if placements:
        inputs["placements"] = list(placements)
    plan.add(
        "assess",
        resolution,
        name="assess",
        label="Judge the quality of the images",
        needs=[key for one in stacks for key in one.needs],
        inputs=inputs,
        parameters={"voxel_um": list(stacks[0].channel.voxel_um)},
        outputs={"sheet": f"{plan.output(resolution)}/quality"},
        artifact={"kind": "quality", "channel": stacks[0].channel.id, "output": "sheet"},
        plane_yx=stacks[0].plane_yx,
    )


def small_grid(channel: Channel, shape_xyz: tuple[int, int, int], small: Small) -> tuple[int, ...]:
    """Return the voxels (x, y, z) of the small volume of a channel with so many voxels."""
    sizes = turn(channel.axes, small.axes).of_xyz(
        [count * um for count, um in zip(shape_xyz, channel.voxel_um, strict=True)]
    )
    return tuple(-int(-size // um) for size, um in zip(sizes, small.voxel_um, strict=True))
