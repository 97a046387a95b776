"""How many of the cells are found, and counted where they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.io.tiff_volume import write_volume
from pipeline.phantom import write_delivery
from pipeline.steps import count_regions, detect_cells
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.support.cells import precision_and_recall, scattered, tissue, with_neighbors
from tests.verify.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AT_LEAST = 0.95
_REAL_VOXEL_UM = [2, 2, 5]
_REAL_BAND = (100, 250)  # as measured with the usual settings: 149


def figures(work: Path, real: Path | None) -> Iterator[Figure]:
    """Precision and recall within 2 voxels, counts per region, and a real block's count."""
    yield from _phantom(work / "phantom")
    yield from _hard_tissue(work / "hard")
    if real is not None:
        yield from _real_block(work / "real", real / "real_channels/signal_26planes.tif")


def _phantom(work: Path) -> Iterator[Figure]:
    voxel = (60.0, 60.0, 100.0)
    delivery = write_delivery(
        work / "raw", shape_zyx=(80, 220, 190), voxel_um_zyx=voxel[::-1], channels=("647",),
        sheets=1,
    )  # fmt: skip
    found = _detect(work, "raw", voxel_um=list(voxel), diameter_um=200)
    true = (np.array(delivery.cells)[:, ::-1] + 0.5) * voxel
    yield from _both("phantom", found, true, voxel)


def _hard_tissue(work: Path) -> Iterator[Figure]:
    """Fading, uneven tissue with noise, and cells that touch."""
    voxel, shape = (2.0, 2.0, 4.0), (60, 300, 320)
    extent = (640.0, 600.0, 240.0)
    true = scattered(extent, count=300, apart_um=20)
    true = with_neighbors(true, count=40, apart_um=12)
    true = true[((true > 2) & (true < np.array(extent) - 2)).all(axis=1)]
    stacks.single_planes(work / "raw", tissue(true, shape=shape, is_hard=True).planes)
    found = _detect(work, "raw", voxel_um=list(voxel), diameter_um=12)
    yield from _both("touching cells in fading tissue", found, true, voxel)
    yield _wrong_regions(work, found, shape, voxel)


def _both(
    name: str, found: np.ndarray, true: np.ndarray, voxel: tuple[float, float, float]
) -> Iterator[Figure]:
    within = (2 * voxel[0], 2 * voxel[1], 2 * voxel[2])
    precision, recall = precision_and_recall(found[:, :3], true, within)
    yield Figure(f"cells, {name}, precision", precision, _AT_LEAST)
    yield Figure(f"cells, {name}, recall", recall, _AT_LEAST)


def _detect(work: Path, folder: str, **parameters: object) -> np.ndarray:
    """Find cells and return the table."""
    spec = _spec("detect_cells", {"folder": folder}, dict(parameters), {"cells": "cells"})
    detect_cells.run(spec, Workspace(work, spec.name, 2))
    return np.loadtxt(work / "cells/cells.csv", delimiter=",", skiprows=1, ndmin=2)


def _wrong_regions(
    work: Path, found: np.ndarray, shape: tuple[int, int, int], voxel: tuple[float, float, float]
) -> Figure:
    """Cells and voxels that a parcellation of boxes counts elsewhere than arithmetic does."""
    side = np.array([20.0, 20.0, 20.0])
    size = np.ceil(np.array(shape[::-1]) * voxel / side).astype(int)
    boxes = np.indices(size[::-1]) // 4
    labels = (boxes * np.array([10_000, 100, 1])[:, None, None, None]).sum(axis=0) + 70_000
    labels = labels.astype(np.uint32)
    write_volume(
        work / "labels.tif", labels, shape_zyx=labels.shape, dtype=np.uint32, voxel_um=tuple(side)
    )
    ids = np.unique(labels).tolist()
    tree = [{"id": 1, "acronym": "all", "name": "all", "parent": None, "color": None}]
    tree += [{**tree[0], "id": id, "acronym": str(id), "parent": 1} for id in ids]
    (work / "tree.json").write_text(json.dumps(tree))
    axes = ["LR", "AP", "DV"]
    spec = _spec(
        "count_regions",
        {"labels": "labels.tif", "tree": "tree.json", "volumes": [],
         "cells": [{"channel": "c", "folder": "cells"}]},
        {"voxel_um": side.tolist(), "axes": axes, "cells_axes": axes},
        {"table": "regions"},
    )  # fmt: skip
    count_regions.run(spec, Workspace(work, spec.name, 2))
    rows = json.loads((work / "regions/regions.json").read_text())["rows"]
    x, y, z = (found[:, :3] // (4 * side)).astype(int).T
    expected = np.unique(z * 10_000 + y * 100 + x + 70_000, return_counts=True)
    by_id = dict(zip(*(values.tolist() for values in expected), strict=True))
    wrong = sum(abs(row["cells_c"] - by_id.get(row["id"], 0)) for row in rows if row["id"] != 1)
    wrong += sum(abs(row["voxels"] - (labels == row["id"]).sum()) for row in rows[1:])
    wrong += abs(rows[0]["cells_c"] - len(found))
    return Figure("regions, cells and voxels counted elsewhere", float(wrong), 0, at_most=True)


def _real_block(work: Path, path: Path) -> Iterator[Figure]:
    stacks.single_planes(work / "raw", tifffile.imread(path))
    count = float(len(_detect(work, "raw", voxel_um=_REAL_VOXEL_UM)))
    yield Figure("cells of a real block", count, _REAL_BAND[0])
    yield Figure("cells of a real block", count, _REAL_BAND[1], at_most=True)


def _spec(
    step: str, inputs: JsonDict, parameters: dict[str, object], outputs: dict[str, str]
) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step=step,
        name="verify",
        version=PIPELINE_VERSION,
        inputs=inputs,
        parameters=parameters,
        outputs=outputs,
        threads=2,
    )
