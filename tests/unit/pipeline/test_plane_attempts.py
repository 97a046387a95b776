"""Crashes, a full disk and retries of the steps that write planes: the same result, or none."""

from __future__ import annotations

import errno
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline import downsized_volume
from pipeline.contract import DISK_FULL
from pipeline.errors import named_failure
from pipeline.io.planes import PlaneFolder
from tests.support import stacks
from tests.unit.pipeline.plane_steps import (
    AXES,
    blend_spec,
    correct_spec,
    downsize_spec,
    run,
)
from tests.unit.pipeline.support import contents, result_of, start

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from pipeline.contract import StepSpec

SMALL = {"voxel_um": [19, 19, 23], "axes": AXES, "to_axes": ["DV", "AP", "RL"]}
PLANES = 20


def spec_of(step: str, name: str) -> StepSpec:
    if step == "correct":
        return correct_spec(name=name, sigma=[8, 8], flat_from="estimated")
    if step == "downsize":
        return downsize_spec(name=name)
    return blend_spec(name=name, equalize="median", downsized=SMALL)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for seed, folder in enumerate(("in", "left", "right")):
        volume = stacks.random_volume((PLANES, 120, 150), seed=seed) // 4
        stacks.single_planes(tmp_path / folder, volume)
    return tmp_path


def products_of(root: Path) -> dict[str, bytes]:
    """Every file of the products, without the records, which name the time and attempt."""
    found = contents(root / "out")
    return {name: data for name, data in found.items() if name.endswith(".tif")}


def whole(root: Path, step: str) -> dict[str, bytes]:
    """What an attempt that nothing interrupts makes; it is put away."""
    run(root, spec_of(step, "whole"))
    found = products_of(root)
    (root / "out").rename(root / "put-away")
    return found


def _die_after(planes: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the step die without warning after so many planes; return the list of those written."""
    write, written = PlaneFolder.write, []

    def dying(self: PlaneFolder, z: int, plane: np.ndarray) -> int:
        if len(written) >= planes:
            raise RuntimeError("crash")
        written.append(z)
        return write(self, z, plane)

    monkeypatch.setattr(PlaneFolder, "write", dying)
    return written


@pytest.mark.parametrize("step", ["blend_sheets", "correct"])
@pytest.mark.parametrize("planes", [1, PLANES - 1])
def test_a_retry_writes_only_what_is_missing(
    data: Path, monkeypatch: pytest.MonkeyPatch, step: str, planes: int
) -> None:
    expected = whole(data, step)
    with monkeypatch.context() as patch:
        first = _die_after(planes, patch)
        with pytest.raises(RuntimeError):
            run(data, spec_of(step, "a1"))
    second = _die_after(PLANES, monkeypatch)

    run(data, spec_of(step, "a2"))

    assert sorted(first + second) == list(range(PLANES))
    assert products_of(data) == expected


@pytest.mark.parametrize("damage", [stacks.truncate, stacks.replace_by_text])
def test_a_plane_of_ours_that_was_damaged_meanwhile_is_made_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, damage: object
) -> None:
    expected = whole(data, "blend_sheets")
    with monkeypatch.context() as patch:
        _die_after(9, patch)
        with pytest.raises(RuntimeError):
            run(data, spec_of("blend_sheets", "a1"))
    damage(min((data / "out/planes.partial-a1").glob("*.tif")))

    run(data, spec_of("blend_sheets", "a2"))

    assert products_of(data) == expected


def test_work_for_other_parameters_is_not_taken_over(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _die_after(9, patch)
        with pytest.raises(RuntimeError):
            run(data, correct_spec(name="a1", dark=7))
    written = _die_after(PLANES, monkeypatch)

    run(data, correct_spec(name="a2"))

    assert sorted(written) == list(range(PLANES))
    assert {path.name for path in (data / "out").iterdir()} == {"planes", ".planes.lock"}


@pytest.mark.alone
@pytest.mark.parametrize("step", ["blend_sheets", "correct", "downsize"])
def test_kill_9_at_any_moment_and_resume_give_the_same_bytes(data: Path, step: str) -> None:
    expected = whole(data, step)

    process = start(data / "job1", spec_of(step, "a1"), data)
    assert _has_begun(data / "out", process, step)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process = start(data / "job9", spec_of(step, "a9"), data)

    assert process.wait(timeout=60) == 0
    assert products_of(data) == expected
    assert not list((data / "out").glob("*partial*"))
    assert result_of(data / "job9").status == "succeeded"


def _has_begun(out: Path, process: subprocess.Popen[bytes], step: str) -> bool:
    """Wait until a draft has seven planes, or the volume is begun; False if it ended before."""
    wanted, count = "planes.partial-*/*.tif", 7
    if step == "downsize":
        wanted, count = "small.tif.partial-*/planes.scratch", 1
    while process.poll() is None:
        with suppress(FileNotFoundError):
            if len(list(out.glob(wanted))) >= count:
                return True
        time.sleep(0.001)
    return False


@pytest.mark.parametrize("step", ["blend_sheets", "correct"])
def test_a_full_disk_is_named_and_what_was_written_is_kept(
    data: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    expected = whole(data, step)
    write = PlaneFolder.write

    def full(self: PlaneFolder, z: int, plane: np.ndarray) -> int:
        if z == 13:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.path(z)))
        return write(self, z, plane)

    with monkeypatch.context() as patch:
        patch.setattr(PlaneFolder, "write", full)
        with pytest.raises(OSError, match="No space") as caught:
            run(data, spec_of(step, "a1"))
    assert named_failure(caught.value).reason == DISK_FULL
    assert not (data / "out/planes").exists()
    assert len(list(data.glob("out/planes.partial-a1/*.tif"))) > 8

    run(data, spec_of(step, "a2"))

    assert products_of(data) == expected


@pytest.mark.parametrize("step", ["blend_sheets", "downsize"])
def test_a_full_disk_while_the_volume_is_written_leaves_no_volume(
    data: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    expected = whole(data, step)

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "volume.tif")

    with monkeypatch.context() as patch:
        patch.setattr(downsized_volume, "write_volume", full)
        with pytest.raises(OSError, match="No space") as caught:
            run(data, spec_of(step, "a1"))
    assert named_failure(caught.value).reason == DISK_FULL
    assert not list(data.glob("out/small*"))

    run(data, spec_of(step, "a2"))

    assert products_of(data) == expected


@pytest.mark.alone
def test_two_attempts_at_once_give_one_product(data: Path) -> None:
    expected = whole(data, "blend_sheets")
    jobs = [data / "job1", data / "job2"]

    processes = [
        start(job, spec_of("blend_sheets", f"a{number}"), data) for number, job in enumerate(jobs)
    ]

    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert result_of(jobs[0]).outputs == result_of(jobs[1]).outputs
    assert products_of(data) == expected
    assert not list((data / "out").glob("*partial*"))


@pytest.mark.parametrize("value", [0, 65535])
def test_black_and_saturated_planes_go_through_unchanged(tmp_path: Path, value: int) -> None:
    for folder in ("in", "left", "right"):
        stacks.single_planes(tmp_path / folder, np.full((3, 40, 50), value, np.uint16))

    run(tmp_path, blend_spec(equalize="mean", downsized=SMALL))
    blended = products_of(tmp_path)
    (tmp_path / "out").rename(tmp_path / "put-away")
    run(tmp_path, correct_spec(sigma=[8, 16]))
    corrected = products_of(tmp_path)

    planes = {name for name in blended if name.startswith("planes")}
    assert planes == set(corrected)
    assert all(blended[name] == corrected[name] for name in planes)
