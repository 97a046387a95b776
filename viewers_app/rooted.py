"""open_below(): open a file below the data root, following no link on the way."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
# NONBLOCK: opening a named pipe must not wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def open_below(root: Path, parts: Sequence[str]) -> BinaryIO | None:
    """Return the open regular file, or None for whatever else is there, or nothing.

    The root itself may be a link; each part below is opened from its parent's handle.
    """
    try:
        folder = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY))
        try:
            for part in parts[:-1]:
                folder = _step_into(folder, part)
            _require_name(parts[-1])
            return _regular(os.open(parts[-1], _FILE, dir_fd=folder))
        finally:
            os.close(folder)
    except (OSError, ValueError):
        return None


def _step_into(folder: int, part: str) -> int:
    """Open a folder inside `folder` and close that one; on failure the caller closes it."""
    _require_name(part)
    inner = os.open(part, _FOLDER, dir_fd=folder)
    os.close(folder)
    return inner


def _regular(descriptor: int) -> BinaryIO | None:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    return None


def _require_name(part: str) -> None:
    if part in {"", ".", ".."} or "/" in part:
        raise ValueError(f"{part!r} is no name of a file.")
