"""What the steps on planes are said to need is what they take, and no more with more planes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from pipeline.needs import planes as needs
from tests.support import stacks
from tests.unit.pipeline.plane_steps import AXES, blend_spec, correct_spec, downsize_spec, sheet
from tests.unit.pipeline.support import REPOSITORY, result_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import StepSpec

SMALL = {"voxel_um": [20, 25, 20], "axes": AXES, "to_axes": ["DV", "AP", "LR"]}
SPECS = {
    "blend_sheets": (
        blend_spec(sheet("left", "in"), sheet("right", "in"), equalize="median", downsized=SMALL),
        needs.blend_sheets,
    ),
    "downsize": (downsize_spec(to_voxel_um=[8, 9, 20]), needs.downsize),
    "correct": (correct_spec(sigma=[128, 256], flat_from="estimated"), needs.correct),
}
SLACK = 200e6


def peak(root: Path, spec: StepSpec, shape: tuple[int, int, int]) -> int:
    """Run the step in a process of its own and return its peak memory."""
    plane = stacks.random_volume((1, *shape[1:]))[0] // 8
    (root / "in").mkdir(parents=True)
    stacks.write_plane(root / "in/plane_0000.tif", plane, compression="zlib")
    for z in range(1, shape[0]):
        (root / f"in/plane_{z:04d}.tif").hardlink_to(root / "in/plane_0000.tif")
    _run_apart(root / "job", spec, root)
    return cast("int", result_of(root / "job").metrics["peak_memory_bytes"])


def _run_apart(job: Path, spec: StepSpec, root: Path) -> None:
    """Run it as the child of a shell: a child of ours would begin with our own peak as its own."""
    job.mkdir()
    (job / "spec.json").write_text(spec.to_json())
    command = [sys.executable, "-m", "pipeline", "run", str(job / "spec.json")]
    done = subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", *command, "--data-root", str(root)],
        cwd=REPOSITORY,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0


@pytest.mark.alone
@pytest.mark.parametrize("step", SPECS)
def test_the_memory_foretold_is_enough_and_not_much_more_however_many_planes(
    tmp_path: Path, step: str
) -> None:
    spec, foretell = SPECS[step]
    small, large = (200, 300), (1000, 1400)

    few = peak(tmp_path / "few", spec, (8, *small))
    many = peak(tmp_path / "many", spec, (24, *small))
    wide = peak(tmp_path / "wide", spec, (4, *large))

    assert few <= foretell(spec, small) <= 2 * few + SLACK
    assert wide <= foretell(spec, large) <= 2 * wide + SLACK
    assert many <= 1.1 * few + 8e6


def test_a_spec_without_sense_still_has_an_answer() -> None:
    assert needs.correct(correct_spec(sigma="none"), (10, 10)) > 0
    assert needs.downsize(downsize_spec(to_voxel_um=None, axes=[1]), (10, 10)) > 0
    assert np.isfinite(needs.blend_sheets(blend_spec(downsized={}), (10, 10)))
