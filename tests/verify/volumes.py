"""P1: volumes for viewers, read back by other programs: every voxel, every mode, every name."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import tensorstore

from pipeline import phantom_atlas
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, StepSpec
from pipeline.io.tiff_volume import write_volume
from pipeline.steps import precompute, precompute_labels
from pipeline.workspace import Workspace
from tests.verify.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.contract import JsonDict

_SAMPLES = 20_000


def figures(work: Path, real: Path | None) -> Iterator[Figure]:
    """Measure with the phantom, and with a real annotation where there is one."""
    atlas = phantom_atlas.make(60.0)
    names = {structure.id: structure.label for structure in atlas.tree}
    tree = json.dumps(atlas.tree.to_json())
    yield from _of_labels(work / "phantom", "phantom", atlas.annotation, tree, names)
    yield from _of_images(work / "images", atlas.template)
    if real is not None:
        yield from _of_labels(work / "real", "real annotation", *_real(real))


def _of_labels(
    folder: Path, what: str, labels: np.ndarray, tree: str, names: dict[int, str]
) -> Iterator[Figure]:
    folder.mkdir(parents=True)
    _store(folder / "labels.tif", labels)
    (folder / "tree.json").write_text(tree)
    outputs = _run(
        precompute_labels, folder, "precompute_labels",
        {"labels": "labels.tif", "tree": "tree.json"}, {"voxel_um": [20, 20, 20], "mips": 2},
    )  # fmt: skip
    volume = folder / "volume"
    first = _by_tensorstore(volume, 0)
    yield Figure(
        f"{what}: voxels that differ at mip 0 (tensorstore)",
        _unlike(first, labels),
        0,
        at_most=True,
    )
    other = _by_cloud_volume(volume, 0)
    yield Figure(
        f"{what}: voxels that differ at mip 0 (cloud-volume)",
        _unlike(other, labels),
        0,
        at_most=True,
    )
    wrong = _wrong_modes(labels, _by_tensorstore(volume, 1))
    yield Figure(
        f"{what}: of {_SAMPLES:,} blocks of mip 1 that are no mode", wrong, 0, at_most=True
    )
    yield Figure(
        f"{what}: labels with a wrong name", _wrong_names(volume, labels, names), 0, at_most=True
    )
    yield Figure(f"{what}: files", float(str(outputs["files"])), 50, at_most=True)


def _of_images(folder: Path, template: np.ndarray) -> Iterator[Figure]:
    folder.mkdir(parents=True)
    shifted = template.astype(np.float32) * np.float32(40.3) - np.float32(1000)
    _store(folder / "labels.tif", shifted)
    _run(
        precompute, folder, "precompute", {"folder": "labels.tif", "layout": "volume"},
        {"voxel_um": [20, 20, 50], "compression": "gzip", "mips": 1},
    )  # fmt: skip
    expected = np.clip(np.rint(shifted), 0, 65535)
    for reader in (_by_tensorstore, _by_cloud_volume):
        name = reader.__name__.removeprefix("_by_")
        wrong = _unlike(reader(folder / "volume", 0), expected)
        yield Figure(
            f"one TIFF volume: voxels that differ at mip 0 ({name})", wrong, 0, at_most=True
        )
    x, y = (n // 2 * 2 for n in shifted.shape[:0:-1])
    part = expected[:, :y, :x]
    means = part.reshape(len(part), y // 2, 2, x // 2, 2).mean(axis=(2, 4))
    found = _by_tensorstore(folder / "volume", 1)[:, : y // 2, : x // 2]
    worst = float(np.abs(found - means).max())
    yield Figure("one TIFF volume: largest error of mip 1", worst, 0.5, at_most=True)


def _store(path: Path, volume: np.ndarray) -> None:
    write_volume(
        path, volume, shape_zyx=volume.shape, dtype=volume.dtype, voxel_um=(20.0, 20.0, 20.0)
    )


def _run(
    module: object, folder: Path, step: str, inputs: JsonDict, parameters: JsonDict
) -> JsonDict:
    spec = StepSpec(
        contract=CONTRACT_VERSION, step=step, name="verify", version=PIPELINE_VERSION,
        inputs=inputs, parameters=parameters, outputs={"volume": "volume"}, threads=2,
    )  # fmt: skip
    return module.run(spec, Workspace(folder, "verify", 2))


def _by_tensorstore(volume: Path, mip: int) -> np.ndarray:
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{volume}/"},
        "scale_index": mip,
    }
    return tensorstore.open(spec).result().read().result()[..., 0].transpose(2, 1, 0)


def _by_cloud_volume(volume: Path, mip: int) -> np.ndarray:
    os.environ.setdefault("CLOUD_VOLUME_DIR", str(volume.parent / "home"))
    import cloudvolume

    seen = cloudvolume.CloudVolume(f"precomputed://file://{volume}", mip=mip, progress=False)
    return np.asarray(seen[:, :, :])[..., 0].transpose(2, 1, 0)


def _unlike(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.count_nonzero(found != expected))


def _wrong_modes(labels: np.ndarray, smaller: np.ndarray) -> float:
    """Count the votes of some blocks by hand: those where labels meet first of all."""
    borders = np.argwhere(smaller[:, :, 1:] != smaller[:, :, :-1])
    rng = np.random.default_rng(1)
    wrong = 0
    for z, y, x in borders[rng.integers(0, len(borders), _SAMPLES)]:
        block = labels[2 * z : 2 * z + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        votes = Counter(block.ravel().tolist())
        best = min(votes, key=lambda id: (-votes[id], id == 0, id))
        wrong += best != smaller[z, y, x]
    return float(wrong)


def _wrong_names(volume: Path, labels: np.ndarray, names: dict[int, str]) -> float:
    """Labels of the volume and of its properties, one by one."""
    found = json.loads((volume / "segment_properties/info").read_text())["inline"]
    told = dict(zip(map(int, found["ids"]), found["properties"][0]["values"], strict=True))
    there = {int(id) for plane in labels for id in np.unique(plane)} - {0}
    return float(sum(told.get(id) != names[id] for id in there) + len(set(told) - there))


def _real(real: Path) -> tuple[np.ndarray, str, dict[int, str]]:
    """The annotation (z, y, x) of a published atlas, and its tree read by other means."""
    folder = real / "gubra_annotation"
    image = nibabel.load(folder / "gubra_ano_olf_collapsed.nii.gz")
    with (folder / "ARA2_annotation_info_avail_regions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    tree = [
        {
            "id": int(row["id"]), "acronym": row["acronym"], "name": row["name"],
            "parent": int(row["parent_id"]) if row["parent_id"] else None, "color": None,
        }
        for row in rows
    ]  # fmt: skip
    names = {int(row["id"]): f"{row['acronym']}: {row['name']}" for row in rows}
    return np.asarray(image.dataobj).T, json.dumps(tree), names
