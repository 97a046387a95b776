"""Step correct: planes are divided by the uneven light, and stripes along x are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import parameters, products
from pipeline.destriping import Destriper
from pipeline.errors import BadInput
from pipeline.flat_field import Flattener, estimate_flat, read_flat
from pipeline.io.planes import PlaneFolder
from pipeline.plane_stream import (
    Filling,
    file_name,
    find_source,
    read_plane,
)
from pipeline.raw import sources
from pipeline.shares import make_planes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.io.tiff import PlaneStack
    from pipeline.workspace import Workspace

_VERSION = 1  # of the algorithm
_CROSSOVER = 10.0


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Correct every plane, or return at once if they are there. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["planes"])
    settings = _settings(spec)
    source = find_source({**spec.inputs, "layout": "planes"}, spec, work)
    flat_path = _flat_path(spec, work)
    flat_file = _identities(flat_path)
    work.input_digest = products.digest_of(
        {"files": source.listed(), "flat": sources.listed(flat_file)}
    )
    identity = products.digest_of({"made": settings, "input": work.input_digest})
    if (there := products.published(destination, identity)) is not None:
        return there
    stack = source.open(work)
    depth, height, width = stack.shape

    def fill(draft: Path, share: range) -> JsonDict:
        flatten = _flattener(spec, stack, flat_path, work)
        folder = PlaneFolder(draft, file_name(spec.parameters, "name"))
        _correct(folder, stack, flatten, _destriper(spec, (height, width)), work, share)
        source.require_unchanged(work)
        sources.require_unchanged(flat_file, _identities(flat_path))
        return {
            "shape": [width, height, depth],
            "dtype": "uint16",
            "least_flat": 1.0 if flatten.flat is None else float(flatten.flat.min()),
        }

    return make_planes(spec, work, identity, planes=depth, fill=fill)


def _settings(spec: StepSpec) -> JsonDict:
    """What the planes depend on, checked."""
    given = spec.parameters
    return {
        "step": spec.step,
        "version": _VERSION,
        "name": file_name(given, "name"),
        "flat_from": _flat_from(spec),
        "dark": parameters.number(given, "dark", 0),
        "sigma": list(_sigma(spec)),
        "wavelet": parameters.text(given, "wavelet", "db3"),
        "level": parameters.integer(given, "level", 0),
        "crossover": parameters.number(given, "crossover", _CROSSOVER),
    }


def _sigma(spec: StepSpec) -> tuple[float, float]:
    """Foreground and background, none without a word."""
    value = spec.parameters.get("sigma", [0, 0])
    if not isinstance(value, list) or len(value) != 2:
        raise BadInput(f"sigma must be two numbers (foreground, background), not {value!r}.")
    foreground, background = (parameters.number({"sigma": item}, "sigma", 0) for item in value)
    return foreground, background


def _flat_from(spec: StepSpec) -> str:
    """Where the flat field comes from: the file if one is given and nothing else is said."""
    usual = "file" if "flat" in spec.inputs else "none"
    words = {"flat_from": usual, **spec.parameters}
    return parameters.choice(words, "flat_from", "file", "estimated", "none")


def _flat_path(spec: StepSpec, work: Workspace) -> Path | None:
    if _flat_from(spec) != "file":
        return None
    if "flat" not in spec.inputs:
        raise BadInput(
            "The flat field shall come from a file, but none is named. Name it (input flat), or "
            "choose flat_from estimated or none."
        )
    return work.resolve(parameters.text(spec.inputs, "flat"))


def _identities(flat: Path | None) -> sources.Identities:
    return {} if flat is None else sources.identities(flat.parent, [flat])


def _flattener(spec: StepSpec, stack: PlaneStack, flat: Path | None, work: Workspace) -> Flattener:
    dark = parameters.number(spec.parameters, "dark", 0)
    if flat is not None:
        return Flattener(read_flat(flat, (stack.shape[1], stack.shape[2])), dark)
    if _flat_from(spec) == "estimated":
        return Flattener(estimate_flat(stack, dark=dark, threads=work.threads), dark)
    return Flattener(None, dark)


def _destriper(spec: StepSpec, shape_yx: tuple[int, int]) -> Destriper:
    return Destriper(
        shape_yx,
        _sigma(spec),
        wavelet=parameters.text(spec.parameters, "wavelet", "db3"),
        level=parameters.integer(spec.parameters, "level", 0),
        crossover=parameters.number(spec.parameters, "crossover", _CROSSOVER),
    )


def _correct(
    folder: PlaneFolder,
    stack: PlaneStack,
    flatten: Flattener,
    destripe: Destriper,
    work: Workspace,
    share: range,
) -> None:
    depth, height, width = stack.shape
    ahead = 2 * work.threads

    def make(z: int) -> np.ndarray:
        plane = read_plane(stack, z)
        assert plane is not None
        return destripe(flatten(plane))

    job: Filling[None] = Filling(
        folder=folder,
        depth=depth,
        make=make,
        read_bytes=height * width * 2,
        label="Correcting",
        prefetch=lambda z: stack.prefetch(z + ahead, z + ahead + 1),
        wanted=share,
    )
    job.run(work)
