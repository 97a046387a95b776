"""A facility's own pipelines as data: its scripts become the steps of a run. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from processing_app.pipelines import (
    Channel,
    Delivery,
    Json,
    PlannedStep,
    dashed,
    key_of,
    manifest_of,
    raw_folder,
)

STEP: Final = "script"


@dataclass(frozen=True, slots=True)
class Script:
    """One script as it was set up. `by_channel`: one task for each channel of a raw folder."""

    key: str
    label: str
    command: tuple[str, ...]
    by_channel: bool
    values: Mapping[str, Json]
    cpus: int
    memory_mb: int
    minutes: int


def site_steps(
    pipeline: str,
    version: str,
    scripts: Sequence[Script],
    imaging_folder: str,
    deliveries: Sequence[Delivery],
) -> list[PlannedStep]:
    """Return the steps: for each raw folder all scripts in order, each after the one before it."""
    taken: set[str] = set()
    steps: list[PlannedStep] = []
    for delivery, place in _placed(deliveries):
        before: PlannedStep | None = None
        for script in scripts:
            key = key_of(f"{script.key}-{delivery.subfolder}{place}", taken)
            folder = f"{imaging_folder}/output/site/{pipeline}/{delivery.resolution}/{key}"
            before = _step(script, version, imaging_folder, delivery, key, folder, before)
            steps.append(before)
    return steps


def _placed(deliveries: Sequence[Delivery]) -> Iterator[tuple[Delivery, str]]:
    """Return the raw folders, each with what tells its keys from those of other objectives."""
    several = len({delivery.resolution for delivery in deliveries}) > 1
    for delivery in deliveries:
        yield delivery, dashed(delivery.resolution.removeprefix("resolution_")) if several else ""


def _step(
    script: Script,
    version: str,
    imaging_folder: str,
    delivery: Delivery,
    key: str,
    folder: str,
    before: PlannedStep | None,
) -> PlannedStep:
    inputs: dict[str, Json] = {
        "folder": raw_folder(imaging_folder, delivery),
        "layout": delivery.layout,
        "channels": _channels(delivery),
    }
    if delivery.manifest_digest:
        inputs["manifest"] = manifest_of(imaging_folder, delivery)
        inputs["manifest_digest"] = delivery.manifest_digest
    if before is not None:
        inputs["before"] = before.outputs["folder"]
    return PlannedStep(
        key=key,
        name=STEP,
        label=f"{script.label}: {delivery.subfolder}",
        inputs=inputs,
        parameters={
            "command": list(script.command),
            "unit": "channel" if script.by_channel else "sample",
            "values": dict(script.values),
            "version": version,
        },
        outputs={"folder": folder},
        needs=(before.key,) if before else (),
        place=delivery.place,
        tasks=len(delivery.channels) if script.by_channel else 0,
        resources={
            "cpus": script.cpus, "memory_mb": script.memory_mb, "minutes": script.minutes,
        },
    )  # fmt: skip


def _channels(delivery: Delivery) -> list[Json]:
    names: set[str] = set()
    return [_channel(channel, _once(channel.name, names)) for channel in delivery.channels]


def _channel(channel: Channel, name: str) -> dict[str, Json]:
    sides: list[Json] = list(channel.sides)
    return {
        "name": name,
        "filter_index": channel.filter_index,
        "voxel_um": list(channel.voxel_um),
        "sides": sides,
        "planes": channel.planes,
        "columns": channel.columns,
        "rows": channel.rows,
    }


def _once(wanted: str, taken: set[str]) -> str:
    """Return a name that a folder can carry, as none before it; file systems may fold case."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", wanted)
    candidates = (name if number == 1 else f"{name}-{number}" for number in count(1))
    free = next(name for name in candidates if name.casefold() not in taken)
    taken.add(free.casefold())
    return free
