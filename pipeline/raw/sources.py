"""Are the planes that were read still those on the disk, and those that were inspected?"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

from pipeline import parameters
from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.raw.manifest import DIGEST_BYTES, read_lines
from pipeline.raw.wording import count_files, folded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.contract import Json, StepSpec
    from pipeline.workspace import Workspace

# name -> size and time of the last change, ns: enough to notice a change without reading again
Identities: TypeAlias = dict[str, tuple[int, int]]

_READ_BYTES = 1 << 20
_WAIT = "Wait until the copy has ended, then retry."
_INSPECT_AGAIN = "Check the raw delivery on the imaging page again, then retry."


def identities(folder: Path, paths: Iterable[Path | None]) -> Identities:
    """Look at every plane once, by its name in the folder; raise BadInput for one that is gone."""
    files: Identities = {}
    for path in filter(None, paths):
        try:
            status = path.stat()
        except OSError as error:
            raise BadInput(f"{path.name} cannot be read: {error.strerror or error}.") from error
        files[path.relative_to(folder).as_posix()] = (status.st_size, status.st_mtime_ns)
    return files


def listed(files: Identities) -> list[Json]:
    """Return them as JSON, for what is made of them."""
    return [[name, *identity] for name, identity in files.items()]


def require_unchanged(before: Identities, after: Identities) -> None:
    """Raise BadInput naming every plane that changed, came or went while it was read."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed:
        what = f"The raw data changed while it was read: {folded(changed)}."
        raise BadInput(f"{what} {_WAIT}", [Problem(changed[0], what, _WAIT)])


def require_manifest(spec: StepSpec, work: Workspace, files: Identities) -> None:
    """Compare with what inspect_raw wrote down, where the spec names its manifest.

    The manifest must have the digest given, and every plane the size and the time of change that it
    had when it was inspected.
    """
    if "manifest" not in spec.inputs:
        return
    path = work.resolve(parameters.text(spec.inputs, "manifest"))
    wanted = parameters.text(spec.inputs, "manifest_digest", "")
    try:
        if wanted not in ("", _digest(path)):
            what = "The manifest is not the one that was written at the inspection."
            raise _stale(path.name, what)
        known = _inspected(path, files)
    except OSError as error:
        what = f"The manifest cannot be read: {error.strerror or error}."
        raise _stale(path.name, what) from error
    except ValueError as error:
        what = "The manifest is not one that the inspection writes."
        raise _stale(path.name, what) from error
    others = [name for name, identity in files.items() if not _is_same(known.get(name), identity)]
    if others:
        what = f"{count_files(len(others))} changed after the inspection: {folded(others)}."
        raise _stale(others[0], what)


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with path.open("rb") as stream:
        while data := stream.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


def _inspected(path: Path, files: Identities) -> Identities:
    """What the manifest says of these files."""
    lines = read_lines(path)
    return {line.name: (line.size, line.mtime_ns) for line in lines if line.name in files}


def _is_same(known: tuple[int, int] | None, now: tuple[int, int]) -> bool:
    """A manifest of an earlier version has no time, which is -1."""
    return known is not None and known[0] == now[0] and known[1] in (-1, now[1])


def _stale(file: str, what: str) -> BadInput:
    return BadInput(f"{what} {_INSPECT_AGAIN}", [Problem(file, what, _INSPECT_AGAIN)])
