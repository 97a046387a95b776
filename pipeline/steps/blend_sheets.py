"""Step blend_sheets: one or two light sheets become one folder of planes, and a small volume."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline import parameters, products
from pipeline.blending import LEVELS, Blender, gains, right_weights
from pipeline.downsized_volume import Wanted, open_volume_draft
from pipeline.errors import BadInput
from pipeline.io.planes import PlaneFolder
from pipeline.plane_stream import (
    Filling,
    Source,
    file_name,
    find_source,
    read_plane,
)
from pipeline.shares import make_planes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.downsized_volume import VolumeDraft
    from pipeline.io.tiff import PlaneStack
    from pipeline.workspace import Workspace

_VERSION = 1  # of the algorithm
_SLOPE = 10.0
_LEFT, _RIGHT = "left", "right"


@dataclass(frozen=True, slots=True)
class _Volume:
    """The downsized volume that is asked for beside the planes."""

    wanted: Wanted
    destination: Path
    identity: str

    @property
    def there(self) -> JsonDict | None:
        return products.file_published(self.destination, self.identity)


@dataclass(frozen=True, slots=True)
class _Sheets:
    """The sheets by side, opened."""

    sources: dict[str, Source]
    stacks: dict[str, PlaneStack]

    @property
    def shape(self) -> tuple[int, int, int]:
        return next(iter(self.stacks.values())).shape

    @property
    def absent(self) -> list[Json]:
        """The planes that no sheet has."""
        (first, *others) = [set(source.absent) for source in self.sources.values()]
        return [z for z in range(self.shape[0]) if z in first.intersection(*others)]

    def read(self, z: int) -> dict[str, np.ndarray | None]:
        return {side: read_plane(stack, z) for side, stack in self.stacks.items()}

    def prefetch(self, z: int) -> None:
        for stack in self.stacks.values():
            stack.prefetch(z, z + 1)


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Make what is asked for, or return at once if it is there already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["planes"])
    sources = _find(spec, work)
    found: list[Json] = [[side, source.inputs, source.listed()] for side, source in sources.items()]
    work.input_digest = products.digest_of(found)
    identity = products.digest_of({"made": _settings(spec), "input": work.input_digest})
    volume = _volume(spec, work, identity)
    blended = products.published(destination, identity)
    if work.task is not None:
        return blended or _blend(spec, work, identity, _open(sources, work), None)
    small = volume.there if volume is not None else None
    if blended is not None and (volume is None or small is not None):
        return _together(blended, small)
    sheets = _open(sources, work)
    with ExitStack() as stack:
        taking = None
        if volume is not None and small is None:
            taking = stack.enter_context(
                open_volume_draft(
                    volume.destination,
                    volume.wanted,
                    sheets.shape,
                    name=spec.name,
                    identity=volume.identity,
                )
            )
        if blended is None:
            blended = _blend(spec, work, identity, sheets, taking)
        elif taking is not None:
            _read_again(spec, work, destination, sheets, taking)
        if volume is not None and taking is not None:
            small = taking.publish(spec, volume.destination, sheets.absent)
            work.count_bytes(written=volume.destination.stat().st_size)
    return _together(blended, small)


def _together(blended: JsonDict, small: JsonDict | None) -> JsonDict:
    return blended if small is None else {**blended, "downsized": small}


def _settings(spec: StepSpec) -> JsonDict:
    """What the planes depend on, checked."""
    slope = parameters.number(spec.parameters, "slope", _SLOPE)
    if slope == 0:
        raise BadInput("slope must be more than 0; 10 is the usual one.")
    return {
        "step": spec.step,
        "version": _VERSION,
        "name": file_name(spec.parameters, "name"),
        "slope": slope,
        "equalize": parameters.choice(spec.parameters, "equalize", *LEVELS),
        "voxel_um": list(parameters.triple(spec.parameters, "voxel_um")),
    }


def _volume(spec: StepSpec, work: Workspace, identity: str) -> _Volume | None:
    named, asked = "downsized" in spec.outputs, spec.parameters.get("downsized")
    if not named and asked is None:
        return None
    if not named or not isinstance(asked, dict):
        raise BadInput(
            "A downsized volume needs both: its place (output downsized) and what it shall be "
            "(parameter downsized: voxel_um, axes, to_axes)."
        )
    voxel_um = parameters.triple(spec.parameters, "voxel_um")
    wanted = Wanted.read(asked, voxel_um=voxel_um, to_voxel="voxel_um")
    return _Volume(wanted, work.resolve(spec.outputs["downsized"]), wanted.identity(identity))


def _find(spec: StepSpec, work: Workspace) -> dict[str, Source]:
    listed = spec.inputs.get("sheets")
    if not isinstance(listed, list) or not 1 <= len(listed) <= 2:
        raise BadInput("sheets must be a list of one or two light sheets.")
    sources: dict[str, Source] = {}
    for sheet in listed:
        if not isinstance(sheet, dict):
            raise BadInput(f"A light sheet must be an object with side and folder, not {sheet!r}.")
        side = parameters.choice({"side": "", **sheet}, "side", _LEFT, _RIGHT)
        if side in sources:
            raise BadInput(f"Both light sheets are named {side}; one must be left, one right.")
        sources[side] = find_source(sheet, spec, work)
    return sources


def _open(sources: dict[str, Source], work: Workspace) -> _Sheets:
    """Open both and see to it that they are of one size."""
    counts = {side: len(source.paths) for side, source in sources.items()}
    if len(set(counts.values())) > 1:
        raise _unlike(f"{counts[_LEFT]:,} planes, the right one {counts[_RIGHT]:,}")
    there = {side: source for side, source in sources.items() if any(source.paths)} or sources
    stacks = {side: source.open(work) for side, source in there.items()}
    shapes = {side: stack.shape[:0:-1] for side, stack in stacks.items()}
    if len(set(shapes.values())) > 1:
        left, right = ("{:,} x {:,}".format(*shapes[side]) for side in (_LEFT, _RIGHT))
        raise _unlike(f"planes of {left} pixels, the right one {right}")
    return _Sheets(sources, stacks)


def _unlike(what: str) -> BadInput:
    return BadInput(
        f"The left light sheet has {what}. Both must come from one acquisition or be merged by the "
        "same placements; correct the folders, then retry."
    )


def _blend(
    spec: StepSpec,
    work: Workspace,
    identity: str,
    sheets: _Sheets,
    taking: VolumeDraft | None,
) -> JsonDict:
    depth, height, width = sheets.shape

    def fill(draft: Path, share: range) -> JsonDict:
        folder = PlaneFolder(draft, file_name(spec.parameters, "name"))
        blender = _blender(spec, sheets, work)

        def make(z: int) -> np.ndarray:
            plane = blender.blend(*_sides(sheets.read(z)))
            return np.zeros((height, width), np.uint16) if plane is None else plane

        _fill(folder, sheets, make, taking, work, share)
        for source in sheets.sources.values():
            source.require_unchanged(work)
        absent = {side: source.absent for side, source in sheets.sources.items()}
        return {
            "shape": [width, height, depth],
            "dtype": "uint16",
            "voxel_um": list(parameters.triple(spec.parameters, "voxel_um")),
            "absent_planes": sheets.absent,
            "absent_in_sheets": {side: planes for side, planes in absent.items()},
            "gains": {_LEFT: blender.left_gain, _RIGHT: blender.right_gain},
        }

    return make_planes(spec, work, identity, planes=depth, fill=fill)


def _sides(
    planes: dict[str, np.ndarray | None],
) -> tuple[np.ndarray | None, np.ndarray | None]:
    return planes.get(_LEFT), planes.get(_RIGHT)


def _blender(spec: StepSpec, sheets: _Sheets, work: Workspace) -> Blender:
    slope = parameters.number(spec.parameters, "slope", _SLOPE)
    weights = right_weights(sheets.shape[2], slope).astype(np.float32)
    if len(sheets.stacks) < 2:
        return Blender(weights)
    level = parameters.choice(spec.parameters, "equalize", *LEVELS)
    left, right = sheets.stacks[_LEFT], sheets.stacks[_RIGHT]
    return Blender(weights, *gains(left, right, level, threads=work.threads))


def _read_again(
    spec: StepSpec, work: Workspace, destination: Path, sheets: _Sheets, taking: VolumeDraft
) -> None:
    """Make the volume of planes that were published before."""

    def damaged(z: int) -> np.ndarray:
        raise BadInput(
            f"Plane {z:,} of {destination.name} is missing or damaged. Remove that folder, then "
            "retry: it is made again."
        )

    folder = PlaneFolder(destination, file_name(spec.parameters, "name"))
    _fill(folder, sheets, damaged, taking, work, range(sheets.shape[0]))


def _fill(
    folder: PlaneFolder,
    sheets: _Sheets,
    make: Callable[[int], np.ndarray],
    taking: VolumeDraft | None,
    work: Workspace,
    share: range,
) -> None:
    depth, height, width = sheets.shape
    absent = frozenset(sheets.absent)
    ahead = 2 * work.threads

    def see(z: int, plane: np.ndarray) -> np.ndarray | None:
        return None if z in absent or taking is None else taking.reduce(plane)

    Filling(
        folder=folder,
        depth=depth,
        make=make,
        read_bytes=len(sheets.stacks) * height * width * 2,
        label="Blending",
        see=see if taking is not None else None,
        take=taking.take if taking is not None else None,
        prefetch=lambda z: sheets.prefetch(z + ahead),
        wanted=share,
    ).run(work)
