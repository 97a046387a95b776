"""Small file systems, to be filled: only a real one answers as a full disk does."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs with these options (`size=256k`) at a new folder, and take it away again.

    A test that needs one is skipped where mounting is not allowed: for everybody but root, and in
    some containers.
    """
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    mounted = subprocess.run(argv, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(disk: Path, options: str) -> None:
    """Give a small disk another size (`size=4m`); it must be large enough for what is there."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
