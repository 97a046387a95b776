"""Targets 1 to 2b: planes to a precomputed volume, against copying and against other writers."""

from __future__ import annotations

import json
import shutil
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import tensorstore
import tifffile

from bench import measure
from bench.measure import Cost, Rounds, Unavailable, median_ratio
from bench.planes import repeat_planes, write_planes
from bench.rows import Row, judged, missing
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, StepSpec
from pipeline.steps import precompute
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHAPES = {"full": (256, 2048, 2048), "small": (48, 320, 256)}
_ROUNDS = {"full": 4, "small": 1}
_TIMES_THE_PLANES = 3
_MEGABYTE = 1e6
_SLACK = 150e6
_SLOW_SECONDS = 60.0


def rows(size: str) -> Iterator[Row]:
    """Measure everything; `small` only shows that it works, with igneous if that is installed."""
    shape = SHAPES[size]
    data = measure.WORK / f"planes_{size}"
    write_planes(data, shape=shape)
    names = ("copy", "raw", "gzip", "unsharded")
    jobs = [(name, partial(measure.run_job, name, data)) for name in names]
    costs = measure.in_turns(jobs, rounds=_ROUNDS[size])
    yield _against_copy(costs, "raw", "1", 1.5)
    yield _against_copy(costs, "gzip", "1b", 3.5)
    yield from _against_igneous(costs, data, size)
    yield judged(
        "1d planes to volume, raw: times faster than tensorstore unsharded",
        value=_cost(costs["raw"]),
        reference=_cost(costs["unsharded"]),
        ratio=median_ratio(_walls(costs["unsharded"]), _walls(costs["raw"])),
        comparison=">=",
        limit=3,
    )
    yield from _memory_and_files(costs, data, shape)
    yield _mips()


def _against_copy(costs: Rounds, name: str, number: str, limit: float) -> Row:
    return judged(
        f"{number} planes to volume, {name}: time against a copy into 512 KiB files",
        value=_cost(costs[name]),
        reference=_cost(costs["copy"]),
        ratio=median_ratio(_walls(costs[name]), _walls(costs["copy"])),
        comparison="<=",
        limit=limit,
    )


def _against_igneous(costs: Rounds, data: Path, size: str) -> Iterator[Row]:
    names = {
        "old": ("1c planes to volume, gzip: times less CPU than the original's three steps", 12),
        "slabs": ("1d planes to volume, raw: times less CPU than igneous by slabs", 5),
    }
    ours = {"old": "gzip", "slabs": "raw"}
    for name, (title, limit) in names.items():
        try:
            measure.require_references(may_install=size == "full")
            if (size, name) == ("small", "old"):
                raise Unavailable("left out: too few planes for the original's chunks")
            theirs = _rounds_of(name, data, rounds=len(costs["raw"]))
        except Unavailable as error:
            yield missing(title, why=str(error), target=f">= {limit}")
            continue
        mine = costs[ours[name]]
        yield judged(
            title,
            value=_cost(mine),
            reference=_cost(theirs),
            ratio=_median([cost.cpu for cost in theirs]) / _median([cost.cpu for cost in mine]),
            comparison=">=",
            limit=limit,
        )


def _rounds_of(name: str, data: Path, *, rounds: int) -> list[Cost]:
    """As many runs as the others had, or one if that is slow."""
    job = [(name, partial(measure.run_igneous_job, name, data))]
    costs = measure.in_turns(job, rounds=1)[name]
    if costs[0].wall < _SLOW_SECONDS:
        costs += measure.in_turns(job, rounds=rounds - 1)[name]
    return costs


def _memory_and_files(costs: Rounds, data: Path, shape: tuple[int, int, int]) -> Iterator[Row]:
    peak = max(cost.peak for cost in costs["raw"] + costs["gzip"])
    slab = _slab_bytes(costs["raw"][0], shape)
    bound = 2 * slab + _SLACK
    yield judged(
        "2 planes to volume: peak memory against 2 slabs + 150 MB",
        value=f"{peak / _MEGABYTE:.0f} MB",
        reference=f"{bound / _MEGABYTE:.0f} MB",
        ratio=peak / bound,
        comparison="<=",
        limit=1,
    )
    many = measure.WORK / f"planes_many_{shape[1]}"
    repeat_planes(data, many, times=_TIMES_THE_PLANES)
    more = max(measure.run_job(name, many).peak for name in ("raw", "gzip"))
    yield judged(
        f"2 planes to volume: peak memory with {_TIMES_THE_PLANES} times the planes",
        value=f"{more / _MEGABYTE:.0f} MB",
        reference=f"{peak / _MEGABYTE:.0f} MB",
        ratio=more / peak,
        comparison="<=",
        limit=1.1,
    )
    files = cast("int", costs["raw"][0].outputs["files"])
    share = max(1.0, shape[0] * shape[1] * shape[2] * 2 / 2e9)
    yield judged(
        "2 planes to volume: files per 2 GB",
        value=str(files),
        reference="-",
        ratio=files / share,
        comparison="<=",
        limit=50,
    )


def _slab_bytes(cost: Cost, shape: tuple[int, int, int]) -> int:
    return cast("int", cost.outputs["slab_planes"]) * shape[1] * shape[2] * 2


def _mips() -> Row:
    """Odd sizes, anisotropic voxels, both encodings: the largest error of any mip."""
    rng = np.random.default_rng(5)
    volume = rng.integers(0, 65536, (131, 203, 317), dtype=np.uint16)
    errors, exact = [], True
    for compression in ("none", "gzip"):
        for voxel in ([5, 5, 10], [5, 5, 5], [4, 4, 1.5]):
            first, *others = _errors(volume, compression, voxel)
            exact = exact and first == 0
            errors += others
    return judged(
        "2b error of the mips against the true mean (mip 0 equal: "
        f"{'yes' if exact else 'NO'}; odd sizes, anisotropic)",
        value=f"{max(errors):.2f} counts",
        reference="numpy",
        ratio=max(errors) if exact else float("inf"),
        comparison="<=",
        limit=0.5,
    )


def _errors(volume: np.ndarray, compression: str, voxel: list[float]) -> list[float]:
    root = measure.WORK / "mips"
    shutil.rmtree(root, ignore_errors=True)
    (root / "in").mkdir(parents=True)
    for z, plane in enumerate(volume):
        tifffile.imwrite(root / "in" / f"{z:04d}.tif", plane)
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="precompute",
        name="bench",
        version=PIPELINE_VERSION,
        inputs={"folder": "in", "layout": "planes"},
        parameters={
            "voxel_um": list(voxel),
            "compression": compression,
            "chunk": [32, 32, 32],
            "mips": 5,
        },
        outputs={"volume": "out"},
        threads=2,
    )
    precompute.run(spec, Workspace(root, "bench", 2))
    errors = list(_scale_errors(root / "out", volume))
    shutil.rmtree(root)
    return errors


def _scale_errors(folder: Path, volume: np.ndarray) -> Iterator[float]:
    scales = json.loads((folder / "info").read_text())["scales"]
    for index, scale in enumerate(scales):
        store = tensorstore.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{folder}/"},
                "scale_index": index,
            }
        ).result()
        found = store.read().result()[..., 0].transpose(2, 1, 0)
        pairs = zip(scale["resolution"], scales[0]["resolution"], strict=True)
        yield float(np.abs(found - _true_means(volume, [a // b for a, b in pairs])).max())


def _true_means(volume: np.ndarray, factor: list[int]) -> np.ndarray:
    sums, counts = volume.astype(np.float64), np.ones(volume.shape)
    for axis, step in enumerate(reversed(factor)):
        starts = np.arange(0, volume.shape[axis], step)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts = np.add.reduceat(counts, starts, axis=axis)
    return np.asarray(sums / counts)


def _walls(costs: list[Cost]) -> list[float]:
    return [cost.wall for cost in costs]


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _cost(costs: list[Cost]) -> str:
    wall, cpu = _median(_walls(costs)), _median([cost.cpu for cost in costs])
    return f"{wall:.2f} s, {cpu:.2f} CPU s (n={len(costs)})"
