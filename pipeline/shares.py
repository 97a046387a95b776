"""Folders of planes that a step makes as one whole, or the tasks of an array in shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import products, provenance
from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.workspace import Workspace


def make_planes(
    spec: StepSpec,
    work: Workspace,
    identity: str,
    *,
    planes: int,
    fill: Callable[[Path, range], JsonDict],
) -> JsonDict:
    """Make the folder at output `planes` and publish it; return its outputs.

    `fill(folder, share)` writes the planes of the share into the draft and returns what is said of
    the whole. A task writes its share alone and leaves the draft to the step that follows. BadInput
    drops what was made.
    """
    destination, is_task = work.resolve(spec.outputs["planes"]), work.task is not None
    share = _share_of(spec, work, planes)
    with products.open_draft(
        destination, name=spec.name, identity=identity, shared=is_task
    ) as draft:
        try:
            outputs = fill(draft.folder, share)
        except BadInput:
            draft.discard()
            raise
        if is_task:
            return {"first_plane": share.start, "planes": len(share)}
        outputs["bytes"] = sum(path.stat().st_size for path in draft.folder.glob("*.tif"))
        return draft.publish(provenance.record(spec, work.input_digest, outputs))


def _share_of(spec: StepSpec, work: Workspace, planes: int) -> range:
    """Return the planes of the task that is run, of so many; all if the step is one whole."""
    if work.task is None:
        return range(planes)
    return range(planes * work.task // spec.tasks, planes * (work.task + 1) // spec.tasks)
