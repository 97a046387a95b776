"""Registration that is killed, or finds no room: the same product later, or a named failure."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.contract import DISK_FULL
from pipeline.registration import fitting
from tests.support.disks import small_disk
from tests.unit.pipeline import registration_support as brains
from tests.unit.pipeline.support import contents, result_of, start

if TYPE_CHECKING:
    from pathlib import Path


def _given(root: Path) -> None:
    brains.write(root / "in/template.tif", brains.brain())
    brains.write(root / "in/sample.tif", brains.moved_brain())


def _product(root: Path) -> dict[str, bytes]:
    """What was made, without the times of day in the log and the name of the attempt."""
    files = contents(root / "out/register")
    return {name: data for name, data in files.items() if name != "elastix.log"}


@pytest.mark.alone
@pytest.mark.parametrize("stage", ["affine", "bspline"])
def test_kill_9_in_a_stage_and_resume_give_the_same_bytes(tmp_path: Path, stage: str) -> None:
    brains.need_elastix()
    _given(tmp_path)
    brains.run_in(tmp_path, brains.register_spec())
    (tmp_path / "out/register").rename(tmp_path / "whole")
    process = start(tmp_path / "job1", brains.register_spec("a1"), tmp_path)
    said = tmp_path / f"out/register.partial-a1/working/{stage}.said"
    _wait_for(lambda: said.exists() and b"Resolution: 1" in said.read_bytes())
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_for(lambda: not _at_work(tmp_path))
    there = {path.name for path in (tmp_path / "out/register.partial-a1").glob("Transform*")}

    assert start(tmp_path / "job2", brains.register_spec("a2"), tmp_path).wait(timeout=120) == 0

    assert there == ({"TransformParameters.0.txt"} if stage == "bspline" else set())
    (tmp_path / "whole").rename(tmp_path / "kept")
    whole = {k: v for k, v in contents(tmp_path / "kept").items() if k != "elastix.log"}
    assert _product(tmp_path) == whole
    assert [path.name for path in tmp_path.glob("out/register*")] == ["register"]


def _wait_for(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _at_work(root: Path) -> bool:
    """Is an elastix of this folder still running?"""
    found = subprocess.run(["pgrep", "-f", "elastix -f fixed.mha"], capture_output=True, text=True)
    for pid in found.stdout.split():
        try:
            from pathlib import Path

            if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(root):
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize("kib", [300, 620])
def test_a_full_disk_is_named(tmp_path: Path, kib: int) -> None:
    brains.need_elastix()
    with small_disk(tmp_path / "disk", f"size={kib}k") as disk:
        _given(disk)

        code = start(tmp_path / "job", brains.register_spec(), disk).wait(timeout=120)

        assert code == 1
        assert result_of(tmp_path / "job").reason == DISK_FULL
        assert not (disk / "out/register").exists()


def test_a_full_disk_under_transformix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with code 0 and half a file; the transform found before is kept."""
    brains.need_elastix()
    size, um = list(reversed(brains.SHAPE)), brains.box_voxel_um()
    with small_disk(tmp_path / "disk", "size=420k") as disk:
        _given(disk)
        (tmp_path / "affine").write_text(brains.affine_text(np.eye(3), np.zeros(3), size, um))
        flat = brains.spline_text(np.zeros((3, 8, 8, 8)), [-2.0] * 3, 3.0, size, um)
        (tmp_path / "bspline").write_text(flat)
        copying = f"cp {tmp_path}/$6 $6/TransformParameters.0.txt; rm *.mha"
        filling = f'head -c 100000 /dev/zero >{disk}/filler; exec transformix "$@"'
        bin_ = brains.engine(tmp_path / "bin", copying, filling)
        monkeypatch.setenv("LIGHTSERV_ELASTIX", str(bin_))
        monkeypatch.setattr(fitting, "made_ready", _nothing)

        with pytest.raises(OSError, match="No space left"):
            brains.run_in(disk, brains.register_spec(least_score=0))

        assert not (disk / "out/register").exists()


def _nothing(*_arguments: object) -> object:
    from pipeline.registration.volumes import Small

    return Small(np.zeros((1, 1, 1), np.float32), (1.0, 1.0, 1.0))
