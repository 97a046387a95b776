"""One measured job on planes in a process of its own; prints JSON like bench.job.

`python -m bench.plane_steps_job NAME DATA OUT [THREADS]`. NAME is a job that reads and writes
files, or `destripe`, which times the filter and its textbook form in turns, in one thread.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pywt
import scipy.fft
import tifffile

from bench.measure import report
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.destriping import Destriper
from pipeline.flat_field import Flattener
from pipeline.io.planes import PlaneFolder
from pipeline.steps import blend_sheets, correct
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 4
_SIGMAS = ((128.0, 128.0), (8.0, 8.0), (256.0, 256.0), (128.0, 256.0))
_AXES: list[str] = ["LR", "AP", "DV"]


def copy(data: Path, out: Path, threads: int) -> JsonDict:
    """Read one sheet and write it again, as planes are written."""
    return _read_and_write([data], out, threads)


def copy_both(data: Path, out: Path, threads: int) -> JsonDict:
    """Read both sheets, and write as many bytes as blending does, those of one."""
    return _read_and_write([data, data.with_name(f"{data.name}_right")], out, threads)


def _read_and_write(folders: list[Path], out: Path, threads: int) -> JsonDict:
    paths = list(zip(*(sorted(folder.glob("*.tif")) for folder in folders), strict=True))
    folder = PlaneFolder(out, "copy")

    def one(z: int) -> int:
        planes = [tifffile.imread(path) for path in paths[z]]
        return folder.write(z, planes[0])

    with (
        mock.patch.object(os, "fsync", lambda descriptor: None),
        ThreadPoolExecutor(threads) as pool,
    ):
        return {"written": sum(pool.map(one, range(len(paths))))}


def blend(data: Path, out: Path, threads: int) -> JsonDict:
    sheets = [
        {"side": "left", "folder": data.name, "layout": "planes"},
        {"side": "right", "folder": f"{data.name}_right", "layout": "planes"},
    ]
    small = {"voxel_um": [20, 20, 20], "axes": _AXES, "to_axes": _AXES}
    parameters = {"voxel_um": [5, 5, 10], "name": "brain_C00", "downsized": small}
    outputs = {"planes": out.name, "downsized": f"{out.name}_small.tif"}
    return _step("blend_sheets", data.parent, {"sheets": sheets}, parameters, outputs, threads)


def correct_all(data: Path, out: Path, threads: int) -> JsonDict:
    flat = data.with_name(f"{data.name}_flat.tif")
    if not flat.exists():
        tifffile.imwrite(flat, _light(tifffile.imread(next(data.glob("*.tif"))).shape))
    inputs = {"folder": data.name, "flat": flat.name}
    parameters = {"name": "brain_C00", "sigma": [128, 128], "flat_from": "file"}
    return _step("correct", data.parent, inputs, parameters, {"planes": out.name}, threads)


def _step(
    step: str,
    root: Path,
    inputs: JsonDict,
    parameters: JsonDict,
    outputs: dict[str, str],
    threads: int,
) -> JsonDict:
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step=step,
        name="bench",
        version=PIPELINE_VERSION,
        inputs=inputs,
        parameters=parameters,
        outputs=outputs,
        threads=threads,
    )
    run = {"blend_sheets": blend_sheets.run, "correct": correct.run}[step]
    # The copy that it is compared with is not synced either.
    with mock.patch.object(os, "fsync", lambda descriptor: None):
        return run(spec, Workspace(root, spec.name, threads))


def destripe(data: Path, out: Path, threads: int) -> JsonDict:
    """CPU seconds of one plane: flat field and filter, and the same by the textbook."""
    plane = tifffile.imread(min(data.glob("*.tif")))
    flat = _light(plane.shape)
    flatten = Flattener(flat, 0)
    found: JsonDict = {"bytes": plane.nbytes}
    for sigma in _SIGMAS:
        filters = Destriper(plane.shape, sigma)
        ours, theirs = [], []
        for _ in range(_ROUNDS):
            ours.append(_cpu(lambda: filters(flatten(plane))))  # noqa: B023
            theirs.append(_cpu(lambda: _textbook(plane, flat, sigma)))  # noqa: B023
        found["{:g},{:g}".format(*sigma)] = {"ours": ours, "theirs": theirs}
    return found


def _light(shape: tuple[int, ...]) -> np.ndarray:
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    return np.asarray(np.exp(-0.4 * y[:, None] ** 2 - 0.3 * x**2), dtype=np.float32)


def _cpu(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _textbook(plane: np.ndarray, flat: np.ndarray, sigma: tuple[float, float]) -> np.ndarray:
    """The published filter as one writes it down, in single precision; two bands and a mix.

    The threshold is the mean and the mix is not smoothed, both of which favor the textbook.
    """
    values = np.clip(plane / flat, 0, 65535)
    if sigma[0] == sigma[1]:
        return _to_uint16(_filtered(values, sigma[0]))
    threshold = np.float32(values.mean())
    above = _filtered(np.maximum(values, threshold), sigma[0])
    below = _filtered(np.minimum(values, threshold), sigma[1])
    part = 1 / (1 + np.exp(-(values - threshold) / 10))
    return _to_uint16(above * part + below * (1 - part))


def _filtered(values: np.ndarray, sigma: float) -> np.ndarray:
    approximation, *details = pywt.wavedec2(np.log(1 + values), "db3")
    damped = [approximation]
    for horizontal, vertical, diagonal in details:
        s = sigma * len(horizontal) / len(values)
        spectrum = scipy.fft.rfft(horizontal, axis=1)
        spectrum *= 1 - np.exp(-(np.arange(spectrum.shape[1], dtype=np.float32) ** 2) / (2 * s * s))
        back = scipy.fft.irfft(spectrum, n=horizontal.shape[1], axis=1)
        damped.append((back, vertical, diagonal))
    return np.exp(pywt.waverec2(damped, "db3")[: len(values), : values.shape[1]]) - 1


def _to_uint16(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)


JOBS = {
    "copy": copy,
    "copy_both": copy_both,
    "blend": blend,
    "correct": correct_all,
    "destripe": destripe,
}


def main(name: str, data: str, out: str, threads: str = "2") -> None:
    report(lambda: JOBS[name](Path(data), Path(out), int(threads)))


if __name__ == "__main__":
    main(*sys.argv[1:])
