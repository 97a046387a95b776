"""The part of the world a step may touch: paths under the data root, progress, threads."""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_BETWEEN_REPORTS = 0.5


def now_iso() -> str:
    """The present moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` so that a reader sees the old or the new, also after a power cut.

    A file name inside that is no UTF-8 is written readably rather than refused.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_durably(temporary, text.encode(errors="backslashreplace"))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that is on the disk itself when this returns."""
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def resolve_under(root: Path, relative: str) -> Path:
    """Return the path below `root`; raise BadInput if it is absolute, climbs or is linked out."""
    pure = PurePosixPath(relative)
    if not relative or "\0" in relative or pure.is_absolute() or ".." in pure.parts:
        raise BadInput(
            f"The path {relative!r} must be relative to the data root and may not climb."
        )
    real_root = root.resolve()
    try:
        target = (real_root / pure).resolve()
    except (OSError, RuntimeError) as error:
        raise BadInput(f"The path {relative!r} cannot be resolved: {error}.") from error
    if not target.is_relative_to(real_root) or target == real_root:
        raise BadInput(f"The path {relative!r} leads out of the data root.")
    return target


@dataclass(slots=True)
class Workspace:
    """Handed to a step: `resolve` refuses escapes, `progress` reports at most twice a second.

    `task` is the part of the step that is wanted, None for a step that is one whole.
    """

    root: Path
    name: str
    threads: int
    progress_file: Path | None = None
    spec_file: Path | None = None
    task: int | None = None
    clock: Callable[[], float] = time.monotonic
    metrics: dict[str, int] = field(default_factory=dict)
    input_digest: str = ""
    _reported_at: float = field(default=float("-inf"), init=False)

    def resolve(self, relative: str) -> Path:
        return resolve_under(self.root, relative)

    def progress(self, done: int, total: int, unit: str, label: str) -> None:
        """Tell how far the step is. A full disk must not fail it here, so errors are dropped."""
        moment = self.clock()
        if self.progress_file is None:
            return
        if done < total and moment - self._reported_at < _SECONDS_BETWEEN_REPORTS:
            return
        self._reported_at = moment
        report = {"done": done, "total": total, "unit": unit, "label": label, "at": now_iso()}
        temporary = self.progress_file.with_name(f".{self.progress_file.name}.{os.getpid()}")
        with suppress(OSError):
            temporary.write_text(json.dumps(report), encoding="utf-8")
            temporary.replace(self.progress_file)

    def count_bytes(self, *, read: int = 0, written: int = 0) -> None:
        """Add to the bytes that the result reports as metrics."""
        self.metrics["bytes_in"] = self.metrics.get("bytes_in", 0) + read
        self.metrics["bytes_out"] = self.metrics.get("bytes_out", 0) + written
