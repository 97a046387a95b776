"""Specs and volumes for the tests of labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.io.tiff_volume import write_volume
from pipeline.steps import precompute_labels
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

TREE = [
    {"id": 997, "acronym": "root", "name": "root", "parent": None, "color": [255, 255, 255]},
    {"id": 8, "acronym": "CH", "name": "Cerebrum", "parent": 997, "color": [176, 240, 255]},
    {"id": 5, "acronym": "CTX", "name": "Cortex", "parent": 8, "color": None},
    {"id": 7, "acronym": "STR", "name": "Striatum", "parent": 8, "color": [1, 2, 3]},
    {"id": 614454277, "acronym": "SI", "name": "Supraoculomotor", "parent": 997, "color": None},
]


def labels_spec(name: str = "l1", **parameters: object) -> StepSpec:
    """A spec that turns `in/labels.tif` with `in/tree.json` into `out/volume`."""
    return StepSpec(
        contract=CONTRACT_VERSION,
        step="precompute_labels",
        name=name,
        version=PIPELINE_VERSION,
        inputs={"labels": "in/labels.tif", "tree": "in/tree.json"},
        parameters={"voxel_um": [5, 5, 5], **parameters},
        outputs={"volume": "out/volume"},
        threads=2,
    )


def store(root: Path, labels: np.ndarray, voxel_um: tuple[float, float, float] = (5, 5, 5)) -> Path:
    """Write the inputs of `labels_spec`."""
    (root / "in").mkdir(parents=True, exist_ok=True)
    (root / "in/tree.json").write_text(json.dumps(TREE))
    path = root / "in/labels.tif"
    write_volume(path, labels, shape_zyx=labels.shape, dtype=labels.dtype, voxel_um=voxel_um)
    return path


def run_in(root: Path, spec: StepSpec | None = None, **parameters: object) -> JsonDict:
    """Run the step in this process."""
    spec = spec or labels_spec(**parameters)
    return precompute_labels.run(spec, Workspace(root, spec.name, spec.threads))


def patches(shape: tuple[int, int, int], dtype: object = np.uint32, seed: int = 1) -> np.ndarray:
    """Labels in small boxes, background among them, ids large and small."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, 0, 5, 7, 8, 12, 40000], [-(-n // 7) for n in shape])
    whole = coarse.repeat(7, 0).repeat(7, 1).repeat(7, 2)[: shape[0], : shape[1], : shape[2]]
    noise = rng.random(shape) < 0.05
    return np.where(noise, rng.choice([5, 7], shape), whole).astype(dtype)
