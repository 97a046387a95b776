"""Opening a file below a root: nothing outside can be read, whatever lies on the disk."""

import os
from pathlib import Path

import pytest

from viewers_app.rooted import open_below

SECRET = b"of somebody else"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one volume, a secret beside it, and every kind of trap inside."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "info").write_bytes(SECRET)
    root = tmp_path / "root"
    volume = root / "volume"
    (volume / "scale").mkdir(parents=True)
    (volume / "info").write_bytes(b"{}")
    (volume / "scale" / "0.shard").write_bytes(b"voxels")
    (volume / "linked-file").symlink_to(tmp_path / "secret" / "info")
    (volume / "linked-folder").symlink_to(tmp_path / "secret")
    (volume / "linked-inside").symlink_to(volume / "info")
    os.mkfifo(volume / "pipe")
    return root


def test_a_file_is_read(root: Path) -> None:
    with open_below(root, ("volume", "scale", "0.shard")) as file:  # type: ignore[union-attr]
        assert file.read() == b"voxels"


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mounted").symlink_to(root)

    with open_below(tmp_path / "mounted", ("volume", "info")) as file:  # type: ignore[union-attr]
        assert file.read() == b"{}"


@pytest.mark.parametrize(
    "parts",
    [
        ("volume", "linked-file"),
        ("volume", "linked-inside"),
        ("volume", "linked-folder", "info"),
        ("volume", "scale"),
        ("volume",),
        ("volume", "pipe"),
        ("volume", "missing"),
        ("missing", "info"),
        ("volume", "info", "info"),
        ("..", "secret", "info"),
        ("volume", "..", "..", "secret", "info"),
        ("volume", "../../secret/info"),
        ("volume", ".."),
        ("volume", ""),
        ("volume", "info\0"),
        ("volume", "\ud800"),
        ("volume", "n" * 5000),
    ],
)
def test_nothing_but_a_plain_file_inside_is_opened(root: Path, parts: tuple[str, ...]) -> None:
    assert open_below(root, parts) is None


def test_an_absolute_part_does_not_leave_the_root(root: Path, tmp_path: Path) -> None:
    assert open_below(root, ("volume", str(tmp_path / "secret" / "info"))) is None


def test_no_handle_stays_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # counts handles

    for part in ("linked-file", "missing", "pipe", "scale"):
        open_below(root, ("volume", part))

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208  # counts handles
