"""Specs and oracles shared by the tests of the pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorstore

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepResult, StepSpec
from pipeline.steps import precompute
from pipeline.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[3]


def precompute_spec(name: str = "ls-r1-precompute-a1", **parameters: object) -> StepSpec:
    """A spec that turns the folder `in` into the volume `out/volume`."""
    settings = {"voxel_um": [5, 5, 5], "compression": "none", **parameters}
    return StepSpec(
        contract=CONTRACT_VERSION,
        step="precompute",
        name=name,
        version=PIPELINE_VERSION,
        inputs={"folder": "in", "layout": "planes"},
        parameters=settings,
        outputs={"volume": "out/volume"},
        threads=2,
    )


def precompute_in(root: Path, spec: StepSpec | None = None, **parameters: object) -> JsonDict:
    """Run the step in this process."""
    spec = spec or precompute_spec(**parameters)
    return precompute.run(spec, Workspace(root, spec.name, spec.threads))


def read_info(volume: Path) -> JsonDict:
    return json.loads((volume / "info").read_text())


def read_scale(volume: Path, index: int) -> np.ndarray:
    """One scale as (z, y, x), read by tensorstore."""
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{volume}/"},
        "scale_index": index,
    }
    return tensorstore.open(spec).result().read().result()[..., 0].transpose(2, 1, 0)


def true_means(volume: np.ndarray, factor_xyz: tuple[int, int, int]) -> np.ndarray:
    """The mean of each block (z, y, x), blocks at the far edges being smaller."""
    sums, counts = volume.astype(np.float64), np.ones(volume.shape)
    for axis, factor in enumerate(factor_xyz[::-1]):
        starts = np.arange(0, volume.shape[axis], factor)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts = np.add.reduceat(counts, starts, axis=axis)
    return sums / counts


def worst_errors(folder: Path, volume: np.ndarray) -> list[float]:
    """For each scale, the largest distance from the true mean."""
    scales = read_info(folder)["scales"]
    first = scales[0]["resolution"]
    errors = []
    for index, scale in enumerate(scales):
        factor = tuple(a // b for a, b in zip(scale["resolution"], first, strict=True))
        difference = read_scale(folder, index) - true_means(volume, factor)
        errors.append(float(np.abs(difference).max()))
    return errors


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative name."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def start(job: Path, spec: StepSpec, root: Path) -> subprocess.Popen[bytes]:
    """Start `python -m pipeline run` on a spec in the folder `job`."""
    job.mkdir(parents=True, exist_ok=True)
    (job / "spec.json").write_text(spec.to_json())
    command = [sys.executable, "-m", "pipeline", "run", str(job / "spec.json")]
    environment = {**os.environ, "LIGHTSERV_DATA_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, env=environment, cwd=job, stderr=subprocess.DEVNULL)


def peak_memory(job: Path, spec: StepSpec, root: Path) -> int:
    """Run a step and return its peak bytes.

    A shell stands in between: a process that is started at once counts the memory of the one that
    starts it, which is the whole suite, as its own.
    """
    job.mkdir(parents=True, exist_ok=True)
    (job / "spec.json").write_text(spec.to_json())
    command = f"{sys.executable} -m pipeline run {job}/spec.json; exit $?"
    environment = {**os.environ, "LIGHTSERV_DATA_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(["sh", "-c", command], env=environment, cwd=job, check=True)
    measured = result_of(job).metrics["peak_memory_bytes"]
    assert isinstance(measured, int)
    return measured


def result_of(job: Path) -> StepResult:
    return StepResult.from_json((job / "result.json").read_text())
