"""Whether a shell can read the lines that operators write; nothing of them is carried out."""

import subprocess
from typing import Final

# `sh` is dash on one machine and bash on another; what either can read may be right there.
_READERS: Final = (("sh", "-n"), ("bash", "-n"))
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
_LIMIT_S: Final = 5.0


def trouble_in(lines: str) -> str:
    """Return what a shell of this host says if none can read the lines; empty if one can."""
    troubles = [_told_by(argv, lines.replace("\r\n", "\n")) for argv in _READERS]
    told = [trouble for trouble in troubles if trouble is not None]
    return told[0] if told and all(told) else ""


def _told_by(argv: tuple[str, ...], lines: str) -> str | None:
    """Return what one shell says; None if it is not here."""
    try:
        done = subprocess.run(
            argv, input=f"{lines}\n", env=_ENVIRONMENT, cwd="/", timeout=_LIMIT_S, check=False,
            capture_output=True, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stderr.strip() or "It cannot be read.") if done.returncode else ""
