"""Specs and shortcuts shared by the tests of blend_sheets, downsize and correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.steps import blend_sheets, correct, downsize
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

RUN = {"blend_sheets": blend_sheets.run, "correct": correct.run, "downsize": downsize.run}
AXES = ["LR", "AP", "DV"]


def spec_of(
    step: str,
    inputs: JsonDict,
    parameters: JsonDict,
    outputs: dict[str, str],
    *,
    name: str = "a1",
    threads: int = 2,
) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step=step,
        name=name,
        version=PIPELINE_VERSION,
        inputs=inputs,
        parameters=parameters,
        outputs=outputs,
        threads=threads,
    )


def run(root: Path, spec: StepSpec) -> JsonDict:
    """Run a step in this process."""
    return RUN[spec.step](spec, Workspace(root, spec.name, spec.threads))


def sheet(side: str, folder: str = "", **more: object) -> JsonDict:
    return {"side": side, "folder": folder or side, "layout": "planes", **more}


def blend_spec(
    *sheets: JsonDict, name: str = "a1", downsized: object = None, **parameters: object
) -> StepSpec:
    """Sheets, by default the folders left and right, become out/planes; and out/small.tif."""
    given = {"voxel_um": [5, 5, 10], "name": "brain_C00", **parameters}
    outputs = {"planes": "out/planes"}
    if downsized is not None:
        given["downsized"] = downsized
        outputs["downsized"] = "out/small.tif"
    listed = list(sheets) or [sheet("left"), sheet("right")]
    return spec_of("blend_sheets", {"sheets": listed}, given, outputs, name=name)


def correct_spec(*, name: str = "a1", flat: str = "", **parameters: object) -> StepSpec:
    """The folder in becomes out/planes."""
    inputs = {"folder": "in", **({"flat": flat} if flat else {})}
    given = {"name": "brain_C00", **parameters}
    return spec_of("correct", inputs, given, {"planes": "out/planes"}, name=name)


def downsize_spec(*, name: str = "a1", **parameters: object) -> StepSpec:
    """The folder in becomes out/small.tif."""
    given = {
        "voxel_um": [5, 5, 10],
        "to_voxel_um": [20, 20, 20],
        "axes": AXES,
        "to_axes": AXES,
        **parameters,
    }
    return spec_of("downsize", {"folder": "in"}, given, {"volume": "out/small.tif"}, name=name)


def planes_in(folder: Path) -> np.ndarray:
    """Every plane of a folder as (z, y, x), read by tifffile."""
    return np.stack([tifffile.imread(path) for path in sorted(folder.glob("*.tif"))])


def volume_in(path: Path) -> np.ndarray:
    """A volume as (z, y, x), read by tifffile."""
    found = tifffile.imread(path)
    return found if found.ndim == 3 else found[None]


def area_means(volume: np.ndarray, ratios_zyx: tuple[float, float, float]) -> np.ndarray:
    """The mean over each box of `ratios_zyx` voxels, by cumulative sums read between voxels."""
    means = volume.astype(np.float64)
    for axis, ratio in enumerate(ratios_zyx):
        values = np.moveaxis(means, axis, 0)
        count = len(values)
        edges = np.minimum(np.arange(int(np.ceil(count * ratio**-1 - 1e-9)) + 1) * ratio, count)
        sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
        whole = np.minimum(edges.astype(int), count - 1)
        rest = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
        at_edges = sums[whole] + rest * values[whole]
        width = np.diff(edges).reshape(rest[1:].shape)
        means = np.moveaxis(np.diff(at_edges, axis=0) / width, 0, axis)
    return means
