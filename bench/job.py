"""One measured job in a process of its own: `python -m bench.job NAME DATA OUT`; prints JSON.

The other jobs, those that need cloud-volume and igneous, are in igneous_job.py.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import tensorstore
import tifffile

from bench.measure import report
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.runner import load_step
from pipeline.steps import precompute
from pipeline.workspace import Workspace

_THREADS = 2
_PIECE = 512 * 1024
_MIPS = 4
_CHUNK = 64


def copy(data: Path, out: Path) -> JsonDict:
    """The anchor: the same bytes into files of 512 KiB by two threads."""
    out.mkdir()

    def one(path: Path) -> None:
        with path.open("rb") as stream:
            for number, piece in enumerate(iter(lambda: stream.read(_PIECE), b"")):
                (out / f"{path.stem}_{number}").write_bytes(piece)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(one, sorted(data.glob("*.tif"))))
    return {}


def raw(data: Path, out: Path) -> JsonDict:
    return _precompute(data, out, "none")


def gzip(data: Path, out: Path) -> JsonDict:
    return _precompute(data, out, "gzip")


def _precompute(data: Path, out: Path, compression: str) -> JsonDict:
    """The product's own step, as the cluster runs it."""
    root = data.parent
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="precompute",
        name="bench",
        version=PIPELINE_VERSION,
        inputs={"folder": data.name, "layout": "planes"},
        parameters={"voxel_um": [5, 5, 5], "compression": compression, "mips": _MIPS},
        outputs={"volume": str(out.relative_to(root))},
        threads=_THREADS,
    )
    # The copy that it is compared with is not synced either; ADR 0010 says what syncing costs.
    with mock.patch.object(os, "fdatasync", lambda descriptor: None):
        outputs = precompute.run(spec, Workspace(root, spec.name, spec.threads))
    info = json.loads((out / "info").read_text())
    return {**outputs, "slab_planes": info["scales"][0]["chunk_sizes"][0][2]}


def unsharded(data: Path, out: Path) -> JsonDict:
    """Tensorstore's writer with one file per chunk, mips by its own mean."""
    paths = sorted(data.glob("*.tif"))
    first = tifffile.imread(paths[0])
    size = np.array([first.shape[1], first.shape[0], len(paths)])
    stores = [_store(out, mip, -(-size // 2**mip)) for mip in range(_MIPS + 1)]
    waiting: list[list[np.ndarray]] = [[] for _ in stores]
    written = [0] * len(stores)
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(paths), _CHUNK):
            slab = np.stack(list(pool.map(tifffile.imread, paths[start : start + _CHUNK])))
            _write_slab(stores, waiting, written, slab.transpose(2, 1, 0))
    _flush(stores, waiting, written, least=1)
    return {}


def _store(out: Path, mip: int, size: np.ndarray) -> tensorstore.TensorStore:
    scale = {
        "size": size.tolist(),
        "resolution": [5000 * 2**mip] * 3,
        "chunk_size": [_CHUNK] * 3,
        "encoding": "raw",
    }
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{out}/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint16", "num_channels": 1},
        "scale_metadata": scale,
        "context": {
            "data_copy_concurrency": {"limit": _THREADS},
            "file_io_concurrency": {"limit": _THREADS},
        },
    }
    return tensorstore.open(spec, create=True).result()


def _write_slab(
    stores: list[tensorstore.TensorStore],
    waiting: list[list[np.ndarray]],
    written: list[int],
    slab: np.ndarray,
) -> None:
    for mip in range(len(stores)):
        if mip:
            view = tensorstore.downsample(tensorstore.array(slab), [2, 2, 2], "mean")
            slab = view.read().result()
        waiting[mip].append(slab)
    _flush(stores, waiting, written, least=_CHUNK)


def _flush(
    stores: list[tensorstore.TensorStore],
    waiting: list[list[np.ndarray]],
    written: list[int],
    *,
    least: int,
) -> None:
    """Write the mips that have a whole layer of chunks together."""
    pending = []
    for mip, parts in enumerate(waiting):
        if sum(part.shape[2] for part in parts) >= least:
            block = np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
            span = slice(written[mip], written[mip] + block.shape[2])
            pending.append(stores[mip][:, :, span, 0].write(block))
            written[mip] = span.stop
            parts.clear()
    for write in pending:
        write.result()


def read_tiles(data: Path, out: Path) -> JsonDict:
    """The anchor of stitching: every plane of every tile decoded once by two threads."""
    with ThreadPoolExecutor(_THREADS) as pool:
        sizes = pool.map(lambda path: tifffile.imread(path, is_ome=False).nbytes, _tiles(data))
        return {"bytes": sum(sizes)}


def _tiles(data: Path) -> list[Path]:
    return sorted(data.glob("*.tif"))


def stitch(data: Path, out: Path) -> JsonDict:
    """Both channels: the tiles of the first are placed, then those of each are merged."""
    planes = sum(1 for _ in data.glob("*[[]00 x 00[]]*Filter0000*"))
    inputs: JsonDict = {
        "folder": data.name, "layout": "lavision", "columns": 2, "rows": 2, "planes": planes,
    }  # fmt: skip
    place = f"{out.name}/placements.json"
    voxel: JsonDict = {"voxel_um": [2, 2, 5]}
    steps = [("place_tiles", inputs, {**voxel, "overlap": 0.1}, {"placements": place})]
    for channel in (0, 1):
        steps.append(
            (
                "merge_tiles",
                {**inputs, "channel_index": channel, "placements": place},
                {**voxel, "name": f"ch{channel}"},
                {"planes": f"{out.name}/ch{channel}"},
            )
        )
    seconds: JsonDict = {}
    # reading is not synced either; ADR 0010 says what syncing costs
    with mock.patch.object(os, "fsync", lambda descriptor: None):
        for number, (step, given, parameters, outputs) in enumerate(steps):
            began = time.perf_counter()
            _run_step(data.parent, step, given, parameters, outputs)
            seconds[f"{step}_{number}"] = time.perf_counter() - began
    return seconds


def _run_step(
    root: Path, step: str, inputs: JsonDict, parameters: JsonDict, outputs: dict[str, str]
) -> None:
    spec = StepSpec(
        contract=CONTRACT_VERSION, step=step, name="bench", version=PIPELINE_VERSION,
        inputs=inputs, parameters=parameters, outputs=outputs, threads=_THREADS,
    )  # fmt: skip
    load_step(step)(spec, Workspace(root, spec.name, spec.threads))


JOBS = {
    "read_tiles": read_tiles,
    "stitch": stitch,
    "copy": copy,
    "raw": raw,
    "gzip": gzip,
    "unsharded": unsharded,
}


def main(name: str, data: str, out: str) -> None:
    report(lambda: JOBS[name](Path(data), Path(out)))


if __name__ == "__main__":
    main(*sys.argv[1:])
