"""The memory foretold for precompute_labels is enough, and not far too much."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.io.tiff_volume import write_volume
from pipeline.needs.labels import precompute_labels
from tests.unit.pipeline.label_support import labels_spec, patches, store
from tests.unit.pipeline.support import REPOSITORY, result_of, start

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import StepSpec

ONTO = {
    "size": [200, 240, 160], "voxel_um": [10, 10, 10],
    "axes": ["LR", "AP", "DV"], "from_axes": ["DV", "AP", "LR"],
}  # fmt: skip


def _store_large(root: Path, shape: tuple[int, int, int]) -> None:
    """Like `store`, plane by plane: what this process holds would count as the step's."""
    path = store(root, np.zeros((1, 1, 1), np.uint32))
    planes = (patches((1, *shape[1:]), seed=z // 8)[0] for z in range(shape[0]))
    write_volume(path, planes, shape_zyx=shape, dtype=np.uint32, voxel_um=(5, 5, 5))


def measured(root: Path, spec: StepSpec) -> int:
    process = start(root / "job", spec, root)
    assert process.wait(timeout=120) == 0
    return result_of(root / "job").metrics["peak_memory_bytes"]


@pytest.mark.alone
@pytest.mark.parametrize("shape", [(20, 200, 260), (70, 700, 900)])
def test_the_prediction_holds(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    _store_large(tmp_path, shape)
    spec = labels_spec()

    found, told = measured(tmp_path, spec), precompute_labels(spec, shape[1:])

    assert found <= told <= 2 * found + (200 << 20)


@pytest.mark.alone
def test_the_prediction_holds_for_labels_on_another_grid(tmp_path: Path) -> None:
    _store_large(tmp_path, (200, 240, 160))
    spec = labels_spec(onto=ONTO, voxel_um=[10, 10, 10])

    found, told = measured(tmp_path, spec), precompute_labels(spec, (240, 200))

    assert found <= told <= 2 * found + (200 << 20)


def test_what_is_held_and_each_thread_cost_memory() -> None:
    plain = labels_spec()
    moved = labels_spec(onto=ONTO, voxel_um=[2, 2, 2])

    assert precompute_labels(moved, (240, 200)) - precompute_labels(plain, (240, 200)) > (
        4 * 200 * 240 * 160 * 5**3
    )
    assert precompute_labels(replace(plain, threads=8), (99, 99)) > precompute_labels(
        plain, (99, 99)
    )


def test_only_the_standard_library_is_imported() -> None:
    code = "import sys, pipeline.needs.labels; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
