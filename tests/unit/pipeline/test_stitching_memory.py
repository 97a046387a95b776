"""What the stitching steps are said to need is what they need, whatever the number of planes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.needs import stitching as needs
from tests.support import tilings
from tests.unit.pipeline.stitching import merge_spec, place_spec, write_placements
from tests.unit.pipeline.support import REPOSITORY, result_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import StepSpec
    from tests.support.tilings import Tiling

_SLACK = 200 << 20
SIZES = [(16, 200, 240), (8, 900, 1000)]


def _delivery(root: Path, tile_zyx: tuple[int, int, int]) -> Tiling:
    """Tiles of which every plane shows the same, so that they are made fast."""
    depth = tile_zyx[0]
    tiling = tilings.jittered(
        columns=2, rows=2, tile_zyx=tile_zyx, overlap=0.25, jitter_xyz=(3, 3, 0)
    )
    _, tall, wide = tilings.needed_zyx(tiling)
    plane = tilings.texture((3, tall, wide))[1]
    volume = np.broadcast_to(np.clip(plane, 0, 65535).astype(np.uint16), (depth, tall, wide))
    tilings.write_lavision(root / "raw", tilings.cut(volume, tiling))
    write_placements(root, tiling)
    return tiling


def peak_of(job: Path, spec: StepSpec, root: Path) -> int:
    """The step's own peak, bytes.

    The kernel counts what a process was before it became another program. A shell in between is
    small, whereas this process would hand down its own peak.
    """
    job.mkdir()
    (job / "spec.json").write_text(spec.to_json())
    command = [sys.executable, "-m", "pipeline", "run", str(job / "spec.json")]
    environment = {**os.environ, "LIGHTSERV_DATA_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", *command], env=environment, cwd=job, check=False,
        stderr=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    result = result_of(job)
    assert result.status == "succeeded", result.message
    return result.metrics["peak_memory_bytes"]


@pytest.mark.alone
@pytest.mark.parametrize("tile_zyx", SIZES)
@pytest.mark.parametrize("step", ["place_tiles", "merge_tiles"])
def test_the_prediction_covers_the_peak_and_not_much_more(
    tmp_path: Path, step: str, tile_zyx: tuple[int, int, int]
) -> None:
    tiling = _delivery(tmp_path, tile_zyx)
    # the planes are all alike, so nothing may be looked for along z
    spec = (
        place_spec(tiling, parameters={"search_um": [28, 28, 1]})
        if step == "place_tiles"
        else merge_spec(tiling)
    )

    measured = peak_of(tmp_path / "job", spec, tmp_path)
    predicted = getattr(needs, step)(spec, tile_zyx[1:])
    assert measured <= predicted <= 2 * measured + _SLACK, (measured, predicted)


@pytest.mark.parametrize("step", ["place_tiles", "merge_tiles"])
def test_memory_hardly_grows_with_the_planes(step: str) -> None:
    few, many = (
        tilings.jittered(columns=4, rows=4, tile_zyx=(planes, 1600, 2000)) for planes in (400, 4000)
    )
    make = place_spec if step == "place_tiles" else merge_spec
    predict = getattr(needs, step)

    needed = [predict(make(tiling), (1600, 2000)) for tiling in (few, many)]

    assert needed[1] - needed[0] < 200 << 20
