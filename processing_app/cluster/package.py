"""Pure: the pipeline package as one archive, and the names of what is made of it on a cluster."""

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.contract import PIPELINE_VERSION

PACKAGE: Final = "pipeline"
REQUIREMENTS: Final = f"{PACKAGE}/requirements.txt"
_LEFT_OUT: Final = frozenset({"__pycache__", "tests"})
_FILE_MODE: Final = 0o640
_TOKEN: Final = r"(?P<at>[0-9a-f]{8,12})-[0-9a-f]{6}"
# What this site makes there, and therefore may remove there.
DEPLOYED: Final = re.compile(r"pipeline-[0-9A-Za-z][0-9A-Za-z.]{0,31}-[0-9a-f]{8}")
UNFINISHED: Final = re.compile(rf"{DEPLOYED.pattern}\.(?:partial|aside)-{_TOKEN}")
ENVIRONMENT: Final = re.compile(rf"env-[0-9a-f]{{12}}-{_TOKEN}")


@dataclass(frozen=True, slots=True)
class Package:
    """One state of the pipeline package. The archive is the same for the same files."""

    version: str
    digest: str
    archive: bytes
    requirements: bytes

    @property
    def folder_name(self) -> str:
        return f"pipeline-{self.version}-{self.digest[:8]}"


def package_of(root: Path, *, version: str = PIPELINE_VERSION) -> Package:
    """Pack the package `pipeline` that lies in `root`, without caches and tests."""
    files = [(path.relative_to(root).as_posix(), path.read_bytes()) for path in _files(root)]
    requirements = dict(files).get(REQUIREMENTS, b"")
    return Package(version, _digest(files), _archive(files), requirements)


def place_of(workdir: str) -> str:
    """Return the folder of all deployed pipelines of a cluster."""
    return f"{workdir.rstrip('/')}/pipelines"


def is_removable(path: str, workdir: str) -> bool:
    """Return True for a folder that deploying makes itself, right below its place."""
    parent, _, name = path.rpartition("/")
    patterns = (DEPLOYED, UNFINISHED, ENVIRONMENT)
    return parent == place_of(workdir) and any(pattern.fullmatch(name) for pattern in patterns)


def begun_at(name: str) -> float | None:
    """Return when a folder that was made on the way was begun, in seconds since 1970."""
    found = UNFINISHED.fullmatch(name) or ENVIRONMENT.fullmatch(name)
    return float(int(found["at"], 16)) if found else None


def _files(root: Path) -> Iterator[Path]:
    for path in sorted((root / PACKAGE).rglob("*")):
        parts = set(path.relative_to(root).parts)
        if path.is_file() and path.suffix != ".pyc" and not parts & _LEFT_OUT:
            yield path


def _digest(files: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _archive(files: list[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), _FILE_MODE
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
