"""`python -m pipeline run`: a result is left beside the spec, whatever happens."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline import __main__ as command_line
from pipeline import runner
from pipeline.contract import PIPELINE_VERSION, Problem
from pipeline.errors import BadInput
from pipeline.io.volume import VolumeWriter
from pipeline.workspace import Workspace, resolve_under
from tests.support import disks, stacks
from tests.unit.pipeline.support import REPOSITORY, precompute_spec, read_scale, result_of, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.contract import StepSpec


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with a small stack in `in`."""
    root = tmp_path / "data"
    stacks.single_planes(root / "in", stacks.random_volume((6, 12, 16)))
    return root


@pytest.fixture(autouse=True)
def _signals_as_before() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def _run(job: Path, text: str, data: Path | None) -> int:
    job.mkdir(parents=True, exist_ok=True)
    (job / "spec.json").write_text(text)
    return runner.run_file(job / "spec.json", data_root=data)


def _changed(**changes: object) -> str:
    return json.dumps({**json.loads(precompute_spec().to_json()), **changes})


def test_a_good_spec_succeeds_and_says_what_it_cost(tmp_path: Path, data: Path) -> None:
    code = _run(tmp_path / "job", precompute_spec().to_json(), data)

    result = result_of(tmp_path / "job")
    assert (code, result.status, result.reason) == (0, "succeeded", "")
    assert result.outputs["shape"] == [16, 12, 6]
    assert result.metrics["bytes_in"] == 6 * 12 * 16 * 2
    assert result.metrics["bytes_out"] == result.outputs["bytes"]
    assert result.versions["pipeline"] == PIPELINE_VERSION
    assert len(result.input_digest) == 32
    assert sorted(p.name for p in (tmp_path / "job").iterdir()) == [
        "progress.json",
        "result.json",
        "spec.json",
    ]


def test_bad_input_is_a_failed_step_with_its_problems(tmp_path: Path, data: Path) -> None:
    stacks.truncate(data / "in/plane_0002.tif")

    code = _run(tmp_path / "job", precompute_spec().to_json(), data)

    result = result_of(tmp_path / "job")
    assert (code, result.status, result.reason) == (1, "failed", "BAD_INPUT")
    assert [problem.file for problem in result.problems] == ["plane_0002.tif"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "9.9.9"}, "VERSION_MISMATCH"),
        ({"contract": 99}, "VERSION_MISMATCH"),
        ({"step": "stitch"}, "BAD_INPUT"),
        ({"surprise": 1}, "BAD_INPUT"),
        ({"inputs": {"folder": "in"}}, "BAD_INPUT"),
        ({"inputs": {"folder": "in", "layout": "planes", "extra": 1}}, "BAD_INPUT"),
        ({"parameters": {}}, "BAD_INPUT"),
        ({"outputs": {}}, "BAD_INPUT"),
    ],
)
def test_an_unusable_spec_is_refused_with_its_reason(
    tmp_path: Path, data: Path, changes: dict[str, object], reason: str
) -> None:
    code = _run(tmp_path / "job", _changed(**changes), data)

    assert code == 2
    assert result_of(tmp_path / "job").reason == reason
    assert not (data / "out").exists()


def test_a_spec_that_is_no_json_still_leaves_a_result(tmp_path: Path, data: Path) -> None:
    code = _run(tmp_path / "job", "{", data)

    assert code == 2
    assert "not valid JSON" in result_of(tmp_path / "job").message


def test_a_missing_spec_still_leaves_a_result(tmp_path: Path, data: Path) -> None:
    assert runner.run_file(tmp_path / "spec.json", data_root=data) == 2
    assert result_of(tmp_path).reason == "BAD_INPUT"


def test_without_a_data_root_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIGHTSERV_DATA_ROOT", raising=False)

    assert _run(tmp_path / "job", precompute_spec().to_json(), None) == 2
    assert "LIGHTSERV_DATA_ROOT" in result_of(tmp_path / "job").message


@pytest.mark.parametrize("path", ["/etc", "../root2", "a/../../b", "", ".", "link/in", "nul\0byte"])
def test_no_path_leaves_the_data_root(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)

    with pytest.raises(BadInput):
        resolve_under(root, path)


def test_a_link_within_the_data_root_is_fine(data: Path) -> None:
    (data / "alias").symlink_to(data / "in")

    assert resolve_under(data, "alias") == (data / "in").resolve()


@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_an_escaping_spec_is_bad_input(tmp_path: Path, data: Path, where: str) -> None:
    escaping = {
        "inputs": {"folder": "../job", "layout": "planes"},
        "outputs": {"volume": "../stolen"},
    }

    code = _run(tmp_path / "job", _changed(**{where: escaping[where]}), data)

    assert code == 1
    assert result_of(tmp_path / "job").reason == "BAD_INPUT"
    assert not (tmp_path / "stolen").exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "OUT_OF_MEMORY"),
        (OSError(errno.ENOSPC, "no space"), "DISK_FULL"),
        (OSError(errno.EDQUOT, "quota"), "DISK_FULL"),
        (OSError(errno.EIO, "broken"), "STEP_ERROR"),
        (ZeroDivisionError("x"), "STEP_ERROR"),
    ],
)
def test_every_exception_gets_its_name(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def failing(spec: StepSpec, work: Workspace) -> dict[str, object]:
        raise error

    monkeypatch.setattr(runner, "load_step", lambda _name: failing)

    code = _run(tmp_path / "job", precompute_spec().to_json(), data)

    assert code == 1
    assert result_of(tmp_path / "job").reason == reason


@pytest.mark.alone
def test_sigterm_stops_cleanly_and_a_retry_finishes(tmp_path: Path) -> None:
    root = tmp_path / "data"
    volume = stacks.random_volume((400, 256, 256))
    stacks.single_planes(root / "in", volume)
    spec = precompute_spec(compression="gzip", chunk=[32, 32, 16], checkpoint_seconds=0)

    process = start(tmp_path / "job", spec, root)
    _wait_for(root / "out/volume.partial-ls-r1-precompute-a1/checkpoint.npz")
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=30) == 1
    assert result_of(tmp_path / "job").reason == "CANCELLED"
    assert not (root / "out/volume").exists()
    assert start(tmp_path / "job", spec, root).wait(timeout=60) == 0


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_failure_whose_file_name_is_no_utf_8_still_leaves_a_result(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.fsdecode(b"M\xfcller.tif")

    def failing(spec: StepSpec, work: Workspace) -> dict[str, object]:
        raise BadInput(f"{name} is wrong.", [Problem(name, "It is wrong.", "Mend it.")])

    monkeypatch.setattr(runner, "load_step", lambda _name: failing)

    assert _run(tmp_path / "job", precompute_spec().to_json(), data) == 1
    assert result_of(tmp_path / "job").problems[0].file == r"M\udcfcller.tif"


def test_a_write_without_room_is_named_a_full_disk(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)

    code = _run(tmp_path / "job", precompute_spec().to_json(), data)

    assert code == 1
    result = result_of(tmp_path / "job")
    assert result.reason == "DISK_FULL"
    assert "Free space" in result.message
    assert not (data / "out/volume").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with disks.small_disk(tmp_path / "disk", "size=4m") as disk:
        yield disk


def _fill(disk: Path, *, leave: int) -> None:
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "others").write_bytes(bytes(max(0, free - leave)))


@pytest.mark.parametrize("room", [0, 100_000])
def test_a_full_disk_is_named_even_where_the_result_lies_on_it(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    stacks.single_planes(small_disk / "in", stacks.random_volume((20, 64, 64)))
    original = runner.load_step

    def after_filling(name: str) -> runner.Step:
        _fill(small_disk, leave=room)
        return original(name)

    monkeypatch.setattr(runner, "load_step", after_filling)

    code = _run(small_disk / "job", precompute_spec().to_json(), small_disk)

    result = result_of(small_disk / "job")
    assert (code, result.reason) == (1, "DISK_FULL")
    assert "Free space or raise the quota, then retry" in result.message
    assert not (small_disk / "out/volume").exists()


def test_a_checkpoint_without_room_is_a_full_disk_and_the_former_one_is_used_again(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = stacks.random_volume((64, 64, 64))
    stacks.single_planes(small_disk / "in", volume)
    spec = precompute_spec(chunk=[16, 16, 16], mips=1, checkpoint_seconds=0).to_json()
    original, saved = VolumeWriter.save, []

    def save(self: VolumeWriter, path: Path) -> None:
        if saved:
            _fill(small_disk, leave=0)
        saved.append(self.next_plane)
        original(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(VolumeWriter, "save", save)
        assert _run(tmp_path / "job", spec, small_disk) == 1
    left = sorted(path.name for path in small_disk.glob("out/*/checkpoint*"))
    (small_disk / "others").unlink()

    assert result_of(tmp_path / "job").reason == "DISK_FULL"
    assert (saved, left) == ([16, 32], ["checkpoint.npz"])
    assert _run(tmp_path / "job", spec, small_disk) == 0
    assert np.array_equal(read_scale(small_disk / "out/volume", 0), volume)


def test_a_file_size_limit_is_named_like_a_full_disk(tmp_path: Path, data: Path) -> None:
    """The system itself says no here: writes beyond 200 KiB in one file fail."""
    stacks.single_planes(data / "in", stacks.random_volume((40, 120, 160)))
    job = tmp_path / "job"
    job.mkdir()
    (job / "spec.json").write_text(precompute_spec().to_json())
    command = f"ulimit -f 400; exec {sys.executable} -m pipeline run {job}/spec.json"

    done = subprocess.run(
        ["sh", "-c", f"{command} --data-root {data}"],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
    )

    assert done.returncode == 1
    assert result_of(job).reason == "DISK_FULL"
    assert not (data / "out/volume").exists()


def test_progress_is_written_at_most_twice_a_second(tmp_path: Path) -> None:
    moments = iter([0.0, 0.1, 0.4, 0.6, 0.7, 0.8])
    report = tmp_path / "progress.json"
    work = Workspace(tmp_path, "a1", 1, progress_file=report, clock=lambda: next(moments))

    seen = []
    for done in (1, 2, 3, 4, 5, 6):
        work.progress(done, 6, "planes", "Writing")
        seen.append(json.loads(report.read_text())["done"])

    assert seen == [1, 1, 1, 4, 4, 6]


def test_list_names_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["list"]) == 0
    assert {"inspect_raw", "precompute"} <= set(capsys.readouterr().out.split())


def test_check_prints_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["check"]) == 0
    assert "numpy" in capsys.readouterr().out


def test_check_fails_when_something_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line.registry, "PACKAGES", ("numpy", "no-such-package"))

    assert command_line.main(["check"]) == 1
    assert "missing: no-such-package" in capsys.readouterr().out
