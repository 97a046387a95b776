"""Pipelines as data: which steps a run has, built from plain values. Pure."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

RAW: Final = "raw"
CHECK: Final = "check"
VERIFY: Final = "verify"
# Runs that look at what the microscope wrote, before and after it is processed; they make nothing.
OF_DELIVERIES: Final = frozenset({CHECK, VERIFY})
READABLE: Final = frozenset({"lavision", "smartspim"})
# Layouts in which the microscope has merged its light sheets already.
MERGED_SHEETS: Final = frozenset({"smartspim"})
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
    # Planes that somebody accepted as missing, by light sheet.
    absent: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

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
    """One raw folder and its channels. `resolution` is the folder name of objective and side.

    `expected` is what the check compares the folder with, `waived` the keys of problems that
    somebody accepted, `manifest_digest` that of the list of files which was right. `place` is the
    row that the check writes: resolution id, ventral up, folder.
    """

    resolution: str
    subfolder: str
    layout: str
    channels: tuple[Channel, ...]
    place: tuple[int, bool, str] | None = None
    expected: tuple[Json, ...] = ()
    waived: tuple[str, ...] = ()
    manifest_digest: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step as it will be stored: what goes in, what comes out, after which other steps.

    `place` is the raw folder that it looks at: resolution id, ventral up, name.
    """

    key: str
    name: str
    label: str
    inputs: dict[str, Json]
    parameters: dict[str, Json]
    outputs: dict[str, str]
    needs: tuple[str, ...] = ()
    product: dict[str, Json] = field(default_factory=dict)
    place: tuple[int, bool, str] | None = None


def raw_steps(imaging_folder: str, deliveries: Sequence[Delivery]) -> list[PlannedStep]:
    """Return the steps of the raw pipeline: check each folder, then a volume per channel and sheet.

    Tiled channels are checked only, since nobody wants to look at them before they are stitched;
    layouts that the steps cannot read are left out.
    """
    taken: set[str] = set()
    steps = []
    for delivery, place in _placed(deliveries):
        key = _key(f"inspect-{delivery.subfolder}{place}", taken)
        inspect = _inspect(imaging_folder, delivery, key, on_problem="fail")
        steps.append(inspect)
        for channel, side in _volumes(delivery):
            key = _key(f"precompute-{channel.name}{_dashed(side)}{place}", taken)
            steps.append(_precompute(imaging_folder, delivery, channel, side, key, inspect.key))
    return steps


def check_steps(imaging_folder: str, deliveries: Sequence[Delivery]) -> list[PlannedStep]:
    """Return one step per raw folder that says what it holds and what is wrong with it."""
    taken: set[str] = set()
    return [
        _inspect(
            imaging_folder,
            delivery,
            _key(f"inspect-{delivery.subfolder}{place}", taken),
            on_problem="report",
        )
        for delivery, place in _placed(deliveries)
    ]


def verify_steps(imaging_folder: str, deliveries: Sequence[Delivery]) -> list[PlannedStep]:
    """Return one step per raw folder that reads every file again and compares it with the list."""
    taken: set[str] = set()
    return [
        _verify(imaging_folder, delivery, _key(f"verify-{delivery.subfolder}{place}", taken))
        for delivery, place in _placed(deliveries)
        if delivery.manifest_digest
    ]


Planner = Callable[[str, Sequence[Delivery]], list[PlannedStep]]
PLANNERS: Final[Mapping[str, Planner]] = {
    RAW: raw_steps,
    CHECK: check_steps,
    VERIFY: verify_steps,
}
# What begins by itself when a sample is imaged; a pipeline of later steps is one name more.
BY_ITSELF: Final = (RAW,)


def _placed(deliveries: Sequence[Delivery]) -> Iterator[tuple[Delivery, str]]:
    """Return what can be read, each with what tells its keys from those of other objectives."""
    readable = [delivery for delivery in deliveries if delivery.layout in READABLE]
    several = len({delivery.resolution for delivery in readable}) > 1
    for delivery in readable:
        yield delivery, _dashed(delivery.resolution.removeprefix("resolution_")) if several else ""


def _dashed(text: str) -> str:
    return f"-{text}" if text else ""


def _volumes(delivery: Delivery) -> Iterator[tuple[Channel, str]]:
    """Return the volumes of a folder: one per sheet, or one for both where they come merged."""
    for channel in delivery.channels:
        if not channel.is_tiled:
            for side in ("",) if delivery.layout in MERGED_SHEETS else channel.sides:
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


def manifest_of(imaging_folder: str, delivery: Delivery) -> str:
    """Return where the list of the files of a raw folder lies, with their digests."""
    return f"{imaging_folder}/output/manifests/{delivery.resolution}/{delivery.subfolder}.jsonl"


def _inspect(imaging_folder: str, delivery: Delivery, key: str, *, on_problem: str) -> PlannedStep:
    inputs: dict[str, Json] = {"folder": _raw_folder(imaging_folder, delivery)}
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
            "folder": _raw_folder(imaging_folder, delivery),
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
        "folder": _raw_folder(imaging_folder, delivery),
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
            "compression": COMPRESSION,
            "channel": channel.name,
            "color": channel.color,
        },
        outputs={"volume": f"{folder}/channel_{channel.name}{f'_{side}' if side else ''}"},
        product={"kind": "raw", "channel": channel.id, "side": side},
    )
