"""Is the storage there, writable, of the right group, and with room?"""

import grp
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from facility_app.doctor.findings import Finding, failed, ok, warning

GIB: Final = 1 << 30
# Of a disk.
SCARCE: Final = 0.05
HIDDEN: Final = ".lightserv-doctor"


@contextmanager
def probe_file(content: bytes) -> Iterator[str]:
    """Leave a file below the data root for the length of a block; gives its relative path."""
    folder = Path(settings.DATA_ROOT) / HIDDEN
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o2770)  # as all data: for the group, never for everybody
    file = folder / secrets.token_hex(8)
    try:
        file.write_bytes(content)
        file.chmod(0o660)
        yield f"{HIDDEN}/{file.name}"
    finally:
        file.unlink(missing_ok=True)
        # Another doctor may be at work.
        if not any(folder.iterdir()):
            folder.rmdir()


def data_root() -> Finding:
    """Write a file and remove it; look at the group and at the room that is left."""
    root = Path(settings.DATA_ROOT)
    if not root.is_dir():
        return failed(f"{root} is no folder.", "Mount the storage there, or set DATA_ROOT.")
    try:
        with probe_file(b"lightserv"):
            pass
    except OSError as problem:
        action = "Let this account write there, or mount it for writing."
        return failed(f"{root} cannot be written: {problem.strerror}", action)
    return _group(root) or room(f"{root}", *_sizes(root))


def room(place: str, total: int, free: int) -> Finding:
    """Judge the bytes that are free."""
    words = f"{place}: {free / GIB:,.1f} of {total / GIB:,.1f} GiB are free"
    if free < GIB / 10:
        return failed(words, "Free space, or nothing can be written there.")
    if free < GIB or free < SCARCE * total:
        return warning(words, "Free space soon.")
    return ok(words)


def _sizes(root: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(root)
    return usage.total, usage.free


def _group(root: Path) -> Finding | None:
    name = settings.DATA_GROUP
    if not name:
        return None
    try:
        wanted = grp.getgrnam(name)
    except KeyError:
        return failed(f"There is no group {name} on this host.", "Make it, or set DATA_GROUP.")
    facts = root.stat()
    if facts.st_gid != wanted.gr_gid:
        return failed(f"{root} does not belong to the group {name}.", f"Run: chgrp {name} {root}")
    if os.geteuid() and wanted.gr_gid not in {os.getegid(), *os.getgroups()}:
        return failed(f"This account is not in the group {name}.", "Add it, then restart the site.")
    if not facts.st_mode & stat.S_ISGID:
        action = f"Run: chmod g+s {root}"
        return warning(f"New files in {root} do not get the group {name}.", action)
    return None
