"""Are the planes that were read still those on the disk, and those that were inspected?"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, TypeAlias

from pipeline import parameters
from pipeline.contract import Problem
from pipeline.errors import BadInput
from pipeline.raw.wording import count_files, folded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.contract import StepSpec
    from pipeline.workspace import Workspace

# name -> size and time of the last change, ns: enough to notice a change without reading again
Identities: TypeAlias = dict[str, tuple[int, int]]

_DIGEST_BYTES = 16
_WAIT = "Wait until the copy has ended, then retry."
_INSPECT_AGAIN = "Check the raw delivery on the imaging page again, then retry."


def identities(paths: Iterable[Path]) -> Identities:
    """Look at every plane once; raise BadInput for one that is gone."""
    files: Identities = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise BadInput(f"{path.name} cannot be read: {error.strerror or error}.") from error
        files[path.name] = (status.st_size, status.st_mtime_ns)
    return files


def require_unchanged(before: Identities, after: Identities) -> None:
    """Raise BadInput naming every plane that changed, came or went while it was read."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed:
        what = f"The raw data changed while it was read: {folded(changed)}."
        raise BadInput(f"{what} {_WAIT}", [Problem(changed[0], what, _WAIT)])


def require_manifest(spec: StepSpec, work: Workspace, files: Identities) -> None:
    """Compare with what inspect_raw wrote down, where the spec names its manifest.

    The manifest must have the digest given, and every plane the size it had when it was inspected.
    """
    if "manifest" not in spec.inputs:
        return
    path = work.resolve(parameters.text(spec.inputs, "manifest"))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _stale(
            path.name, f"The manifest cannot be read: {error.strerror or error}."
        ) from error
    digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
    if digest != parameters.text(spec.inputs, "manifest_digest", digest):
        raise _stale(path.name, "The manifest is not the one that was written at the inspection.")
    sizes = _inspected_sizes(path.name, data)
    others = [name for name, (size, _) in files.items() if sizes.get(name) != size]
    if others:
        what = f"{count_files(len(others))} changed after the inspection: {folded(others)}."
        raise _stale(others[0], what)


def _inspected_sizes(name: str, manifest: bytes) -> dict[str, int]:
    try:
        lines = [json.loads(line) for line in manifest.splitlines()]
        return {line["name"]: line["size"] for line in lines}
    except (ValueError, TypeError, KeyError) as error:
        raise _stale(name, "The manifest is not one that the inspection writes.") from error


def _stale(file: str, what: str) -> BadInput:
    return BadInput(f"{what} {_INSPECT_AGAIN}", [Problem(file, what, _INSPECT_AGAIN)])
