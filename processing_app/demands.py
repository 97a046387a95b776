"""Pure: what a job asks of its cluster, and what it asks for when that was not enough."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Final

from processing_app.cluster.ports import Resources

MEMORY: Final = "memory_mb"
TIME: Final = "minutes"
# Where no most is known, nothing grows beyond so many times what was asked at first.
GROWTH_WITHOUT_LIMIT: Final = 4
GROWTH: Final = 2


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked for; 0 says nothing."""

    cpus: int = 0
    memory_mb: int = 0
    minutes: int = 0

    def over(self, other: "Needs") -> "Needs":
        """Return these, and the other's where these say nothing."""
        return Needs(
            cpus=self.cpus or other.cpus,
            memory_mb=self.memory_mb or other.memory_mb,
            minutes=self.minutes or other.minutes,
        )

    @classmethod
    def of(cls, values: Mapping[str, object]) -> "Needs":
        """Read stored values; whatever is no whole number says nothing."""
        numbers = {name: values.get(name) for name in ("cpus", "memory_mb", "minutes")}
        return cls(**{k: v for k, v in numbers.items() if isinstance(v, int) and v > 0})


# A brain of 2 × 300 GB at usual speed, with room to spare.
OF_STEPS: Final[Mapping[str, Needs]] = {
    "assess": Needs(cpus=4, memory_mb=4_000, minutes=120),
    "blend_sheets": Needs(cpus=4, memory_mb=8_000, minutes=480),
    "correct": Needs(cpus=4, memory_mb=16_000, minutes=1_440),
    "count_regions": Needs(cpus=2, memory_mb=8_000, minutes=120),
    "detect_cells": Needs(cpus=4, memory_mb=16_000, minutes=720),
    "downsize": Needs(cpus=4, memory_mb=8_000, minutes=240),
    "export_zarr": Needs(cpus=4, memory_mb=4_000, minutes=480),
    "inspect_raw": Needs(cpus=2, memory_mb=4_000, minutes=240),
    "merge_tiles": Needs(cpus=4, memory_mb=16_000, minutes=1_440),
    "place_tiles": Needs(cpus=2, memory_mb=8_000, minutes=720),
    "verify_raw": Needs(cpus=2, memory_mb=4_000, minutes=720),
    "precompute": Needs(cpus=4, memory_mb=8_000, minutes=480),
    "precompute_labels": Needs(cpus=4, memory_mb=8_000, minutes=240),
    "register": Needs(cpus=4, memory_mb=16_000, minutes=480),
    "register_back": Needs(cpus=4, memory_mb=16_000, minutes=480),
    "transform": Needs(cpus=2, memory_mb=16_000, minutes=120),
    "warp_labels": Needs(cpus=2, memory_mb=16_000, minutes=120),
}
# What is told beforehand is the step's own; a job has a shell and a wrapper beside it, and memory
# that an allocator keeps.
MARGIN: Final = 1.25
BESIDE_MB: Final = 256
OF_OTHERS: Final = Needs(cpus=1, memory_mb=4_000, minutes=240)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where on a cluster a job goes, and the most it may have; 0 is no limit known."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    options: tuple[str, ...] = ()
    usual: Needs = Needs()
    most: Needs = Needs()


def resources_for(wanted: Needs, frame: Frame) -> Resources:
    """Return what is asked for, within what the frame allows."""
    return Resources(
        cpus=_within(max(wanted.cpus, 1), frame.most.cpus),
        memory_mb=_within(wanted.memory_mb, frame.most.memory_mb),
        minutes=_within(wanted.minutes, frame.most.minutes),
        partition=frame.partition,
        account=frame.account,
        qos=frame.qos,
        options=frame.options,
    )


def grown(asked: int, *, first: int, most: int) -> int:
    """Return the next larger amount after `asked`, or 0 if there is none.

    `first` is what was asked at the beginning, `most` the limit; 0 is no limit known.
    """
    if not asked:
        return 0
    limit = most or first * GROWTH_WITHOUT_LIMIT
    wanted = min(asked * GROWTH, limit)
    return wanted if wanted > asked else 0


def memory_for(peak_bytes: int) -> int:
    """Return the MB to ask for, where a step takes so many bytes at its peak."""
    return BESIDE_MB * ceil((peak_bytes * MARGIN / 2**20 + BESIDE_MB) / BESIDE_MB)


def with_more(resources: Resources, name: str, amount: int) -> Resources:
    """Return the same with another amount of memory or time."""
    if name == MEMORY:
        return replace(resources, memory_mb=amount)
    return replace(resources, minutes=amount)


def stored(resources: Resources) -> dict[str, object]:
    """Return resources as an attempt's row holds them."""
    return {**asdict(resources), "options": list(resources.options)}


def read(values: Mapping[str, object]) -> Resources:
    """Return resources from an attempt's row; an old row says nothing but one core."""
    needs = Needs.of(values)
    options = values.get("options")
    return Resources(
        cpus=max(needs.cpus, 1),
        memory_mb=needs.memory_mb,
        minutes=needs.minutes,
        partition=str(values.get("partition") or ""),
        account=str(values.get("account") or ""),
        qos=str(values.get("qos") or ""),
        options=tuple(map(str, options)) if isinstance(options, list) else (),
    )


def _within(wanted: int, most: int) -> int:
    return min(wanted, most) if most else wanted
