"""Steps register and register_back: a sample onto the template, and the template onto the sample.

The score is the correlation of the two volumes in the brain; a registration that is poor or
impossible is no product: what shows it is kept beside the place where it would be.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from pipeline import parameters, products, provenance
from pipeline.contract import POOR_REGISTRATION
from pipeline.errors import BadInput, StepFailed
from pipeline.io.tiff_volume import open_volume
from pipeline.raw import sources
from pipeline.registration import score
from pipeline.registration.engine import find_engine
from pipeline.registration.fitting import LOG, Bench, apply, fit, write_rounded
from pipeline.registration.overlay import overlay
from pipeline.registration.settings import AFFINE, BSPLINE, EFFORTS
from pipeline.registration.transforms import CUBIC, Grid
from pipeline.registration.volumes import (
    Volume,
    center_mm,
    in_small,
    named_size,
    read_checked,
    tissue_mask,
)
from pipeline.workspace import write_atomically, write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.workspace import Workspace

# Raised with every change that makes another transform of the same volumes.
_ALGORITHM: Final = 1
_LEAST_SCORE: Final = 0.5
_OVERLAY, _SCORE = "overlay.png", "score.json"
_STAGES: Final = (AFFINE, BSPLINE)
_ACCEPT: Final = (
    "If it is good all the same, retry with a lower least_score; what was computed is kept."
)
# They say what is accepted or checked, not what is made.
_PASSING: Final = frozenset({"least_score", "size", "template_size"})


@dataclass(frozen=True, slots=True)
class _Roles:
    """Which input is fixed and which moves, with the parameters of their voxel sizes."""

    fixed: str
    moving: str


_VOXELS: Final = {"volume": "voxel_um", "template": "template_voxel_um"}
_SIZES: Final = {"volume": "size", "template": "template_size"}


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Register the sample to the template. Raises StepFailed kinds."""
    return _registered(spec, work, _Roles(fixed="template", moving="volume"))


def run_back(spec: StepSpec, work: Workspace) -> JsonDict:
    """Register the template to the sample. Raises StepFailed kinds."""
    return _registered(spec, work, _Roles(fixed="volume", moving="template"))


def _registered(spec: StepSpec, work: Workspace, roles: _Roles) -> JsonDict:
    destination = work.resolve(spec.outputs["folder"])
    least = parameters.number(spec.parameters, "least_score", _LEAST_SCORE)
    paths = {name: work.resolve(parameters.text(spec.inputs, name)) for name in _VOXELS}
    files = sources.identities(work.root.resolve(), paths.values())
    work.input_digest = provenance.input_digest(spec, files)
    identity = provenance.identity(
        spec, _ALGORITHM, work.input_digest, parameters=_lasting(spec.parameters)
    )
    if (there := products.published(destination, identity)) is not None:
        _require_score(there, least, destination, work)
        return {**there, **_judged(least)}
    engine = find_engine()
    volumes = {name: _read(name, path, spec) for name, path in paths.items()}
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        bench = Bench(draft.folder, engine, work, draft.descriptors)
        try:
            outputs = _carry_out(bench, volumes[roles.fixed], volumes[roles.moving], spec)
            again = sources.identities(work.root.resolve(), paths.values())
            sources.require_unchanged(files, again)
            _require_good(bench, outputs, least, destination)
        except BadInput:
            draft.discard()
            raise
        finally:
            bench.clear()
        work.count_bytes(written=cast("int", outputs["bytes"]))
        made = draft.publish(_record(spec, work, outputs))
        shutil.rmtree(_rejected(destination), ignore_errors=True)
        return {**made, **_judged(least)}


def _judged(least: float) -> JsonDict:
    """What it was judged by, which may be another limit at the next look; and the picture of it."""
    return {"least_score": least, "overlay": _OVERLAY}


def _lasting(given: JsonDict) -> JsonDict:
    return {key: value for key, value in given.items() if key not in _PASSING}


def _read(name: str, path: Path, spec: StepSpec) -> Volume:
    voxel_um = parameters.triple(spec.parameters, _VOXELS[name])
    return read_checked(path, voxel_um, size=named_size(spec.parameters, _SIZES[name]))


def _carry_out(bench: Bench, fixed: Volume, moving: Volume, spec: StepSpec) -> JsonDict:
    """Find the transform, apply it, judge it; everything is in the draft afterwards."""
    effort = EFFORTS[parameters.choice(spec.parameters, "settings", *EFFORTS)]
    files = fit(bench, fixed, moving, effort=effort, stages=_STAGES)
    grid = Grid(fixed.size_xyz, fixed.spacing_mm)
    total = 0
    for number in range(len(files)):
        label = "Applying the transform"
        bench.work.progress(number, len(files), "volumes", label)
        moved = apply(
            bench, moving.voxels, moving.spacing_mm, files[: number + 1], grid, order=CUBIC
        )
        path = bench.folder / f"result.{number}.tif"
        total += write_rounded(path, moved.voxels, fixed.voxel_um)
    result = _result(bench.folder / "result.1.tif", fixed)
    alike, small = score.likeness(fixed.voxels, result.voxels, fixed.voxel_um)
    shape = score.geometry(files, small)
    middle = center_mm(tissue_mask(small.voxels), small.voxel_um)
    picture = overlay(small, in_small(result.voxels, result.voxel_um), middle)
    figures = score.summary(alike, shape)
    fault = shape.fault()
    write_durably(bench.folder / _OVERLAY, picture)
    write_atomically(bench.folder / _SCORE, score.as_json(alike, shape, fault=fault))
    size: list[Json] = [*fixed.size_xyz]
    voxel: list[Json] = [*fixed.voxel_um]
    return {**figures, "fault": fault, "size": size, "voxel_um": voxel, "bytes": total}


def _result(path: Path, fixed: Volume) -> Volume:
    return Volume(path, open_volume(path), fixed.voxel_um)


def _require_good(bench: Bench, outputs: JsonDict, least: float, destination: Path) -> None:
    """Keep overlay, score and log of a poor registration beside its place, and say so."""
    found, fault = cast("float", outputs["score"]), cast("str", outputs["fault"])
    if found >= least and not fault:
        return
    place = _rejected(destination)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in (_OVERLAY, _SCORE, LOG):
        shutil.copyfile(bench.folder / name, place / name)
    why = f"its transform is impossible: {fault}" if fault else _too_low(found, least)
    shown = place.relative_to(bench.work.root.resolve())
    look = f"Look at {_OVERLAY} in {shown}: is it the right channel, orientation and atlas?"
    advice = "Correct that, or try other settings." if fault else _ACCEPT
    raise StepFailed(POOR_REGISTRATION, f"The registration is poor: {why}. {look} {advice}")


def _too_low(found: float, least: float) -> str:
    return f"its score is {found:.3f}, wanted at least {least:g}"


def _require_score(there: JsonDict, least: float, destination: Path, work: Workspace) -> None:
    """Judge a product that is there by the score that is wanted now."""
    found = cast("float", there["score"])
    if found < least:
        shown = destination.relative_to(work.root.resolve())
        raise StepFailed(
            POOR_REGISTRATION,
            f"The registration is poor: {_too_low(found, least)}. Look at {_OVERLAY} in {shown}.",
        )


def _rejected(destination: Path) -> Path:
    return destination.with_name(f"{destination.name}_rejected")


def _record(spec: StepSpec, work: Workspace, outputs: JsonDict) -> JsonDict:
    return provenance.record(spec, work.input_digest, outputs, parameters=_lasting(spec.parameters))
