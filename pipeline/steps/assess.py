"""Step assess: how good a sample is, from whatever the other steps left of it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from pipeline import parameters, products, provenance
from pipeline.errors import BadInput
from pipeline.quality.channel import chosen, measure
from pipeline.quality.limits import figure, overall, read_limits
from pipeline.quality.planes import curves
from pipeline.quality.short import in_short
from pipeline.raw import sources
from pipeline.raw.selection import sorted_planes
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.quality.limits import Limit
    from pipeline.workspace import Workspace

ALGORITHM: Final = 2
JSON: Final = "quality.json"
_MOST_PLANES = 64
_SCORE, _OVERLAY = "score.json", "overlay.png"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class _Series:
    """One folder of planes: a channel, or one of its sheets."""

    channel: str
    side: str
    paths: list[Path]

    @property
    def picture(self) -> str:
        words = [_UNSAFE.sub("_", word) for word in (self.channel, self.side) if word]
        return f"montage_{'_'.join(words)}.png"


@dataclass(frozen=True, slots=True)
class _Sample:
    """What there is of a sample. `others` are the files that are not planes."""

    series: list[_Series]
    placements: list[Path]
    score: Path | None
    overlay: Path | None
    numbers: dict[str, list[int]] = field(default_factory=dict)

    def identities(self, root: Path) -> sources.Identities:
        paths = [s.paths[z] for s in self.series for z in self.numbers[s.picture]]
        return sources.identities(
            root.resolve(), [*paths, *self.placements, self.score, self.overlay]
        )


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Measure the sample, or return at once if that is done. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["sheet"])
    limits = read_limits(spec.parameters)
    sample = _sample(spec, work)
    files = sample.identities(work.root)
    # Where a plane lies follows from how many there are, also of those that are not looked at.
    counts: JsonDict = {item.picture: len(item.paths) for item in sample.series}
    work.input_digest = provenance.input_digest(spec, files, planes=counts)
    identity = provenance.identity(spec, ALGORITHM, work.input_digest)
    if (there := products.published(destination, identity)) is not None:
        return there
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        try:
            outputs = _assess(spec, work, sample, limits, draft.folder)
            sources.require_unchanged(files, _sample(spec, work).identities(work.root))
        except BadInput:
            draft.discard()
            raise
        work.count_bytes(read=sum(size for size, _ in files.values()))
        record = provenance.record(spec, work.input_digest, outputs)
        return draft.publish(record)


def _sample(spec: StepSpec, work: Workspace) -> _Sample:
    most = parameters.integer(spec.parameters, "planes", _MOST_PLANES)
    if not 1 <= most <= _MOST_PLANES:
        raise BadInput(f"planes must be from 1 to {_MOST_PLANES}, not {most}.")
    series = [item for value in _objects(spec.inputs, "channels") for item in _series(value, work)]
    names = [item.picture for item in series]
    if len(set(names)) != len(names):
        raise BadInput("channels names a channel, or a side of it, twice.")
    score = overlay = None
    placements = [work.resolve(name) for name in parameters.texts(spec.inputs, "placements")]
    if "registration" in spec.inputs:
        folder = work.resolve(parameters.text(spec.inputs, "registration"))
        score = folder / _SCORE
        overlay = folder / _OVERLAY if (folder / _OVERLAY).is_file() else None
    numbers = {item.picture: chosen(len(item.paths), most) for item in series}
    return _Sample(series, placements, score, overlay, numbers)


def _objects(values: JsonDict, key: str) -> list[JsonDict]:
    value = values.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadInput(f"{key} must be a list of objects, not {value!r}.")
    return [item for item in value if isinstance(item, dict)]


def _series(value: JsonDict, work: Workspace) -> list[_Series]:
    channel = parameters.text(value, "channel")
    found = [_Series(channel, "", _paths(value, work))]
    for sheet in _objects(value, "sheets"):
        found.append(_Series(channel, parameters.text(sheet, "side"), _paths(sheet, work)))
    return found


def _paths(value: JsonDict, work: Workspace) -> list[Path]:
    folder = work.resolve(parameters.text(value, "folder"))
    paths = [path for path in sorted_planes(work.root, folder, planes=None) if path is not None]
    if not paths:
        raise BadInput(f"The folder {folder.name} has no plane to read.")
    return paths


def _assess(
    spec: StepSpec, work: Workspace, sample: _Sample, limits: dict[str, Limit], folder: Path
) -> JsonDict:
    figures: list[JsonDict] = []
    series = _measured(spec, work, sample, limits, folder)
    for item in series:
        figures += _listed(item["figures"])
    document: JsonDict = {"algorithm": ALGORITHM, "series": list(series)}
    if sample.placements:
        stitching = _stitching(sample.placements, limits)
        document["stitching"] = stitching
        figures.append(stitching)
    if sample.score is not None:
        registration = _registration(sample.score, limits)
        document["registration"] = registration
        figures.append(registration)
    if sample.overlay is not None:
        write_durably(folder / _OVERLAY, sample.overlay.read_bytes())
        document["overlay"] = _OVERLAY
    document["overall"] = word = overall(figures)
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False)
    write_durably(folder / JSON, text.encode())
    return {
        "verdict": word,
        "warnings": sum(1 for f in figures if f["verdict"] == "warn"),
        "failures": sum(1 for f in figures if f["verdict"] == "fail"),
        **in_short(document),
        "files": [JSON],
    }


def _measured(
    spec: StepSpec, work: Workspace, sample: _Sample, limits: dict[str, Limit], folder: Path
) -> list[JsonDict]:
    z_um = parameters.triple(spec.parameters, "voxel_um")[2]
    total, done = sum(map(len, sample.numbers.values())), 0
    found: list[JsonDict] = []

    def after() -> None:
        nonlocal done
        done += 1
        work.progress(done, total, "planes", "Measuring quality")

    for item in sample.series:
        numbers = sample.numbers[item.picture]
        measured = measure(item.paths, numbers, threads=work.threads, after=after)
        write_durably(folder / item.picture, measured.picture)
        figures = measured.figures(limits)
        found.append(
            {
                "channel": item.channel,
                "side": item.side or None,
                "planes": len(item.paths),
                "figures": list(figures),
                "verdict": overall(figures),
                "curves": curves(measured.planes, z_um),
                "picture": item.picture,
            }
        )
    return found


def _listed(value: Json) -> Sequence[JsonDict]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _stitching(paths: Sequence[Path], limits: dict[str, Limit]) -> JsonDict:
    """The figure of the folder whose tiles fit worst."""
    return figure("stitching", max(map(_residual_pixels, paths)), limits)


def _residual_pixels(path: Path) -> float:
    document = _document(path)
    try:
        said = cast("dict[str, Any]", document)
        found = float(said["residual_um"]["median"]) / float(said["voxel_um"][0])
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BadInput(f"{path.name} is no document of placements: {error!r}.") from error
    if not math.isfinite(found):
        raise BadInput(f"{path.name} has a residual that is no number.")
    return found


def _registration(path: Path, limits: dict[str, Limit]) -> JsonDict:
    value = _document(path).get("score")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInput(f"{path.name} has no score that is a number.")
    return figure("registration", float(value), limits)


def _document(path: Path) -> JsonDict:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}.") from error
    if not isinstance(document, dict):
        raise BadInput(f"{path.name} is no JSON object.")
    return document
