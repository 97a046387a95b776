"""From tiles and light sheets to one stack of planes per channel. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from processing_app.pipelines.parts import (
    MERGED_SHEETS,
    Channel,
    Delivery,
    Json,
    PlannedStep,
    Size,
    manifest_of,
    raw_folder,
)
from processing_app.pipelines.plan import Plan, Stack


def lavision_stacks(
    plan: Plan, delivery: Delivery, downsized: Mapping[int, dict[str, Json]]
) -> list[Stack]:
    """Stitch where there are tiles, blend the light sheets, and say where the planes lie.

    `downsized` says for each channel (by id) how its small volume is to lie.
    """
    placed = _place(plan, delivery, _to_align(delivery)) if _is_tiled(delivery) else None
    return [
        _blended(plan, delivery, channel, placed, downsized.get(channel.id))
        for channel in delivery.channels
    ]


def smartspim_stacks(plan: Plan, deliveries: Sequence[Delivery]) -> list[Stack]:
    """Stitch the channels of one scan: one channel is aligned, the others follow it.

    A folder is one channel; channels that were scanned otherwise are aligned on their own.
    """
    found = []
    for leader, group in _aligned_together(deliveries):
        placed = _place(plan, leader, leader.channels[0])
        found += [_stitched(plan, one, one.channels[0], placed) for one in group]
    return found


def smartspim_placements(plan: Plan, deliveries: Sequence[Delivery]) -> list[str]:
    """Return where it is written how the tiles of a scan lie, after they were stitched."""
    return [_placements_file(plan, leader) for leader, _ in _aligned_together(deliveries)]


def _aligned_together(
    deliveries: Sequence[Delivery],
) -> list[tuple[Delivery, list[Delivery]]]:
    """Return the channels that were scanned alike, longest wavelength first, with that one."""
    tiled = [delivery for delivery in deliveries if _is_tiled(delivery)]
    groups: dict[tuple[int, int, int], list[Delivery]] = {}
    for delivery in sorted(tiled, key=lambda each: -_wavelength(each.channels[0])):
        channel = delivery.channels[0]
        groups.setdefault((channel.columns, channel.rows, channel.planes), []).append(delivery)
    return [(group[0], group) for group in groups.values()]


def stitched_folder(plan: Plan, delivery: Delivery) -> str:
    """Return where the merged planes of a SmartSPIM channel lie."""
    return f"{raw_folder(plan.folder, delivery)}_stitched"


def full_size(plan: Plan, delivery: Delivery) -> str:
    """Return the folder of the stacks of full size that a round makes of one place."""
    return f"{plan.output(delivery.resolution)}/full_sizedatafld"


def merged_yx(delivery: Delivery, channel: Channel) -> Size | None:
    """Return the size of the planes after stitching at the most: tiles side by side."""
    if delivery.plane_yx is None:
        return None
    height, width = delivery.plane_yx
    return height * channel.rows, width * channel.columns


def _is_tiled(delivery: Delivery) -> bool:
    return any(channel.is_tiled for channel in delivery.channels)


def _to_align(delivery: Delivery) -> Channel:
    """Return the channel whose tiles are placed: that of the registration, else the first."""
    tiled = [one for one in delivery.channels if one.is_tiled]
    registered = [one for one in tiled if "registration" in one.purposes]
    return (registered or tiled)[0]


def _wavelength(channel: Channel) -> int:
    return int(channel.name) if channel.name.isdigit() else 0


def _tiles(plan: Plan, delivery: Delivery, channel: Channel) -> dict[str, Json]:
    """Return what a step that reads tiles has to know of them."""
    inputs: dict[str, Json] = {
        "folder": raw_folder(plan.folder, delivery),
        "layout": delivery.layout,
        "columns": channel.columns,
        "rows": channel.rows,
        "planes": channel.planes,
        "channel_index": channel.filter_index,
    }
    return {**inputs, **_manifest(plan, delivery)}


def _manifest(plan: Plan, delivery: Delivery) -> dict[str, Json]:
    if not delivery.manifest_digest:
        return {}
    return {
        "manifest": manifest_of(plan.folder, delivery),
        "manifest_digest": delivery.manifest_digest,
    }


def _sheet_codes(channel: Channel, delivery: Delivery) -> list[Json]:
    if delivery.layout in MERGED_SHEETS:
        return [0]
    return [channel.sheet_code(side) for side in channel.sides]


def _absent(channel: Channel, side: str) -> dict[str, Json]:
    gaps = channel.absent.get(side)
    return {"absent": list(gaps)} if gaps else {}


def _place(plan: Plan, delivery: Delivery, channel: Channel) -> PlannedStep:
    return plan.add(
        f"place-{delivery.subfolder}",
        delivery.resolution,
        name="place_tiles",
        label=f"Find where the {channel.columns} × {channel.rows} tiles of {channel.name} nm lie",
        inputs={**_tiles(plan, delivery, channel), "sheet_codes": _sheet_codes(channel, delivery)},
        parameters={"voxel_um": list(channel.voxel_um), "overlap": channel.overlap},
        outputs={"placements": _placements_file(plan, delivery)},
        artifact={"kind": "placements", "channel": channel.id, "output": "placements"},
        plane_yx=delivery.plane_yx,
    )


def _placements_file(plan: Plan, delivery: Delivery) -> str:
    if delivery.layout in MERGED_SHEETS:
        return f"{raw_folder(plan.folder, delivery)}_stitching/placements.json"
    return f"{_stitching(plan, delivery)}/placements.json"


def _stitching(plan: Plan, delivery: Delivery) -> str:
    return f"{plan.output(delivery.resolution)}/stitching/{delivery.subfolder}"


def _merge(
    plan: Plan, delivery: Delivery, channel: Channel, side: str, planes: str, placed: PlannedStep
) -> PlannedStep:
    sheet = f", {side} light sheet" if side else ""
    code = channel.sheet_code(side) if side else 0
    inputs = {**_tiles(plan, delivery, channel), "sheet_code": code, **_absent(channel, side)}
    return plan.add(
        f"merge-{channel.name}{f'-{side}' if side else ''}",
        delivery.resolution,
        name="merge_tiles",
        planes=channel.planes,
        label=f"Merge the tiles of {channel.name} nm{sheet}",
        needs=(placed.key,),
        inputs={**inputs, "placements": placed.outputs["placements"]},
        parameters={
            "voxel_um": list(channel.voxel_um),
            "name": f"{delivery.subfolder}_C{channel.filter_index:02d}",
        },
        outputs={"planes": planes},
        plane_yx=delivery.plane_yx,
    )


def _stitched(plan: Plan, delivery: Delivery, channel: Channel, placed: PlannedStep) -> Stack:
    folder = stitched_folder(plan, delivery)
    merged = _merge(plan, delivery, channel, "", folder, placed)
    stack = Stack(
        channel, delivery.subfolder, folder, merged.key, plane_yx=merged_yx(delivery, channel)
    )
    plan.add_volume("stitched", delivery.resolution, stack)
    return stack


def _blended(
    plan: Plan,
    delivery: Delivery,
    channel: Channel,
    placed: PlannedStep | None,
    downsized: dict[str, Json] | None,
) -> Stack:
    sheets: list[Json] = []
    needs: list[str] = []
    for side in channel.sides:
        if placed is None or not channel.is_tiled:
            sheets.append(_raw_sheet(plan, delivery, channel, side))
            continue
        merged = _merged_sheet(plan, delivery, channel, side, placed)
        sheets.append({"side": side, "folder": merged.folder, "layout": "planes"})
        needs += merged.needs
    stack = _place_of_stack(plan, delivery, channel, small=downsized is not None)
    parameters: dict[str, Json] = {
        "voxel_um": list(channel.voxel_um),
        "name": f"{delivery.subfolder}_C{channel.filter_index:02d}",
    }
    outputs = {"planes": stack.folder}
    if downsized is not None:
        parameters["downsized"] = downsized
        outputs["downsized"] = stack.downsized
    step = plan.add(
        f"blend-{channel.name}",
        delivery.resolution,
        name="blend_sheets",
        planes=channel.planes,
        label=f"Blend the light sheets of {channel.name} nm",
        needs=needs,
        inputs={"sheets": sheets},
        parameters=parameters,
        outputs=outputs,
        plane_yx=stack.plane_yx,
    )
    made = replace(stack, key=step.key)
    plan.add_volume("blended", delivery.resolution, made)
    return made


def _place_of_stack(plan: Plan, delivery: Delivery, channel: Channel, *, small: bool) -> Stack:
    """Return where the original's tools look for the planes and for the small volume."""
    name, code = delivery.subfolder, f"ch{channel.filter_index:02d}"
    return Stack(
        channel,
        delivery.subfolder,
        f"{full_size(plan, delivery)}/{name}_{code}",
        "",
        f"{plan.output(delivery.resolution)}/{name}_resized_{code}.tif" if small else "",
        merged_yx(delivery, channel),
    )


def _raw_sheet(plan: Plan, delivery: Delivery, channel: Channel, side: str) -> dict[str, Json]:
    return {
        "side": side,
        "folder": raw_folder(plan.folder, delivery),
        "layout": delivery.layout,
        "planes": channel.planes,
        "channel_index": channel.filter_index,
        "sheet_code": channel.sheet_code(side),
        **_absent(channel, side),
        **_manifest(plan, delivery),
    }


def _merged_sheet(
    plan: Plan, delivery: Delivery, channel: Channel, side: str, placed: PlannedStep
) -> Stack:
    code = f"ch{channel.filter_index:02d}"
    # Not in the raw folder, where the original put it: that is never written to.
    name = f"{delivery.subfolder}_{code}_{side}_lightsheet_ts_out"
    folder = f"{_stitching(plan, delivery)}/{name}"
    merged = _merge(plan, delivery, channel, side, folder, placed)
    stack = Stack(channel, delivery.subfolder, folder, merged.key)
    plan.add_volume("stitched", delivery.resolution, stack, side=side)
    return stack
