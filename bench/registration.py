"""Target 6: registering an invented brain of 50 µm, against itk-elastix as it was published."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import tifffile

from bench import measure
from bench.measure import Cost, Unavailable, median_ratio
from bench.rows import Row, judged, missing
from pipeline.anatomy import BOX_MM
from tests.support import services
from tests.verify.bent import Map, invented_brain, mapped, positions_of, pulled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Voxel of both volumes in µm.
_UM: Final = {"full": 50.0, "small": 200.0}
_ROUNDS: Final = {"full": 2, "small": 1}
_LANDMARKS: Final = 500
_EFFORTS: Final = {"full": ("usual", "fast"), "small": ("fast",)}
_ERROR: Final = "6 registration of the half-size pair ({}): median error in voxels"
_TIME: Final = "6 registration of the half-size pair ({}): time against itk-elastix"


def rows(size: str) -> Iterator[Row]:
    """Measure both efforts; the reference is installed by the full size only."""
    if services.find("elastix") is None:
        yield missing(
            _ERROR.format("usual"), why="left out: elastix not installed", target="<= 0.6"
        )
        return
    data = measure.WORK / f"pair_{size}"
    there = _write_pair(data, _UM[size])
    jobs = [(effort, partial(_run_ours, effort, data)) for effort in _EFFORTS[size]]
    try:
        measure.require_itk(may_install=size == "full")
        jobs.append(("itk", partial(measure.run_itk_job, data)))
        why = ""
    except Unavailable as problem:
        why = str(problem)
    try:
        costs = measure.in_turns(jobs, rounds=_ROUNDS[size])
    except Unavailable as problem:
        # The reference is installed and breaks: ours has figures all the same.
        why = str(problem)
        costs = measure.in_turns(jobs[: len(_EFFORTS[size])], rounds=1)
    for effort in _EFFORTS[size]:
        error = _error(data, effort, there, _UM[size])
        yield judged(
            _ERROR.format(effort), value=f"{error:.2f} voxels", reference="the known map",
            ratio=error, comparison="<=", limit=0.6,
        )  # fmt: skip
        if why:
            yield missing(_TIME.format(effort), why=why, target="<= 1")
            continue
        yield judged(
            _TIME.format(effort), value=_cost(costs[effort]), reference=_cost(costs["itk"]),
            ratio=median_ratio(_walls(costs[effort]), _walls(costs["itk"])),
            comparison="<=", limit=1,
        )  # fmt: skip


def _write_pair(data: Path, um: float) -> np.ndarray:
    """Write template.tif and sample.tif (z, y, x); return where each voxel of a sample is from."""
    x, y, z = (round(1000 * mm / um) for mm in BOX_MM)
    positions = positions_of((z, y, x), np.array([um] * 3))
    there = Map()(positions)
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "sample.tif").exists():
        template = invented_brain((z, y, x))
        light = np.clip(pulled(template, there, um, order=1), 0, None) ** 0.8 / 1000**0.8 * 1000
        noise = np.random.default_rng(9).normal(100, 15, len(light))
        sample = np.clip(np.rint(light + noise), 0, 65535).astype(np.uint16).reshape(z, y, x)
        tifffile.imwrite(data / "template.tif", np.rint(template).astype(np.uint16))
        tifffile.imwrite(data / "sample.tif", sample)
        (data / "voxel_um").write_text(str(um))
    return there


def _run_ours(effort: str, data: Path) -> Cost:
    """Register in a process of its own, and keep the folder with the transform."""
    kept = data / f"back_{effort}"
    environment = {"BENCH_EFFORT": effort, "BENCH_FOLDER": kept.name}
    found = measure.ask_job(
        ["bench.registration_job", str(data)], what=f"register ({effort})", **environment
    )
    return replace(Cost(**found), outputs={})


def _error(data: Path, effort: str, there: np.ndarray, um: float) -> float:
    """The median distance of landmarks in the brain from where they belong, in voxels."""
    sample = tifffile.imread(data / "sample.tif")
    positions = positions_of(sample.shape, np.array([um] * 3))
    inside = np.flatnonzero(
        pulled(tifffile.imread(data / "template.tif"), there, um, order=0) > 100
    )
    chosen = np.random.default_rng(3).permutation(inside)[:_LANDMARKS]
    found = mapped(data / f"back_{effort}", positions[chosen])
    return float(np.median(np.linalg.norm(found - there[chosen], axis=1))) * 1000 / um


def _walls(costs: list[Cost]) -> list[float]:
    return [cost.wall for cost in costs]


def _cost(costs: list[Cost]) -> str:
    wall, cpu = np.median(_walls(costs)), np.median([cost.cpu for cost in costs])
    return f"{wall:.1f} s, {cpu:.1f} CPU s (n={len(costs)}, {os.cpu_count()} cores)"
