"""Specs and one-line runs of place_tiles and merge_tiles, shared by their tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.steps import merge_tiles, place_tiles
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tilings import Tiling

VOXEL_UM = [2.0, 2.0, 5.0]
SEARCH_UM = [28.0, 28.0, 30.0]
PLACEMENTS = "stitching/placements.json"


def _inputs(tiling: Tiling, inputs: dict[str, object]) -> JsonDict:
    return {
        "folder": "raw",
        "layout": "lavision",
        "columns": tiling.columns,
        "rows": tiling.rows,
        "planes": tiling.tile_zyx[0],
        **inputs,
    }


def _spec(step: str, name: str, **parts: JsonDict) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step=step,
        name=name,
        version=PIPELINE_VERSION,
        threads=2,
        **parts,
    )


def place_spec(
    tiling: Tiling, name: str = "a1", *, parameters: JsonDict | None = None, **inputs: object
) -> StepSpec:
    """A spec that places the tiles in the folder `raw`."""
    usual = {"voxel_um": VOXEL_UM, "overlap": tiling.overlap, "search_um": SEARCH_UM}
    return _spec(
        "place_tiles",
        name,
        inputs=_inputs(tiling, inputs),
        parameters={**usual, **(parameters or {})},
        outputs={"placements": PLACEMENTS},
    )


def merge_spec(
    tiling: Tiling,
    name: str = "m1",
    *,
    parameters: JsonDict | None = None,
    out: str = "merged",
    **inputs: object,
) -> StepSpec:
    """A spec that merges the tiles in the folder `raw` into the folder `merged`."""
    usual = {"voxel_um": VOXEL_UM, "name": "brain_ch00"}
    return _spec(
        "merge_tiles",
        name,
        inputs=_inputs(tiling, {"placements": PLACEMENTS, **inputs}),
        parameters={**usual, **(parameters or {})},
        outputs={"planes": out},
    )


def place(root: Path, spec: StepSpec) -> JsonDict:
    """Run place_tiles in this process and return the document."""
    place_tiles.run(spec, Workspace(root, spec.name, spec.threads))
    return json.loads((root / spec.outputs["placements"]).read_text())


def merge(root: Path, spec: StepSpec) -> JsonDict:
    """Run merge_tiles in this process and return its outputs."""
    return merge_tiles.run(spec, Workspace(root, spec.name, spec.threads))


def origins(document: JsonDict) -> dict[tuple[int, int], list[int]]:
    """Origin (x, y, z) by (column, row)."""
    return {(tile["column"], tile["row"]): tile["origin_xyz"] for tile in document["tiles"]}


def true_origins(tiling: Tiling) -> dict[tuple[int, int], list[int]]:
    """What the document should say."""
    starts = [start for start, _ in tiling.span()]
    return {
        place: [value - start for value, start in zip(origin, starts, strict=True)]
        for place, origin in tiling.origins.items()
    }


def write_placements(root: Path, tiling: Tiling) -> Path:
    """The document of tiles whose origins are known."""
    x, y, z = (end - start for start, end in tiling.span())
    document = {
        "columns": tiling.columns,
        "rows": tiling.rows,
        "tile_shape_zyx": list(tiling.tile_zyx),
        "size_xyz": [x, y, z],
        "voxel_um": VOXEL_UM,
        "overlap": tiling.overlap,
        "tiles": [
            {"column": column, "row": row, "origin_xyz": origin, "by_grid": False}
            for (column, row), origin in true_origins(tiling).items()
        ],
        "pairs": [],
        "residual_um": {"median": 0, "most": 0},
    }
    path = root / PLACEMENTS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def read_merged(folder: Path) -> np.ndarray:
    """The planes in the order of their names as (z, y, x)."""
    return np.stack([tifffile.imread(path) for path in sorted(folder.glob("*.tif"))])
