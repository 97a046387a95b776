"""precompute_labels: crashes, changes, full disks; and a cloud-volume that keeps to itself."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import BadInput, named_failure
from pipeline.io import segmentation
from pipeline.io.label_source import FileLabels
from tests.unit.pipeline.label_support import labels_spec, patches, run_in, store
from tests.unit.pipeline.support import REPOSITORY, contents, read_scale, start

if TYPE_CHECKING:
    from pathlib import Path


def product(root: Path) -> dict[str, bytes]:
    files = contents(root / "out/volume")
    del files["_product.json"]
    return files


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A volume of several small shards, stored."""
    monkeypatch.setattr(segmentation, "_SHARD_BITS", 1)
    found = patches((130, 70, 140))
    store(tmp_path, found)
    return found


def _fail_at(shard: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Let the writing of this shard fail; return the list of all that are written."""
    original, written = segmentation.write_durably, []

    def failing(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == shard:
            path.write_bytes(data[:10])
            raise error
        original(path, data)

    monkeypatch.setattr(segmentation, "write_durably", failing)
    return written


@pytest.mark.parametrize("shard", [1, 3, 7])
def test_a_retry_keeps_the_shards_of_the_dead_attempt(
    tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch, shard: int
) -> None:
    run_in(tmp_path)
    whole = product(tmp_path)
    (tmp_path / "out/volume").rename(tmp_path / "whole")
    with monkeypatch.context() as patch:
        _fail_at(shard, RuntimeError("crash"), patch)
        with pytest.raises(RuntimeError):
            run_in(tmp_path, labels_spec("a1"))
    again = _fail_at(1000, RuntimeError("never"), monkeypatch)

    run_in(tmp_path, labels_spec("a2"))

    assert product(tmp_path) == whole
    assert len(again) == sum(name.endswith(".shard") for name in whole) - (shard - 1)
    assert [path.name for path in tmp_path.glob("out/volume*")] == ["volume"]


def test_a_full_disk_leaves_no_half_shard_and_is_named(
    tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_at(3, OSError(errno.ENOSPC, "No space left on device"), monkeypatch)

    with pytest.raises(OSError, match="No space") as caught:
        run_in(tmp_path)

    assert named_failure(caught.value).reason == "DISK_FULL"
    assert not list(tmp_path.glob("out/**/*.writing"))
    assert len(list(tmp_path.glob("out/**/*.shard"))) == 2


@pytest.mark.alone
def test_kill_9_and_resume_give_the_same_bytes(tmp_path: Path) -> None:
    store(tmp_path, patches((2, 1100, 1100), np.uint16))
    run_in(tmp_path)
    whole = product(tmp_path)
    (tmp_path / "out/volume").rename(tmp_path / "whole")

    process = start(tmp_path / "job", labels_spec("killed"), tmp_path)
    while process.poll() is None and not list(tmp_path.glob("out/volume.partial-*/*/*.shard")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)

    assert process.wait() == -signal.SIGKILL
    run_in(tmp_path, labels_spec("after"))
    assert product(tmp_path) == whole


@pytest.mark.parametrize("touched", ["in/labels.tif", "in/tree.json"])
def test_input_that_changes_while_it_is_read_is_never_published(
    tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch, touched: str
) -> None:
    original = FileLabels.counts

    def changing(self: FileLabels) -> object:
        os.utime(tmp_path / touched, ns=(1, 1))
        return original(self)

    monkeypatch.setattr(FileLabels, "counts", changing)

    with pytest.raises(BadInput, match="changed while it was read"):
        run_in(tmp_path)

    assert not list(tmp_path.glob("out/volume*"))


def test_labels_cut_short_in_the_middle_of_reading_are_named(
    tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FileLabels.counts

    def cutting(self: FileLabels) -> object:
        os.truncate(tmp_path / "in/labels.tif", 100_000)
        return original(self)

    monkeypatch.setattr(FileLabels, "counts", cutting)

    with pytest.raises(BadInput, match=r"labels\.tif is shorter than it says"):
        run_in(tmp_path)

    assert not list(tmp_path.glob("out/volume*"))


def test_a_second_run_returns_at_once_and_a_changed_tree_makes_it_anew(
    tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_in(tmp_path, labels_spec("a1"))
    written = _fail_at(1000, RuntimeError("never"), monkeypatch)

    assert run_in(tmp_path, labels_spec("a2")) == first
    assert written == []
    (tmp_path / "in/tree.json").write_text("[]")
    run_in(tmp_path, labels_spec("a3"))

    assert b"id 5" in product(tmp_path)["segment_properties/info"]


def test_no_thread_and_no_connection_is_left(
    tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = set(threading.enumerate())

    run_in(tmp_path)

    assert set(threading.enumerate()) - before == set()


@pytest.mark.alone
def test_the_users_home_is_neither_read_nor_written_and_nothing_is_printed(tmp_path: Path) -> None:
    store(tmp_path, patches((20, 30, 40)))
    home = tmp_path / "home"
    (home / ".cloudvolume/secrets").mkdir(parents=True)
    with suppress(FileExistsError):
        os.mkfifo(home / ".cloudvolume/secrets/project_name")  # reading it would never end
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    (tmp_path / "job").mkdir()
    (tmp_path / "job/spec.json").write_text(labels_spec().to_json())
    command = [sys.executable, "-m", "pipeline", "run", str(tmp_path / "job/spec.json")]
    settings = {
        **os.environ, "HOME": str(home), "LIGHTSERV_DATA_ROOT": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
    }  # fmt: skip
    for name in ("CLOUD_VOLUME_DIR", "CLOUD_FILES_DIR"):
        settings.pop(name, None)

    done = subprocess.run(
        command, env=settings, cwd=tmp_path / "job", capture_output=True, timeout=60, check=False
    )

    assert done.returncode == 0
    assert (b"it/s" in done.stderr, b"%|" in done.stderr) == (False, False)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    assert read_scale(tmp_path / "out/volume", 0).shape == (20, 30, 40)
