"""How well brains are brought onto each other, and whether left stays left.

An invented brain is bent by a known map, so true positions are known everywhere. With real data a
brain goes onto the same animal as another program brought it into the space of the atlas; that
checks reading, spacing, orientation and the way back, but no generality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from scipy import ndimage
from scipy.spatial import cKDTree

from pipeline.anatomy import BOX_MM
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.runner import load_step
from pipeline.workspace import Workspace
from tests.verify.bent import MIDDLE_MM, Map, invented_brain, mapped, positions_of, pulled
from tests.verify.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TEMPLATE_SHAPE = (80, 132, 114)
_UM = 100.0
_SAMPLE_UM = np.array([90.0, 100.0, 80.0])  # x, y, z
_CELLS = 400
_LEAST_CELL = 200


def figures(work: Path, real: Path | None) -> Iterator[Figure]:
    """Measure on a phantom, and on a real brain if there is one."""
    yield from _phantom(work / "phantom")
    if real is not None:
        yield from _real(work / "real", real / "real_brain")


def _run(
    root: Path, step: str, inputs: JsonDict, out: dict[str, str], **values: object
) -> JsonDict:
    spec = StepSpec(
        CONTRACT_VERSION, step, "verify", PIPELINE_VERSION, inputs, values, out, threads=2
    )
    return load_step(step)(spec, Workspace(root, spec.name, spec.threads))


# --- the phantom


def _parcels(mask: np.ndarray) -> np.ndarray:
    """Cells around random voxels of the mask; ids are such as atlases have."""
    inside = np.argwhere(mask)
    rng = np.random.default_rng(2)
    seeds = inside[rng.permutation(len(inside))[:_CELLS]]
    _, nearest = cKDTree(seeds).query(inside)
    ids = rng.choice(600_000_000, _CELLS, replace=False).astype(np.uint32) + 17
    labels = np.zeros(mask.shape, np.uint32)
    labels[mask] = ids[nearest]
    return labels


def _phantom(root: Path) -> Iterator[Figure]:
    bent = Map()
    template = invented_brain(_TEMPLATE_SHAPE)
    shape = tuple(round(1000 * mm / um) for mm, um in zip(BOX_MM, _SAMPLE_UM, strict=True))[::-1]
    positions = positions_of(shape, _SAMPLE_UM)
    there = bent(positions)
    light = np.clip(pulled(template, there, _UM, order=1), 0, None) ** 0.8 / 1000**0.8 * 1000
    noise = np.random.default_rng(9).normal(100, 15, len(light))
    sample = np.clip(np.rint(light + noise), 0, 65535).astype(np.uint16).reshape(shape)
    mask = template > 100
    mask = ndimage.binary_fill_holes(mask)
    annotation = _parcels(mask)
    true = (
        pulled(annotation.astype(np.float64), there, _UM, order=0).astype(np.uint32).reshape(shape)
    )
    _save(root, "template.tif", np.rint(template).astype(np.uint16))
    _save(root, "sample.tif", sample)
    _save(root, "mirrored.tif", sample[:, :, ::-1])
    _save(root, "annotation.tif", annotation)
    sizes: JsonDict = {"voxel_um": list(_SAMPLE_UM), "template_voxel_um": [_UM] * 3}
    inputs: JsonDict = {"volume": "sample.tif", "template": "template.tif"}
    found = _run(root, "register_back", inputs, {"folder": "back"}, **sizes)
    yield from _target_errors(root / "back", positions, there, true > 0)
    _run(
        root,
        "warp_labels",
        {"annotation": "annotation.tif", "back": "back", "volume": "sample.tif"},
        {"labels": "labels/result.tif"},
        annotation_voxel_um=[_UM] * 3,
        voxel_um=list(_SAMPLE_UM),
        axes=["LR", "AP", "DV"],
    )
    labels = tifffile.imread(root / "labels/result.tif")
    yield Figure("R4 mean Dice of the regions", _mean_dice(labels, true), 0.85)
    yield Figure("R4 Dice of the brain masks", _dice(labels > 0, true > 0), 0.98)
    yield Figure(
        "R4 labels that the atlas has not", len(_ids(labels) - _ids(annotation)), 0, at_most=True
    )
    sides = tifffile.imread(root / "labels/hemispheres.tif")
    right = np.where(there[:, 0].reshape(shape) < MIDDLE_MM[0], 1, 2)
    inside = true > 0
    yield Figure("R4 voxels on their true side", float((sides == right)[inside].mean()), 0.995)
    inputs = {"volume": "mirrored.tif", "template": "template.tif"}
    other = _run(
        root,
        "register_back",
        inputs,
        {"folder": "mirrored"},
        settings="fast",
        least_score=0,
        **sizes,
    )
    yield Figure("R4 score less that of the mirrored brain", found["score"] - other["score"], 0.02)


def _target_errors(
    folder: Path, positions: np.ndarray, true: np.ndarray, inside: np.ndarray
) -> Iterator[Figure]:
    """Ask transformix where 2,000 voxels of the brain go."""
    chosen = np.random.default_rng(3).permutation(np.flatnonzero(inside))[:2000]
    found = mapped(folder, positions[chosen])
    before = np.linalg.norm(positions[chosen] - true[chosen], axis=1) * 1000
    errors = np.linalg.norm(found - true[chosen], axis=1) * 1000
    yield Figure("R4 distance before, median µm", float(np.median(before)), 300)
    yield Figure(
        "R4 target registration error, median µm", float(np.median(errors)), 50, at_most=True
    )
    yield Figure(
        "R4 target registration error, 95 % µm", float(np.percentile(errors, 95)), 150, at_most=True
    )


def _ids(labels: np.ndarray) -> set[int]:
    return set(np.unique(labels).tolist())


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def _mean_dice(found: np.ndarray, true: np.ndarray) -> float:
    """Over the regions that truly have enough voxels."""
    ids, places = np.unique(np.stack([found.ravel(), true.ravel()]), return_inverse=True)
    a, b = places.reshape(2, -1)
    sizes_a, sizes_b = (np.bincount(x, minlength=len(ids)) for x in (a, b))
    both = np.bincount(a[a == b], minlength=len(ids))
    wanted = (ids > 0) & (sizes_b >= _LEAST_CELL)
    return float((2 * both[wanted] / (sizes_a + sizes_b)[wanted]).mean())


def _save(root: Path, name: str, volume: np.ndarray) -> None:
    root.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(root / name, np.ascontiguousarray(volume), photometric="minisblack")


# --- the real brain


def _real(root: Path, real: Path) -> Iterator[Figure]:
    """Planes from posterior, left; the standard begins anterior, superior, right."""
    paths = sorted((real / "brain_planes").glob("*.tif"))
    sample = np.stack([tifffile.imread(path) for path in paths])[::-1, :, ::-1]
    registered = real / "registered_linux"
    standard = tifffile.imread(registered / "downsampled_standard.tiff")
    _save(root, "sample.tif", sample)
    _save(root, "mirrored.tif", sample[:, :, ::-1])
    _save(root, "standard.tif", standard)
    _save(root, "annotation.tif", _parcels(_tissue(standard)))
    sizes: JsonDict = {"voxel_um": [40, 40, 50], "template_voxel_um": [100, 100, 100]}
    inputs: JsonDict = {"volume": "sample.tif", "template": "standard.tif"}
    found = _run(root, "register", inputs, {"folder": "out"}, settings="fast", **sizes)
    result = tifffile.imread(root / "out/result.1.tif")
    yield Figure(
        "R1 Dice of our mask and the other's", _dice(_tissue(result), _tissue(standard)), 0.98
    )
    inside = _tissue(standard)
    straight = _correlation(result, standard, inside)
    yield Figure("R1 correlation in the brain", straight, 0.98)
    yield Figure("R1 score as the step tells it", found["score"], 0.98)
    inputs = {"volume": "mirrored.tif", "template": "standard.tif"}
    _run(root, "register", inputs, {"folder": "m"}, settings="fast", least_score=0, **sizes)
    other = _correlation(tifffile.imread(root / "m/result.1.tif"), standard, inside)
    yield Figure("R1 correlation of the mirrored brain", other, 0.95, at_most=True)
    yield from _back(root, registered, sizes)


def _back(root: Path, registered: Path, sizes: JsonDict) -> Iterator[Figure]:
    """The standard and its halves on the sample, against the other program's."""
    inputs: JsonDict = {"volume": "sample.tif", "template": "standard.tif"}
    _run(root, "register_back", inputs, {"folder": "back"}, settings="fast", **sizes)
    _run(
        root,
        "warp_labels",
        {"annotation": "annotation.tif", "back": "back", "volume": "sample.tif"},
        {"labels": "labels/result.tif"},
        annotation_voxel_um=[100, 100, 100],
        voxel_um=[40, 40, 50],
        axes=["RL", "DV", "AP"],
    )
    brain = tifffile.imread(registered / "downsampled_brain.tiff")
    theirs = tifffile.imread(registered / "registered_hemispheres.tiff")
    standard = tifffile.imread(root / "back/result.1.tif")
    sides = tifffile.imread(root / "labels/hemispheres.tif")
    inside = _tissue(brain) & (theirs > 0)
    smooth = ndimage.uniform_filter(standard.astype(np.float32), (2, 3, 3))
    like = _correlation(_at_100_um(smooth, brain.shape), brain, inside)
    yield Figure("R1 standard on the sample, correlation", like, 0.97)
    ours = _at_100_um(sides, brain.shape)
    same = float((ours == theirs)[inside].mean())
    cut = np.where(np.arange(brain.shape[2]) < brain.shape[2] / 2, 2, 1)
    plain = float((cut == theirs)[inside].mean())
    yield Figure("R1 hemispheres as the other program has them", same, max(0.985, plain))
    mirrored = np.where(ours > 0, 3 - ours, 0)
    yield Figure(
        "R1 the same, sides exchanged",
        float((mirrored == theirs)[inside].mean()),
        0.1,
        at_most=True,
    )


def _at_100_um(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sample (50, 40, 40 µm) at the middles of voxels of 100 µm."""
    at = [
        np.minimum(((np.arange(n) + 0.5) * 100 / um).astype(int), side - 1)
        for n, um, side in zip(shape, (50, 40, 40), volume.shape, strict=True)
    ]
    return volume[np.ix_(*at)]


def _tissue(volume: np.ndarray) -> np.ndarray:
    """Above 30 after smoothing, filled, the largest part."""
    inside = ndimage.gaussian_filter(volume.astype(np.float32), 1) > 30
    parts, _ = ndimage.label(ndimage.binary_fill_holes(inside))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())


def _correlation(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> float:
    """In the brain, after light smoothing and clipping."""
    smooth = [ndimage.gaussian_filter(np.minimum(x, 600).astype(np.float32), 1) for x in (a, b)]
    return float(np.corrcoef(smooth[0][inside], smooth[1][inside])[0, 1])
