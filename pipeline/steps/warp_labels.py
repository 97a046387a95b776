"""Step warp_labels: the labels of an atlas on the sample, and which side each voxel is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import parameters, products, provenance
from pipeline.errors import BadInput
from pipeline.io.tiff_volume import open_volume, write_volume
from pipeline.orientation import read_axes
from pipeline.raw import sources
from pipeline.registration import labels
from pipeline.registration.engine import find_engine
from pipeline.registration.fitting import Bench, apply, transform_name
from pipeline.registration.transforms import LINEAR, NEAREST, grid_named
from pipeline.registration.volumes import in_mm, named_size, require_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.registration.transforms import Grid
    from pipeline.registration.volumes import Size
    from pipeline.workspace import Workspace

_ALGORITHM: Final = 1
HEMISPHERES: Final = "hemispheres.tif"
_PASSING: Final = frozenset({"size", "annotation_size"})


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What is read, and its state on the disk."""

    annotation: Path
    back: Path
    volume: Path

    @property
    def transforms(self) -> tuple[Path, Path]:
        return self.back / transform_name(0), self.back / transform_name(1)

    def identities(self, root: Path) -> sources.Identities:
        return sources.identities(root, [self.annotation, self.volume, *self.transforms])


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Bring the annotation onto the sample's grid. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["labels"])
    found = {
        name: work.resolve(parameters.text(spec.inputs, name))
        for name in ("annotation", "back", "volume")
    }
    inputs = _Inputs(**found)
    root = work.root.resolve()
    files = inputs.identities(root)
    work.input_digest = provenance.input_digest(spec, files)
    lasting: JsonDict = {k: v for k, v in spec.parameters.items() if k not in _PASSING}
    identity = provenance.identity(spec, _ALGORITHM, work.input_digest, parameters=lasting)
    sides = destination.with_name(HEMISPHERES)
    has_sides = "axes" in spec.parameters
    wanted = [sides, destination] if has_sides else [destination]
    there = [products.file_published(path, identity) for path in wanted]
    if all(there) and (outputs := there[-1]) is not None:
        if not has_sides:
            products.remove_file(sides)
        return outputs
    engine = find_engine()
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        bench = Bench(draft.folder, engine, work, draft.descriptors)
        try:
            outputs = _carry_out(bench, inputs, spec)
            sources.require_unchanged(files, inputs.identities(root))
            record = provenance.record(spec, work.input_digest, outputs, parameters=lasting)
            if not has_sides:  # those of an earlier run lie on other labels
                products.remove_file(sides)
            # the labels last: with them the step is done
            for path in wanted:
                products.publish_file(draft.folder / path.name, path, record, identity=identity)
        finally:
            draft.discard()
    return outputs


def _carry_out(bench: Bench, inputs: _Inputs, spec: StepSpec) -> JsonDict:
    """Write the labels, and the sides where `axes` says where they are, into the draft."""
    voxel_um = parameters.triple(spec.parameters, "voxel_um")
    grid = _sample_grid(inputs, voxel_um, named_size(spec.parameters, "size"))
    annotation = open_volume(inputs.annotation)
    require_size(inputs.annotation, annotation, named_size(spec.parameters, "annotation_size"))
    ids = labels.ids_of(annotation, inputs.annotation)
    spacing = in_mm(parameters.triple(spec.parameters, "annotation_voxel_um"))
    chain = list(inputs.transforms)
    steps = 2 if "axes" in spec.parameters else 1
    x, y, z = grid.size_xyz
    bench.work.progress(0, steps, "volumes", "Warping labels")
    bench.work.count_bytes(read=annotation.nbytes)
    compact = labels.numbered(annotation, ids)
    moved = apply(bench, compact, spacing, chain, grid, order=NEAREST)
    del compact
    seen: set[int] = set()
    total = write_volume(
        bench.folder / _name(spec), _noted(moved.voxels, ids, seen),
        shape_zyx=(z, y, x), dtype=labels.label_type(ids), voxel_um=voxel_um,
    )  # fmt: skip
    found: JsonDict = {}
    if "axes" in spec.parameters:
        bench.work.progress(1, steps, "volumes", "Warping hemispheres")
        distance = labels.across(annotation.shape, read_axes(spec.parameters, "axes"))
        moved = apply(bench, distance, spacing, chain, grid, order=LINEAR)
        total += write_volume(
            bench.folder / HEMISPHERES, labels.sides(moved.voxels),
            shape_zyx=(z, y, x), dtype=np.uint8, voxel_um=voxel_um,
        )  # fmt: skip
        found = {"hemispheres": HEMISPHERES}
    bench.work.progress(steps, steps, "volumes", "Warping labels")
    bench.work.count_bytes(written=total)
    return {
        "size": [x, y, z], "voxel_um": list(voxel_um), "dtype": str(labels.label_type(ids)),
        "labels": len(ids) - 1, "labels_found": len(seen - {0}), "bytes": total, **found,
    }  # fmt: skip


def _name(spec: StepSpec) -> str:
    return spec.outputs["labels"].rpartition("/")[2]


def _sample_grid(inputs: _Inputs, voxel_um: Size, size: Size | None) -> Grid:
    """Return the grid of the registration, which must be that of the volume named."""
    grid = grid_named(inputs.transforms[-1], voxel_um, "voxel_um")
    voxels = open_volume(inputs.volume)
    require_size(inputs.volume, voxels, size)
    if voxels.shape[::-1] != grid.size_xyz:
        raise BadInput(
            f"{inputs.volume.name} is not the volume that the template was registered to: its size "
            "is another. Run register_back on this volume, then retry."
        )
    return grid


def _noted(moved: np.ndarray, ids: np.ndarray, seen: set[int]) -> Iterator[np.ndarray]:
    """Pass on the planes with their ids, and note which there are."""
    for plane in labels.named_again(moved, ids):
        seen.update(np.unique(plane).tolist())
        yield plane
