"""Crashes, retries and two attempts at once: a product is whole or not there."""

from __future__ import annotations

import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline import products
from pipeline.errors import Busy
from pipeline.io.volume import VolumeWriter
from tests.support import stacks
from tests.unit.pipeline.support import (
    contents,
    precompute_in,
    precompute_spec,
    read_scale,
    result_of,
    start,
)

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SETTINGS = {"compression": "gzip", "chunk": [32, 32, 16], "checkpoint_seconds": 0}


@pytest.fixture
def volume() -> np.ndarray:
    return stacks.random_volume((250, 150, 170))


@pytest.fixture
def data(tmp_path: Path, volume: np.ndarray) -> Path:
    stacks.single_planes(tmp_path / "in", volume)
    return tmp_path


def _fail_after(slabs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writer die without warning after so many slabs."""
    original = VolumeWriter._write_slab
    left = [slabs]

    def dying(self: VolumeWriter, *arguments: object) -> None:
        if left[0] == 0:
            raise RuntimeError("crash")
        left[0] -= 1
        original(self, *arguments)

    monkeypatch.setattr(VolumeWriter, "_write_slab", dying)


@pytest.mark.alone
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_any_moment_and_resume_give_the_same_bytes(data: Path, seed: int) -> None:
    precompute_in(data, **SETTINGS)
    whole = contents(data / "out/volume")
    (data / "out/volume").rename(data / "whole")
    rng = random.Random(seed)

    attempt = kills = 0
    while not (data / "out/volume").exists():
        attempt += 1
        spec = precompute_spec(f"attempt-{seed}-{attempt}", **SETTINGS)
        process = start(data / f"job{attempt}", spec, data)
        if _saw_checkpoints(data / "out", process, number=rng.randint(2, 6)):
            time.sleep(rng.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        assert attempt < 40

    assert kills > 0
    assert contents(data / "out/volume") == whole
    assert [path.name for path in data.glob("out/volume*")] == ["volume"]


def _saw_checkpoints(folder: Path, process: subprocess.Popen[bytes], *, number: int) -> bool:
    """Wait until the process has saved that many times; False if it ended before."""
    seen: set[int] = set()
    while process.poll() is None and len(seen) <= number:  # the first may be a former attempt's
        for path in folder.glob("volume.partial-*/checkpoint.npz"):
            with suppress(FileNotFoundError):
                seen.add(path.stat().st_mtime_ns)
        time.sleep(0.001)
    return process.poll() is None


@pytest.mark.parametrize("slabs", [1, 4, 7, 15])
def test_a_retry_goes_on_where_the_dead_attempt_was(
    data: Path, volume: np.ndarray, monkeypatch: pytest.MonkeyPatch, slabs: int
) -> None:
    with monkeypatch.context() as patch:
        _fail_after(slabs, patch)
        with pytest.raises(RuntimeError):
            precompute_in(data, precompute_spec("a1", **SETTINGS))
    _fail_after(-(-250 // 16) - slabs, monkeypatch)  # enough for the rest, not for all

    precompute_in(data, precompute_spec("a2", **SETTINGS))

    assert np.array_equal(read_scale(data / "out/volume", 0), volume)


def test_a_broken_checkpoint_means_starting_again(
    data: Path, volume: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_after(3, patch)
        with pytest.raises(RuntimeError):
            precompute_in(data, precompute_spec("a1", **SETTINGS))
    stacks.truncate(data / "out/volume.partial-a1/checkpoint.npz")

    precompute_in(data, precompute_spec("a2", **SETTINGS))

    assert np.array_equal(read_scale(data / "out/volume", 0), volume)


def test_work_for_other_parameters_is_not_taken_over(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_after(3, patch)
        with pytest.raises(RuntimeError):
            precompute_in(data, precompute_spec("a1", **SETTINGS))

    outputs = precompute_in(data, precompute_spec("a2", compression="none", mips=1))

    assert len(outputs["scales"]) == 2
    assert [path.name for path in data.glob("out/volume*")] == ["volume"]


def test_a_second_run_returns_at_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = precompute_in(data, precompute_spec("a1", **SETTINGS))
    _fail_after(0, monkeypatch)

    assert precompute_in(data, precompute_spec("a2", **SETTINGS)) == first


def test_changed_input_replaces_the_product(data: Path) -> None:
    precompute_in(data, precompute_spec("a1"))
    stacks.write_plane(data / "in/plane_0000.tif", np.zeros((150, 170), dtype=np.uint16))

    precompute_in(data, precompute_spec("a2"))

    assert read_scale(data / "out/volume", 0)[0].max() == 0
    assert [path.name for path in data.glob("out/volume*")] == ["volume"]


@pytest.mark.alone
def test_two_attempts_at_once_give_one_product(data: Path, volume: np.ndarray) -> None:
    jobs = [data / "job1", data / "job2"]

    processes = [
        start(job, precompute_spec(f"a{number}", **SETTINGS), data)
        for number, job in enumerate(jobs)
    ]

    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert result_of(jobs[0]).outputs == result_of(jobs[1]).outputs
    assert np.array_equal(read_scale(data / "out/volume", 0), volume)
    assert [path.name for path in data.glob("out/volume*")] == ["volume"]


def test_the_same_attempt_twice_at_once_is_busy(tmp_path: Path) -> None:
    with (
        products.open_draft(tmp_path / "v", name="a1", identity="x"),
        pytest.raises(Busy),
        products.open_draft(tmp_path / "v", name="a1", identity="x"),
    ):
        pass


def test_a_live_draft_is_neither_adopted_nor_removed(tmp_path: Path) -> None:
    with products.open_draft(tmp_path / "v", name="a1", identity="x") as live:
        with products.open_draft(tmp_path / "v", name="a2", identity="x") as other:
            assert not other.resumed
        assert live.folder.exists()


def test_a_dead_draft_of_the_same_product_is_adopted(tmp_path: Path) -> None:
    with products.open_draft(tmp_path / "v", name="a1", identity="x") as dead:
        (dead.folder / "work").write_text("done")

    with products.open_draft(tmp_path / "v", name="a2", identity="x") as draft:
        assert draft.resumed
        assert (draft.folder / "work").read_text() == "done"


def test_the_later_of_two_equal_products_is_dropped(tmp_path: Path) -> None:
    with (
        products.open_draft(tmp_path / "v", name="a1", identity="x") as first,
        products.open_draft(tmp_path / "v", name="a2", identity="x") as second,
    ):
        first.publish({"outputs": {"by": "first"}})
        outputs = second.publish({"outputs": {"by": "second"}})

    assert outputs == {"by": "first"}
    assert [path.name for path in tmp_path.glob("v*")] == ["v"]


def test_a_swap_that_was_interrupted_is_put_right(tmp_path: Path) -> None:
    with products.open_draft(tmp_path / "v", name="a1", identity="x") as draft:
        draft.publish({"outputs": {"by": "first"}})
    (tmp_path / "v").rename(tmp_path / "v.old")

    with products.open_draft(tmp_path / "v", name="a2", identity="y"):
        assert products.published(tmp_path / "v", "x") == {"by": "first"}


def test_a_product_is_replaced_as_a_whole_and_its_helpers_go(tmp_path: Path) -> None:
    for number in ("1", "2"):
        with products.open_draft(tmp_path / "v", name="a", identity=number) as draft:
            (draft.folder / f"part{number}").write_text(number)
            draft.publish({"outputs": {}})

    assert sorted(contents(tmp_path / "v")) == ["_product.json", "part2"]
