"""Step detect_cells: bright blobs of a size in planes become a table and a layer of points."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline import parameters, products, provenance
from pipeline.cells import table
from pipeline.cells.annotations import Layer, write_layer
from pipeline.cells.detecting import FOUND, Detector
from pipeline.cells.plan import DIAMETER_UM, Plan, default_most_per_mm3, plan
from pipeline.errors import BadInput
from pipeline.io.tiff import open_stack
from pipeline.raw import sources
from pipeline.raw.selection import sorted_planes
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.io.grid import Triple
    from pipeline.workspace import Workspace

ALGORITHM: Final = 2
THRESHOLD: Final = 8.0
_LEAST_VOXELS = 2.0
_LEAST_UM = 0.001


@dataclass(frozen=True, slots=True)
class _Search:
    """What the spec asks for; lengths in µm, voxel size along (x, y, z)."""

    voxel_um: tuple[float, float, float]
    diameter_um: float
    threshold: float
    most_per_mm3: float

    @classmethod
    def of(cls, spec: StepSpec) -> _Search:
        diameter = parameters.number(spec.parameters, "diameter_um", DIAMETER_UM)
        threshold = parameters.number(spec.parameters, "threshold", THRESHOLD)
        voxel = parameters.triple(spec.parameters, "voxel_um")
        if min(voxel) < _LEAST_UM:
            raise BadInput(
                f"Voxels of {min(voxel):g} µm are too small: sizes are kept in whole nanometres. "
                "Correct voxel_um."
            )
        if diameter < _LEAST_VOXELS * max(voxel[:2]):
            raise BadInput(
                f"Cells of {diameter:g} µm cannot be found at {max(voxel[:2]):g} µm a pixel: they "
                f"must be at least {_LEAST_VOXELS:g} pixels wide. Choose a larger diameter_um, or "
                "images of a higher resolution."
            )
        if threshold <= 0:
            raise BadInput("threshold must be above 0; it counts in noise, 8 being usual.")
        most = default_most_per_mm3(diameter)
        return cls(
            voxel, diameter, threshold, parameters.number(spec.parameters, "most_per_mm3", most)
        )

    def to_json(self) -> JsonDict:
        return {
            "voxel_um": list(self.voxel_um),
            "diameter_um": self.diameter_um,
            "threshold": self.threshold,
            "most_per_mm3": self.most_per_mm3,
        }


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Find the cells, or return at once if they are there already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["cells"])
    folder = work.resolve(parameters.text(spec.inputs, "folder"))
    search = _Search.of(spec)
    paths = _planes(spec, work, folder)
    files = sources.identities(folder, paths)
    work.input_digest = provenance.input_digest(spec, files)
    identity = provenance.identity(spec, ALGORITHM, work.input_digest)
    if (there := products.published(destination, identity)) is not None:
        return there
    stack = open_stack(paths, threads=work.threads)
    x, y, z = search.voxel_um
    cut = plan(stack.shape, (z, y, x), search.diameter_um)
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        detector = Detector(stack, cut, search.threshold, search.most_per_mm3, draft.folder / FOUND)
        try:
            cells = _found(detector, spec, work)
            sources.require_unchanged(
                files, sources.identities(folder, _planes(spec, work, folder))
            )
        except BadInput:
            draft.discard()
            raise
        shutil.rmtree(draft.folder / FOUND)
        outputs = _write(draft.folder, cells, cut, search, spec)
        written = sum(path.stat().st_size for path in draft.folder.rglob("*") if path.is_file())
        work.count_bytes(written=written)
        outputs |= {"bytes": written, "dtype": "points", "window": [0, 0], "type": "annotation"}
        outputs["info_digest"] = products.digest_of((draft.folder / "info").read_text())
        record = provenance.record(spec, work.input_digest, outputs)
        return draft.publish(record)


def _planes(spec: StepSpec, work: Workspace, folder: Path) -> list[Path | None]:
    wanted = parameters.integer(spec.inputs, "planes") if "planes" in spec.inputs else None
    return sorted_planes(work.root, folder, planes=wanted)


def _found(detector: Detector, spec: StepSpec, work: Workspace) -> np.ndarray:
    depth, height, width = detector.stack.shape
    label = f"Finding cells in {parameters.text(spec.parameters, 'channel', 'the planes')}"
    work.progress(0, depth, "planes", label)
    cells = detector.run(
        threads=work.threads,
        after_slab=lambda done: work.progress(done, depth, "planes", label),
    )
    work.count_bytes(read=depth * height * width * 2)
    return cells


def _write(folder: Path, cells: np.ndarray, cut: Plan, search: _Search, spec: StepSpec) -> JsonDict:
    """Write the files of the product and say what they hold."""
    depth, height, width = cut.shape
    x, y, z = search.voxel_um
    table.write_cells(folder / table.CSV, cells)
    voxel_nm: Triple = (round(x * 1000), round(y * 1000), round(z * 1000))
    layer = Layer(
        size=(width, height, depth),
        voxel_nm=voxel_nm,
        places=cells[:, :3] / (x, y, z),
        properties={
            "score": ("Response in units of noise", cells[:, 5]),
            "diameter": ("Diameter in µm", cells[:, 4]),
        },
    )
    write_layer(folder, layer)
    volume = depth * height * width * x * y * z / 1e9
    outputs: JsonDict = {
        "count": len(cells),
        "per_mm3": round(len(cells) / volume, 3),
        "shape": [width, height, depth],
        "voxel_nm": list(voxel_nm),
        "size_um": [width * x, height * y, depth * z],
        **search.to_json(),
    }
    document: JsonDict = {
        "algorithm": ALGORITHM,
        "channel": parameters.text(spec.parameters, "channel", ""),
        "color": spec.parameters.get("color"),
        **outputs,
        "intensity": table.histogram(cells[:, 3]),
        "diameter": table.histogram(cells[:, 4]),
        "score": table.histogram(cells[:, 5]),
    }
    write_durably(folder / table.JSON, json.dumps(document, indent=1, sort_keys=True).encode())
    return outputs
