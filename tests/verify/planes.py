"""Blending, correcting and downsizing: weights, flat field, stripes, means, axes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.steps import blend_sheets, correct, downsize
from pipeline.workspace import Workspace
from tests.verify.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEPS = {"blend_sheets": blend_sheets, "correct": correct, "downsize": downsize}
_DIRECTIONS = (("LR", "RL"), ("AP", "PA"), ("DV", "VD"))
_ALL_AXES = [
    list(chosen)
    for order in itertools.permutations(_DIRECTIONS)
    for chosen in itertools.product(*order)
]
_STRIPES = 0.25
_SEED = 0
_DRAWS = 5


def figures(work: Path, real: Path | None) -> Iterator[Figure]:
    """Measure with invented planes, and with a real one where it is."""
    yield from _blending(work / "blending")
    yield from _downsizing(work / "downsizing")
    yield from _turning(work / "turning")
    invented = _invented_plane()
    # The invented plane's limits are what was measured on it (9.15 and 5.28), a little less.
    yield from _correcting(work / "invented", invented, "invented plane", gains=(9.0, 5.0))
    if real is not None:
        plane = tifffile.imread(real / "real_channels" / "signal_ch000000.tif")
        yield from _correcting(work / "real", plane, "real plane", gains=(9.0, 4.0))


def _run(root: Path, step: str, inputs: JsonDict, parameters: JsonDict, outputs: str) -> JsonDict:
    kind = "volume" if step == "downsize" else "planes"
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step=step,
        name="verify",
        version=PIPELINE_VERSION,
        inputs=inputs,
        parameters=parameters,
        outputs={kind: outputs},
        threads=2,
    )
    return _STEPS[step].run(spec, Workspace(root, "verify", 2))


def _write(folder: Path, volume: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for z, plane in enumerate(volume):
        tifffile.imwrite(folder / f"plane_{z:04d}.tif", plane)


def _read(folder: Path) -> np.ndarray:
    return np.stack([tifffile.imread(path) for path in sorted(folder.glob("*.tif"))])


# S2: light sheets.


def _blending(root: Path) -> Iterator[Figure]:
    width = 1001  # its quarters are pixels
    left, right = np.zeros((2, 1, 4, width), dtype=np.uint16)
    right[:] = 60_000
    for slope, expected in ((10, (0.0067, 0.5, 0.9933)), (4, (0.1192, 0.5, 0.8808))):
        found = _blended(root / f"slope{slope}", left, right, slope)
        weights = [found[0, 0, place * (width - 1) // 4] / 60_000 for place in (1, 2, 3)]
        worst = max(abs(a - b) for a, b in zip(weights, expected, strict=True))
        yield Figure(
            f"S2 weight of the right sheet at 25, 50, 75 %, slope {slope}: error",
            worst,
            1e-4,
            at_most=True,
        )
    noise = np.random.default_rng(_SEED).integers(0, 65_536, (3, 200, 301), dtype=np.uint16)
    changed = np.count_nonzero(_blended(root / "equal", noise, noise, 10) != noise)
    yield Figure("S2 equal sheets: pixels changed", changed, 0, at_most=True)


def _blended(root: Path, left: np.ndarray, right: np.ndarray, slope: float) -> np.ndarray:
    _write(root / "left", left)
    _write(root / "right", right)
    sheets = [{"side": side, "folder": side, "layout": "planes"} for side in ("left", "right")]
    parameters = {"voxel_um": [5, 5, 10], "name": "brain_C00", "slope": slope}
    _run(root, "blend_sheets", {"sheets": sheets}, parameters, "out")
    return _read(root / "out")


# Downsizing.


def _downsizing(root: Path) -> Iterator[Figure]:
    rng = np.random.default_rng(_SEED)
    worst = 0.0
    cases = (
        ((41, 203, 157), (5.0, 5.0, 10.0), (19.23, 19.23, 19.23)),
        ((30, 60, 91), (1.8, 1.8, 2.0), (7.69, 25.0, 3.1)),
    )
    for number, (shape, voxel, to_voxel) in enumerate(cases):
        volume = rng.integers(0, 65_536, shape, dtype=np.uint16)
        found = _downsized(root / str(number), volume, voxel, to_voxel)
        ratios = [b / a for a, b in zip(voxel[::-1], to_voxel[::-1], strict=True)]
        worst = max(worst, float(np.abs(found - _means(volume, ratios)).max()))
    yield Figure("downsizing: largest error against numpy, counts", worst, 0.5 + 1e-6, at_most=True)
    volume = rng.integers(5000, 60_000, (40, 120, 160), dtype=np.uint16)
    found = _downsized(root / "sum", volume, (5.0, 5.0, 10.0), (20.0, 20.0, 20.0))
    lost = abs(float(found.sum()) * 32 / float(volume.sum()) - 1)
    yield Figure("downsizing: total intensity lost or won", lost, 1e-5, at_most=True)
    marked = np.zeros((7, 12, 12), dtype=np.uint16)
    marked[-1] = 40_000
    found = _downsized(root / "last", marked, (5.0, 5.0, 10.0), (20.0, 20.0, 20.0))
    yield Figure(
        "downsizing: the last plane is in the result, counts", int(found[-1].min()), 40_000
    )


def _downsized(
    root: Path,
    volume: np.ndarray,
    voxel: tuple[float, ...],
    to_voxel: tuple[float, ...],
    axes: tuple[list[str], list[str]] = (["LR", "AP", "DV"], ["LR", "AP", "DV"]),
) -> np.ndarray:
    _write(root / "in", volume)
    parameters: JsonDict = {
        "voxel_um": list(voxel),
        "to_voxel_um": list(to_voxel),
        "axes": list(axes[0]),
        "to_axes": list(axes[1]),
    }
    _run(root, "downsize", {"folder": "in"}, parameters, "small.tif")
    return np.asarray(tifffile.imread(root / "small.tif"))


def _means(volume: np.ndarray, ratios: list[float]) -> np.ndarray:
    """The mean of each box by an explicit sum over the voxels that it cuts."""
    means = volume.astype(np.float64)
    for axis, ratio in enumerate(ratios):
        values = np.moveaxis(means, axis, 0)
        boxes = []
        for start in np.arange(int(np.ceil(len(values) / ratio))) * ratio:
            stop = min(start + ratio, len(values))
            voxels = np.arange(int(start), int(np.ceil(stop)))
            share = np.minimum(voxels + 1, stop) - np.maximum(voxels, start)
            boxes.append(np.tensordot(share, values[voxels], 1) / (stop - start))
        means = np.moveaxis(np.stack(boxes), 0, axis)
    return means


def _turning(root: Path) -> Iterator[Figure]:
    """Mark one corner, known by the animal's directions, and look for it in every turn."""
    wrong = 0
    for number, axes in enumerate(_ALL_AXES):
        other = _ALL_AXES[(number * 7 + 5) % len(_ALL_AXES)]
        for number_to, to_axes in enumerate((other, _ALL_AXES[-1 - number])):
            found = _downsized(
                root / f"{number}_{number_to}", _marked(axes, 2), (10.0,) * 3, (20.0,) * 3,
                (axes, to_axes),
            )  # fmt: skip
            wrong += not np.array_equal(found, _marked(to_axes, 1))
    yield Figure(
        f"turns of {2 * len(_ALL_AXES)} pairs of axes that are wrong", wrong, 0, at_most=True
    )


def _marked(axes: list[str], scale: int) -> np.ndarray:
    """A volume with these axes, brighter at the animal's left, anterior, dorsal corner."""
    sizes = {"LR": (5, 2), "AP": (4, 1), "DV": (3, 1)}  # of the whole, and of the mark
    forward = [way if way in sizes else way[::-1] for way in axes[::-1]]
    volume = np.full([scale * sizes[way][0] for way in forward], 10, dtype=np.uint16)
    corner = tuple(slice(0, scale * sizes[way][1]) for way in forward)
    volume[corner] = 5000
    back = [axis for axis, way in enumerate(axes[::-1]) if way not in sizes]
    return np.ascontiguousarray(np.flip(volume, back))


# S3: flat field and stripes.


def _invented_plane() -> np.ndarray:
    """Smooth tissue with cells and noise, and a dark margin, like a plane of a light sheet."""
    rng = np.random.default_rng(_SEED)
    y, x = (np.linspace(-1, 1, side)[:, None] for side in (700, 900))
    x = x.T
    inside = 1 / (1 + np.exp(30 * (np.sqrt(y**2 / 0.8 + x**2 / 0.7) - 1)))
    waves = np.sin(9 * x + 2) * np.cos(7 * y - 1) + 0.5 * np.sin(23 * x * y + 5 * y)
    plane = 110 + inside * (900 + 250 * waves)
    spot = np.exp(-(np.linspace(-2, 2, 9)[:, None] ** 2) - np.linspace(-2, 2, 9) ** 2)
    for _ in range(400):
        at_y, at_x = rng.integers(0, 691), rng.integers(0, 891)
        plane[at_y : at_y + 9, at_x : at_x + 9] += 1500 * spot
    return rng.poisson(plane).astype(np.uint16)


def _correcting(
    root: Path, plane: np.ndarray, name: str, *, gains: tuple[float, float]
) -> Iterator[Figure]:
    yield _flat_field(root / "flat", plane, name)
    striped = np.stack([_striped(plane, draw) for draw in range(_DRAWS)])
    before = float(np.median([_jitter(one) for one in striped]))
    yield Figure(f"S3 {name}: row jitter with stripes (clean {_jitter(plane):.4f})", before, 0.3)
    for sigma, gain in zip((8, 128), gains, strict=True):
        found = _destriped(root / f"sigma{sigma}", striped, sigma)
        if sigma == 8:
            after = max(_jitter(one) for one in found)
            yield Figure(f"S3 {name}: row jitter after, sigma 8, worst", after, 0.012, at_most=True)
        won = [_psnr(a, plane) - _psnr(b, plane) for a, b in zip(found, striped, strict=True)]
        yield Figure(f"S3 {name}: PSNR won, dB, sigma {sigma}, median", float(np.median(won)), gain)


def _striped(plane: np.ndarray, draw: int) -> np.ndarray:
    """Multiply each row by a random factor; what is won depends on the draw, so there are some."""
    rows = 1 + _STRIPES * np.random.default_rng(draw).standard_normal(len(plane))
    return np.rint(plane * rows[:, None]).clip(0, 65_535).astype(np.uint16)


def _flat_field(root: Path, plane: np.ndarray, name: str) -> Figure:
    """Light a plane unevenly, correct it by the same flat field: off by no more than rounding."""
    y, x = (np.linspace(-1, 1, side) for side in plane.shape)
    flat = np.exp(-0.5 * y[:, None] ** 2 - 0.4 * (x - 0.2) ** 2).astype(np.float32)
    flat /= flat.max()
    _write(root / "in", np.rint(plane[None] * flat).astype(np.uint16))
    tifffile.imwrite(root / "flat.tif", flat)
    _run(root, "correct", {"folder": "in", "flat": "flat.tif"}, {"name": "a"}, "out")
    error = np.abs(_read(root / "out")[0].astype(float) - plane)
    allowed = 0.5 / flat + 0.5  # half a count before the division, half after
    worst = float((error / allowed).max())
    return Figure(f"S3 {name}: flat field, error by what rounding allows", worst, 1, at_most=True)


def _destriped(root: Path, striped: np.ndarray, sigma: float) -> np.ndarray:
    _write(root / "in", striped)
    parameters = {"name": "a", "sigma": [sigma, sigma]}
    _run(root, "correct", {"folder": "in"}, parameters, "out")
    return _read(root / "out")


def _jitter(plane: np.ndarray) -> float:
    """How much the means of neighboring rows differ (standard deviation), by the mean of all."""
    means = plane.astype(np.float64).mean(axis=1)
    return float(np.diff(means).std() / means.mean())


def _psnr(found: np.ndarray, true: np.ndarray) -> float:
    error = np.mean((found.astype(np.float64) - true) ** 2)
    return float(10 * np.log10(float(true.max()) ** 2 / error))
