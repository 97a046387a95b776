"""Targets 3 and 4: blending, flat field and stripes, against reading and writing planes."""

from __future__ import annotations

import statistics
import sys
from functools import partial
from typing import TYPE_CHECKING, cast

from bench import measure
from bench.measure import Cost, Rounds, median_ratio
from bench.planes import write_planes
from bench.rows import Row, judged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHAPES = {"full": (16, 2048, 2048), "small": (6, 256, 320)}
_ROUNDS = {"full": 4, "small": 1}
_MEGABYTE = 1e6
_JOBS = {
    "copy_both": "2",
    "blend": "2",
    "copy": "2",
    "correct": "2",
    "correct_1": "1",
}


def rows(size: str) -> Iterator[Row]:
    """Measure all of it; `small` only shows that it works."""
    shape = SHAPES[size]
    data = measure.WORK / f"plane_steps_{size}"
    write_planes(data, shape=shape)
    write_planes(data.with_name(f"{data.name}_right"), shape=shape, seed=2)
    costs = measure.in_turns(
        [(name, partial(_job, name, data, threads)) for name, threads in _JOBS.items()],
        rounds=_ROUNDS[size],
    )
    yield judged(
        "3 blending two sheets and downsizing: time against reading and writing the same bytes",
        value=_cost(costs["blend"]),
        reference=_cost(costs["copy_both"]),
        ratio=median_ratio(_walls(costs["blend"]), _walls(costs["copy_both"])),
        comparison="<=",
        limit=1.5,
    )
    yield from _filter_rows(_job("destripe", data, "1"))
    yield _as_a_whole(costs)
    yield judged(
        "4 flat field and stripes, the step: times faster with two threads than with one",
        value=_cost(costs["correct"]),
        reference=_cost(costs["correct_1"]),
        ratio=median_ratio(_walls(costs["correct_1"]), _walls(costs["correct"])),
        comparison=">=",
        limit=1.7,
    )


def _job(name: str, data: Path, threads: str) -> Cost:
    """Run a job of bench.plane_steps_job in a fresh process."""
    job = name.removesuffix("_1")
    out = data.parent / f"out_{name}"
    command = [sys.executable, "-m", "bench.plane_steps_job", job]
    return measure.run_command(command, out=out, data=data, name=name, more=[threads])


def _filter_rows(cost: Cost) -> Iterator[Row]:
    size = cast("int", cost.outputs["bytes"]) / _MEGABYTE
    for sigma, found in cost.outputs.items():
        if sigma == "bytes":
            continue
        times = cast("dict[str, list[float]]", found)
        ours, theirs = (statistics.median(times[who]) for who in ("ours", "theirs"))
        yield judged(
            f"4 flat field and stripes, sigma {sigma}: times less CPU than the textbook's filter",
            value=f"{size / ours:.0f} MB/s",
            reference=f"{size / theirs:.0f} MB/s",
            ratio=median_ratio(times["theirs"], times["ours"]),
            comparison=">=",
            limit=4,
        )


def _as_a_whole(costs: Rounds) -> Row:
    return judged(
        "4 flat field and stripes, the step: time against reading and writing the same bytes",
        value=_cost(costs["correct"]),
        reference=_cost(costs["copy"]),
        ratio=median_ratio(_walls(costs["correct"]), _walls(costs["copy"])),
        comparison="<=",
        limit=2,
    )


def _walls(costs: list[Cost]) -> list[float]:
    return [cost.wall for cost in costs]


def _cost(costs: list[Cost]) -> str:
    wall = statistics.median(_walls(costs))
    cpu = statistics.median([cost.cpu for cost in costs])
    return f"{wall:.2f} s, {cpu:.2f} CPU s (n={len(costs)})"
