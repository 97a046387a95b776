"""Which commit this checkout is at, read from its files: git itself may not be installed."""

from pathlib import Path


def commit_of(folder: Path) -> str:
    """Return the full commit id, or "" where the folder is no checkout."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        return _resolve(git, head.removeprefix("ref: ")) if head.startswith("ref: ") else head
    except OSError:
        return ""


def _resolve(git: Path, ref: str) -> str:
    loose = git / ref
    if loose.is_file():
        return loose.read_text(encoding="ascii").strip()
    for line in (git / "packed-refs").read_text(encoding="ascii").splitlines():
        if line.endswith(f" {ref}"):
            return line.split(" ")[0]
    return ""
