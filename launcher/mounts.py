"""Which folder of the host a container may see: the one of a layer, below the data root."""

import os
import stat
from pathlib import Path
from typing import Final

from launcher.errors import Missing, NotAllowed

LONGEST: Final = 1024


def layer_folder(root: Path, layer: str) -> Path:
    """Return the real path of a layer that exists, has an `info`, and lies below the data root.

    `layer` is its path below the root. Nothing is created: what is not there raises Missing, what
    leads out of the root NotAllowed.
    """
    _require_plain(layer)
    try:
        real_root = root.resolve(strict=True)
        folder = (real_root / layer).resolve(strict=True)
    except OSError:  # missing, not a folder on the way, or a circle of links
        raise Missing(f"There is no layer {layer!r}.") from None
    if folder == real_root or not folder.is_relative_to(real_root):
        raise NotAllowed(f"{layer!r} leads out of the data root.")
    if not folder.is_dir() or not _is_regular(folder / "info"):
        raise Missing(f"{layer!r} is no layer: it has no file `info`.")
    return folder


def _require_plain(layer: str) -> None:
    parts = layer.split("/")
    if not layer or len(layer) > LONGEST or any(part in {"", ".", ".."} for part in parts):
        raise NotAllowed(f"{layer[:80]!r} is not a path below the data root.")
    # A colon or comma would end the path in some spellings of a mount.
    if any(ord(char) < 32 or char in "\\:," for char in layer):
        raise NotAllowed(f"{layer[:80]!r} has a character that no path of a layer may have.")


def _is_regular(path: Path) -> bool:
    """Tell whether it is a file itself. A link would show something else to the container."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
