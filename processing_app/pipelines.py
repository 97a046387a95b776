"""Pipelines as data: which steps a run has, built from plain values. Pure."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

RAW: Final = "raw"
RAW_LAYOUT: Final = "lavision"
COMPRESSION: Final = "gzip"
LONGEST_KEY: Final = 64

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Channel:
    """One delivered channel. `filter_index` is its number in the file names of its folder."""

    id: int
    name: str
    color: str
    filter_index: int
    left: bool
    right: bool
    columns: int
    rows: int
    planes: int
    voxel_um: tuple[float, float, float]

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(side for side, used in (("left", self.left), ("right", self.right)) if used)

    @property
    def is_tiled(self) -> bool:
        return self.columns * self.rows > 1

    def sheet_code(self, side: str) -> int:
        """Return the sheet's number in file names: one used alone is C00, whichever it is."""
        return 1 if side == "right" and self.left else 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One raw folder and its channels. `resolution` is the folder name of objective and side."""

    resolution: str
    subfolder: str
    layout: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step as it will be stored: what goes in, what comes out, after which other steps."""

    key: str
    name: str
    label: str
    inputs: dict[str, Json]
    parameters: dict[str, Json]
    outputs: dict[str, str]
    needs: tuple[str, ...] = ()
    product: dict[str, Json] = field(default_factory=dict)


def raw_steps(imaging_folder: str, deliveries: Sequence[Delivery]) -> list[PlannedStep]:
    """Return the steps of the raw pipeline: check each folder, then a volume per channel and sheet.

    Tiled channels are checked only, since nobody wants to look at them before they are stitched;
    layouts that the steps cannot read are left out.
    """
    readable = [delivery for delivery in deliveries if delivery.layout == RAW_LAYOUT]
    several = len({delivery.resolution for delivery in readable}) > 1
    taken: set[str] = set()
    steps = []
    for delivery in readable:
        place = f"-{delivery.resolution.removeprefix('resolution_')}" if several else ""
        inspect = _inspect(
            imaging_folder, delivery, _key(f"inspect-{delivery.subfolder}{place}", taken)
        )
        steps.append(inspect)
        for channel, side in _volumes(delivery):
            key = _key(f"precompute-{channel.name}-{side}{place}", taken)
            steps.append(_precompute(imaging_folder, delivery, channel, side, key, inspect.key))
    return steps


def _volumes(delivery: Delivery) -> Iterator[tuple[Channel, str]]:
    for channel in delivery.channels:
        if not channel.is_tiled:
            for side in channel.sides:
                yield channel, side


def _key(wanted: str, taken: set[str]) -> str:
    """Return a key that a job name, a folder and a unique column can carry; databases fold case."""
    key = re.sub(r"[^A-Za-z0-9._-]", "_", wanted)
    if key != wanted or len(key) > LONGEST_KEY or key.casefold() in taken:
        digest = hashlib.blake2s(wanted.encode(), digest_size=4).hexdigest()
        key = f"{key[: LONGEST_KEY - 9]}-{digest}"
    taken.add(key.casefold())
    return key


def _raw_folder(imaging_folder: str, delivery: Delivery) -> str:
    return f"{imaging_folder}/rawdata/{delivery.resolution}/{delivery.subfolder}"


def _inspect(imaging_folder: str, delivery: Delivery, key: str) -> PlannedStep:
    manifest = f"{imaging_folder}/output/manifests/{delivery.resolution}/{delivery.subfolder}.jsonl"
    return PlannedStep(
        key=key,
        name="inspect_raw",
        label=f"Check the raw data in {delivery.subfolder}",
        inputs={"folder": _raw_folder(imaging_folder, delivery)},
        parameters={
            "channels": [_expected(channel) for channel in delivery.channels],
            "layout": delivery.layout,
        },
        outputs={"manifest": manifest},
    )


def _expected(channel: Channel) -> dict[str, Json]:
    return {
        "name": channel.name,
        "filter_index": channel.filter_index,
        "left": channel.left,
        "right": channel.right,
        "columns": channel.columns,
        "rows": channel.rows,
        "planes": channel.planes,
        "z_step_um": None,
        "overlap": None,
        "pixel_um": None,
    }


def _precompute(
    imaging_folder: str, delivery: Delivery, channel: Channel, side: str, key: str, needs: str
) -> PlannedStep:
    folder = f"{imaging_folder}/viz/{delivery.resolution}/raw"
    return PlannedStep(
        key=key,
        name="precompute",
        label=f"Make the volume of {channel.name} nm, {side} light sheet, for viewing",
        needs=(needs,),
        inputs={
            "folder": _raw_folder(imaging_folder, delivery),
            "layout": delivery.layout,
            "channel_index": channel.filter_index,
            "sheet_code": channel.sheet_code(side),
            "planes": channel.planes,
        },
        parameters={
            "voxel_um": list(channel.voxel_um),
            "compression": COMPRESSION,
            "channel": channel.name,
            "color": channel.color,
        },
        outputs={"volume": f"{folder}/channel_{channel.name}_{side}"},
        product={"kind": "raw", "channel": channel.id, "side": side},
    )
