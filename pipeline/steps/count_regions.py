"""Step count_regions: how large, how bright and how full of cells each region of the atlas is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import parameters, products, provenance
from pipeline.cells import table
from pipeline.errors import BadInput
from pipeline.io.tiff_volume import open_volume
from pipeline.orientation import read_axes, turn
from pipeline.raw import sources
from pipeline.regions.counting import Labels, Tally, add_cells, add_volumes, sides_by_midline
from pipeline.regions.counting import voxels_of as turned_voxels_of
from pipeline.regions.report import Report, as_csv, voxel_mm3
from pipeline.structures import read_tree
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.structures import StructureTree
    from pipeline.workspace import Workspace

ALGORITHM: Final = 1
CSV, JSON = "regions.csv", "regions.json"


@dataclass(slots=True)
class _Sources:
    """The files that the spec names; channels keep their order."""

    labels: Path
    tree: Path
    hemispheres: Path | None = None
    volumes: dict[str, Path] = field(default_factory=dict)
    cells: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: StepSpec, work: Workspace) -> _Sources:
        hemispheres = None
        if "hemispheres" in spec.inputs:
            hemispheres = work.resolve(parameters.text(spec.inputs, "hemispheres"))
        found = cls(
            work.resolve(parameters.text(spec.inputs, "labels")),
            work.resolve(parameters.text(spec.inputs, "tree")),
            hemispheres,
        )
        for channel, path in _listed(spec, "volumes", "volume"):
            found.volumes[channel] = work.resolve(path)
        for channel, path in _listed(spec, "cells", "folder"):
            found.cells[channel] = work.resolve(path)
        return found

    def identities(self, root: Path) -> sources.Identities:
        """Size and time of every file, by its path below the data root."""
        tables = [
            folder / name for folder in self.cells.values() for name in (table.CSV, table.JSON)
        ]
        paths = [self.labels, self.tree, self.hemispheres, *self.volumes.values(), *tables]
        return sources.identities(root.resolve(), paths)


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Count, or return at once if the table is there already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["table"])
    given = _Sources.of(spec, work)
    files = given.identities(work.root)
    work.input_digest = provenance.input_digest(spec, files)
    identity = provenance.identity(spec, ALGORITHM, work.input_digest)
    if (there := products.published(destination, identity)) is not None:
        return there
    report = _report(spec, work, given)
    sources.require_unchanged(files, given.identities(work.root))
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        outputs = _write(draft.folder, report, spec)
        written = sum((draft.folder / name).stat().st_size for name in (CSV, JSON))
        work.count_bytes(read=sum(size for size, _ in files.values()), written=written)
        record = provenance.record(spec, work.input_digest, outputs)
        return draft.publish(record)


def _listed(spec: StepSpec, key: str, member: str) -> list[tuple[str, str]]:
    """Channel and path of each item of a list; BadInput if it is no such list."""
    value = spec.inputs.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadInput(f'{key} must be a list of {{"channel", "{member}"}}, not {value!r}.')
    items = [item for item in value if isinstance(item, dict)]
    named = [(parameters.text(item, "channel"), parameters.text(item, member)) for item in items]
    if len({channel for channel, _ in named}) != len(named):
        raise BadInput(f"{key} names a channel twice.")
    return named


def _report(spec: StepSpec, work: Workspace, given: _Sources) -> Report:
    tree = read_tree(given.tree)
    labels = _labels(given.labels, tree)
    voxel_um = parameters.triple(spec.parameters, "voxel_um")
    volumes = {name: _like(labels, path, "uif") for name, path in given.volumes.items()}
    sides, has_sides = _sides(spec, given, labels)
    tally = Tally.empty(len(labels.ids) + 1, list(volumes), list(given.cells))
    depth = len(labels.volume)
    add_volumes(
        tally,
        labels,
        sides,
        volumes,
        threads=work.threads,
        after_plane=lambda done: work.progress(done, depth, "planes", "Measuring regions"),
    )
    for channel, folder in given.cells.items():
        add_cells(tally, channel, _places(spec, folder, labels), labels, sides)
    return Report(tree, labels, tally, voxel_mm3(voxel_um), has_sides)


def _labels(path: Path, tree: StructureTree) -> Labels:
    volume = open_volume(path)
    if volume.dtype.kind not in "ui":
        raise BadInput(f"{path.name} holds {volume.dtype}; labels are whole numbers.")
    if not len(tree):
        raise BadInput("The structure tree is empty.")
    return Labels(volume, np.array(sorted(item.id for item in tree), dtype=np.int64))


def _like(labels: Labels, path: Path, kinds: str) -> np.ndarray:
    """Map a volume on the grid of the labels, with values of one of these kinds of numpy."""
    volume = open_volume(path)
    if volume.dtype.kind not in kinds:
        wanted = "grey values" if "f" in kinds else "whole numbers"
        raise BadInput(f"{path.name} holds {volume.dtype}; {wanted} are needed.")
    if volume.shape != labels.volume.shape:
        raise BadInput(
            f"{path.name} has {volume.shape} voxels (z, y, x), the labels {labels.volume.shape}. "
            "Give volumes on the grid of the labels."
        )
    return volume


def _sides(
    spec: StepSpec, given: _Sources, labels: Labels
) -> tuple[Callable[[int], np.ndarray], bool]:
    """What tells the side of each voxel of a plane, and whether there are sides at all."""
    shape: tuple[int, int, int] = labels.volume.shape
    if given.hemispheres is not None:
        volume = _like(labels, given.hemispheres, "ui")
        return lambda z: _checked_sides(volume[z]), True
    if spec.parameters.get("midline") is not None:
        axes = read_axes(spec.parameters, "axes")
        middle = parameters.number(spec.parameters, "midline", 0)
        voxel_um = parameters.triple(spec.parameters, "voxel_um")
        return sides_by_midline(shape, axes, voxel_um, middle), True
    none = np.zeros(shape[1:], dtype=np.int64)
    return lambda z: none, False


def _checked_sides(plane: np.ndarray) -> np.ndarray:
    if plane.min() < 0 or plane.max() > 2:
        raise BadInput("The hemispheres hold other values than 0 (none), 1 (left) and 2 (right).")
    return plane.astype(np.int64)


def _places(spec: StepSpec, folder: Path, labels: Labels) -> np.ndarray:
    """The voxels of the labels in which the cells of a folder lie."""
    axes, cells_axes = (read_axes(spec.parameters, key) for key in ("axes", "cells_axes"))
    voxel_um = parameters.triple(spec.parameters, "voxel_um")
    how, shape = turn(cells_axes, axes), labels.volume.shape
    _require_same_size(folder, turn(axes, cells_axes).of_xyz(
        [n * um for n, um in zip(shape[::-1], voxel_um, strict=True)]
    ), turn(axes, cells_axes).of_xyz(voxel_um))  # fmt: skip
    cells = table.read_cells(folder / table.CSV)
    return turned_voxels_of(cells[:, :3], how, shape, voxel_um)


def _require_same_size(
    folder: Path, size_um: tuple[float, float, float], voxel_um: tuple[float, float, float]
) -> None:
    """The labels must cover the planes in which the cells were found, to a voxel on each axis."""
    try:
        said = json.loads((folder / table.JSON).read_text(encoding="utf-8"))["size_um"]
        wrong = [abs(a - b) > um for a, b, um in zip(said, size_um, voxel_um, strict=True)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder.name}/{table.JSON} cannot be used: {error}.") from error
    if any(wrong):
        words = [" x ".join(f"{um:,.0f}" for um in size) for size in (said, size_um)]
        raise BadInput(
            f"The planes of {folder.name} are {words[0]} µm large (x, y, z), the labels turned "
            f"like them {words[1]} µm. Check voxel_um, axes and cells_axes."
        )


def _write(folder: Path, report: Report, spec: StepSpec) -> JsonDict:
    rows, outside = report.rows(), report.outside()
    own = report.own
    cells: JsonDict = {name: int(counts.sum()) for name, counts in own.cells.items()}
    outputs: JsonDict = {
        "regions": len(rows),
        "regions_present": sum(1 for row in rows if row["voxels"]),
        "volume_mm3": round(int(own.voxels[1:].sum()) * report.voxel_mm3, 9),
        "channels": list(own.intensities),
        "cells": cells,
        "outside": outside,
        "has_sides": report.has_sides,
        "files": [CSV, JSON],
    }
    document: JsonDict = {
        **outputs,
        "voxel_um": spec.parameters["voxel_um"],
        "rows": list(rows),
    }
    write_durably(folder / CSV, as_csv(rows))
    text = json.dumps(document, indent=1, ensure_ascii=False)
    write_durably(folder / JSON, text.encode(errors="backslashreplace"))
    return outputs
