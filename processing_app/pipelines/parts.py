"""What pipelines are built from and of: channels, raw folders, planned steps, and their names."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.orientation import HORIZONTAL, Axes

READABLE: Final = frozenset({"lavision", "smartspim"})
# Layouts in which the microscope has merged its light sheets already.
MERGED_SHEETS: Final = frozenset({"smartspim"})
LONGEST_KEY: Final = 64

Size = tuple[int, int]  # (y, x)
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
    # Of a tile that the next one shows again.
    overlap: float = 0.0
    purposes: frozenset[str] = frozenset()
    axes: Axes = HORIZONTAL

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
    row that the check writes: resolution id, ventral up, folder. `plane_yx` is the size of its
    planes, where the check found one.
    """

    resolution: str
    subfolder: str
    layout: str
    channels: tuple[Channel, ...]
    place: tuple[int, bool, str] | None = None
    expected: tuple[Json, ...] = ()
    waived: tuple[str, ...] = ()
    manifest_digest: str = ""
    plane_yx: Size | None = None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step as it will be stored: what goes in, what comes out, after which other steps.

    `place` is the raw folder that it looks at: resolution id, ventral up, name. `tasks` is the
    number of equal parts that are run apart (0: one whole), `resources` what it asks for, if it
    says anything: cpus, memory_mb, minutes. `product` tells what can be looked at in a viewer
    (kind, channel, side, and the name of the output), `artifact` what else is kept in the books
    (kind, channel, and the name of the output). `plane_yx` is the size of the planes that it reads,
    at the most, as far as it is known: its memory follows from it.
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
    tasks: int = 0
    resources: dict[str, Json] = field(default_factory=dict)
    artifact: dict[str, Json] = field(default_factory=dict)
    plane_yx: Size | None = None


def placed(deliveries: Sequence[Delivery]) -> Iterator[tuple[Delivery, str]]:
    """Return what can be read, each with what tells its keys from those of other objectives."""
    readable = [delivery for delivery in deliveries if delivery.layout in READABLE]
    several = len({delivery.resolution for delivery in readable}) > 1
    for delivery in readable:
        yield delivery, dashed(delivery.resolution.removeprefix("resolution_")) if several else ""


def dashed(text: str) -> str:
    """Return the text as the end of a key."""
    return f"-{text}" if text else ""


def key_of(wanted: str, taken: set[str]) -> str:
    """Return a key that a job name, a folder and a unique column can carry; databases fold case."""
    key = re.sub(r"[^A-Za-z0-9._-]", "_", wanted)
    if key != wanted or len(key) > LONGEST_KEY or key.casefold() in taken:
        digest = hashlib.blake2s(wanted.encode(), digest_size=4).hexdigest()
        key = f"{key[: LONGEST_KEY - 9]}-{digest}"
    taken.add(key.casefold())
    return key


def raw_folder(imaging_folder: str, delivery: Delivery) -> str:
    """Return where the microscope wrote."""
    return f"{imaging_folder}/rawdata/{delivery.resolution}/{delivery.subfolder}"


def manifest_of(imaging_folder: str, delivery: Delivery) -> str:
    """Return where the list of the files of a raw folder lies, with their digests."""
    return f"{imaging_folder}/output/manifests/{delivery.resolution}/{delivery.subfolder}.jsonl"
