"""The references that need cloud-volume and igneous, run by the Python of var/bench-venv.

`old` does what the original did: each plane into chunks 1024 x 1024 x 1 by a process of its own,
gzip; a transfer to 128 x 128 x 64; then one mip after the other. `slabs` uploads whole slabs raw
and makes all mips in one pass.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import sys
import time
from pathlib import Path

import igneous.task_creation as tasks
import numpy as np
import tifffile
from cloudvolume import CloudVolume
from taskqueue import LocalTaskQueue

_PROCESSES = 2
_MIPS = 4
_CHUNK = (128, 128, 64)


def old(data: Path, out: Path) -> None:
    planes = out.with_name(f"{out.name}_planes")
    shutil.rmtree(planes, ignore_errors=True)
    paths = sorted(data.glob("*.tif"))
    _create(planes, paths, (1024, 1024, 1))
    with multiprocessing.Pool(_PROCESSES) as pool:
        pool.starmap(_upload_plane, [(planes, z, path) for z, path in enumerate(paths)])
    _run(
        tasks.create_transfer_tasks(
            f"file://{planes}", f"file://{out}", chunk_size=_CHUNK, mip=0, skip_downsamples=True
        )
    )
    for mip in range(_MIPS):
        _run(
            tasks.create_downsampling_tasks(
                f"file://{out}",
                mip=mip,
                num_mips=1,
                factor=(2, 2, 2),
                compress="gzip",
                # igneous makes no scale that is thinner than its chunk
                chunk_size=None if mip < 2 else (64, 64, 16),
            )
        )
    shutil.rmtree(planes, ignore_errors=True)


def slabs(data: Path, out: Path) -> None:
    paths = sorted(data.glob("*.tif"))
    volume = _create(out, paths, _CHUNK, compress=False)
    for start in range(0, len(paths), _CHUNK[2]):
        part = paths[start : start + _CHUNK[2]]
        block = np.stack([tifffile.imread(path) for path in part]).transpose(2, 1, 0)
        volume[:, :, start : start + len(part)] = block[..., np.newaxis]
    _run(
        tasks.create_downsampling_tasks(
            f"file://{out}", mip=0, num_mips=_MIPS, factor=(2, 2, 2), compress=None
        )
    )


def _create(
    folder: Path, paths: list[Path], chunk: tuple[int, int, int], *, compress: bool = True
) -> CloudVolume:
    height, width = tifffile.imread(paths[0]).shape
    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type="image",
        data_type="uint16",
        encoding="raw",
        resolution=[5000, 5000, 5000],
        voxel_offset=[0, 0, 0],
        chunk_size=chunk,
        volume_size=[width, height, len(paths)],
    )
    options = {"compress": "gzip" if compress else None, "progress": False, "parallel": 1}
    volume = CloudVolume(f"file://{folder}", info=info, **options)
    volume.commit_info()
    return volume


def _upload_plane(folder: Path, z: int, path: Path) -> None:
    volume = CloudVolume(f"file://{folder}", progress=False, compress="gzip")
    volume[:, :, z] = tifffile.imread(path).T[..., np.newaxis, np.newaxis]


def _run(work: object) -> None:
    LocalTaskQueue(parallel=_PROCESSES, progress=False).insert_all(work)


def _used() -> tuple[float, int]:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usages = [resource.getrusage(kind) for kind in kinds]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return cpu, max(usage.ru_maxrss for usage in usages) * 1024


def main(name: str, data: str, out: str) -> None:
    idle, began = _used()[0], time.perf_counter()
    {"old": old, "slabs": slabs}[name](Path(data), Path(out))
    wall = time.perf_counter() - began
    # The task queue reaps its processes only when Python ends, so whoever started us counts the CPU
    # time of everything and takes off what importing had cost.
    report = {"wall": wall, "cpu": -idle, "peak": _used()[1], "outputs": {}}
    sys.stdout.write("\n" + json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
