"""Folders below the data root: made for a group, never for everybody."""

import os
import shutil
from pathlib import Path

from django.conf import settings

from core_app.errors import Rejected
from core_app.paths import DataPath

# Group may write, and what is made inside keeps the group: web and cluster are different accounts.
FOLDER_MODE = 0o2770


def make_folder(path: DataPath) -> Path:
    """Make the folder and its parents below DATA_ROOT. Safe to repeat.

    Raises Rejected with the remedy, and Invalid where a link on the way leads out of the root.
    """
    path.real_under(settings.DATA_ROOT)
    folder: Path = settings.DATA_ROOT
    try:
        for part in str(path).split("/"):
            folder = folder / part
            _make(folder)
    except OSError as problem:
        raise Rejected(
            f"The folder {path} cannot be made",
            f"{problem.strerror}: check DATA_ROOT and its rights",
        ) from problem
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        return
    if settings.DATA_GROUP:
        shutil.chown(folder, group=settings.DATA_GROUP)
    # mkdir's own mode is cut by the umask, and a change of group drops setgid.
    os.chmod(folder, FOLDER_MODE)  # noqa: PTH101  # keeps the setgid bit on every platform
