"""Step transform: another channel goes through the registration of the registration channel.

With a reference (the volume that was registered) the channel is first registered to it, because
channels are imaged one after the other. That is kept only if it makes the two more alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from pipeline import parameters, products, provenance
from pipeline.errors import BadInput
from pipeline.raw import sources
from pipeline.registration import score
from pipeline.registration.engine import find_engine
from pipeline.registration.fitting import Bench, apply, fit, transform_name, write_rounded
from pipeline.registration.settings import AFFINE, BSPLINE, EFFORTS
from pipeline.registration.transforms import (
    CUBIC,
    LINEAR,
    Grid,
    grid_named,
    read_transform,
    write_transform,
)
from pipeline.registration.volumes import named_size, read_checked
from pipeline.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.registration.volumes import Small, Volume
    from pipeline.workspace import Workspace

_ALGORITHM: Final = 1
_RESULT: Final = "result.tif"
_TO_REFERENCE: Final = "sig_to_reg"
_PASSING: Final = frozenset({"size", "template_size"})
# Channels of one sample differ by little: a spline only where most effort is asked for.
_STAGES: Final = {"usual": (AFFINE,), "fast": (AFFINE,), "thorough": (AFFINE, BSPLINE)}
# More than this between two channels of one sample is no shift but a mistake.
_VOLUME_CHANGE: Final = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What is read, and its state on the disk."""

    volume: Path
    registration: Path
    reference: Path | None

    @property
    def transforms(self) -> tuple[Path, Path]:
        return self.registration / transform_name(0), self.registration / transform_name(1)

    def identities(self, root: Path) -> sources.Identities:
        return sources.identities(root, [self.volume, self.reference, *self.transforms])


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Bring the channel onto the template's grid. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["folder"])
    inputs = _inputs(spec, work)
    root = work.root.resolve()
    files = inputs.identities(root)
    made = products.identity_of(inputs.registration)
    work.input_digest = provenance.input_digest(spec, files, registration=made)
    lasting: JsonDict = {k: v for k, v in spec.parameters.items() if k not in _PASSING}
    identity = provenance.identity(spec, _ALGORITHM, work.input_digest, parameters=lasting)
    if (there := products.published(destination, identity)) is not None:
        return there
    engine = find_engine()
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        bench = Bench(draft.folder, engine, work, draft.descriptors)
        try:
            outputs = _carry_out(bench, inputs, spec)
            sources.require_unchanged(files, inputs.identities(root))
        except BadInput:
            draft.discard()
            raise
        finally:
            bench.clear()
        work.count_bytes(written=cast("int", outputs["bytes"]))
        return draft.publish(
            provenance.record(spec, work.input_digest, outputs, parameters=lasting)
        )


def _inputs(spec: StepSpec, work: Workspace) -> _Inputs:
    found = {name: work.resolve(parameters.text(spec.inputs, name)) for name in spec.inputs}
    return _Inputs(found["volume"], found["registration"], found.get("reference"))


def _carry_out(bench: Bench, inputs: _Inputs, spec: StepSpec) -> JsonDict:
    template_um = parameters.triple(spec.parameters, "template_voxel_um")
    grid = grid_named(inputs.transforms[-1], template_um, "template_voxel_um")
    voxel_um = parameters.triple(spec.parameters, "voxel_um")
    volume = read_checked(inputs.volume, voxel_um, size=named_size(spec.parameters, "size"))
    chain = list(inputs.transforms)
    found: JsonDict = {}
    if inputs.reference is not None:
        reference = read_checked(inputs.reference, _reference_voxel(spec))
        found = _to_reference(bench, volume, reference, spec, chain)
    bench.work.count_bytes(read=volume.voxels.nbytes)
    bench.work.progress(0, 1, "volumes", "Applying the transform")
    moved = apply(bench, volume.voxels, volume.spacing_mm, chain, grid, order=CUBIC)
    total = write_rounded(bench.folder / _RESULT, moved.voxels, template_um)
    bench.work.progress(1, 1, "volumes", "Applying the transform")
    size: list[Json] = [*grid.size_xyz]
    return {"size": size, "voxel_um": list(template_um), "bytes": total, **found}


def _reference_voxel(spec: StepSpec) -> tuple[float, float, float]:
    key = "reference_voxel_um" if "reference_voxel_um" in spec.parameters else "voxel_um"
    return parameters.triple(spec.parameters, key)


def _to_reference(
    bench: Bench, volume: Volume, reference: Volume, spec: StepSpec, chain: list[Path]
) -> JsonDict:
    """Register the channel to the reference; add it to the chain if it is the better for it."""
    settings = parameters.choice(spec.parameters, "settings", *EFFORTS)
    place = bench.folder / _TO_REFERENCE
    place.mkdir(exist_ok=True)
    inner = replace(bench, folder=place)
    try:
        files = fit(inner, reference, volume, effort=EFFORTS[settings], stages=_STAGES[settings])
        alike, small = _likenesses(inner, volume, reference, files)
        shape = score.geometry(files, small)
    finally:
        inner.clear()
    before, after = alike
    low, high = _VOLUME_CHANGE
    possible = not shape.fault() and low <= shape.volume_ratio <= high
    used = possible and after.mutual_information > before.mutual_information
    if used:
        chain += files
    figures = score.summary(after, shape)
    write_atomically(
        place / "score.json",
        score.as_json(after, shape, used=used, before=before.mutual_information),
    )
    return {"to_reference": {**figures, "used": used}}


def _likenesses(
    bench: Bench, volume: Volume, reference: Volume, files: Sequence[Path]
) -> tuple[tuple[score.Likeness, score.Likeness], Small]:
    """Compare the channel with the reference, where it is and registered, on one grid."""
    grid = Grid(reference.size_xyz, reference.spacing_mm)
    found = []
    for chain in (_identity(bench, files[0]), files):
        moved = apply(bench, volume.voxels, volume.spacing_mm, chain, grid, order=LINEAR)
        alike, small = score.likeness(reference.voxels, moved.voxels, reference.voxel_um)
        found.append(alike)
    return (found[0], found[1]), small


def _identity(bench: Bench, affine: Path) -> list[Path]:
    """Return a transform that leaves all where it is, like this affine one otherwise."""
    path = bench.working / "identity.txt"
    fields = read_transform(affine)
    write_transform(path, {**fields, "TransformParameters": "1 0 0 0 1 0 0 0 1 0 0 0"})
    return [path]
