"""One registration by the product's own step, in a process of its own; prints JSON.

`BENCH_EFFORT=usual BENCH_FOLDER=NAME python -m bench.registration_job DATA`.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, StepSpec
from pipeline.runner import load_step
from pipeline.workspace import Workspace

_THREADS = 2


def main(data: str) -> None:
    root, folder = Path(data), os.environ["BENCH_FOLDER"]
    shutil.rmtree(root / folder, ignore_errors=True)
    um = float((root / "voxel_um").read_text())
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="register_back",
        name="bench",
        version=PIPELINE_VERSION,
        inputs={"volume": "sample.tif", "template": "template.tif"},
        parameters={
            "voxel_um": [um] * 3,
            "template_voxel_um": [um] * 3,
            "settings": os.environ["BENCH_EFFORT"],
            "least_score": 0,
        },
        outputs={"folder": folder},
        threads=_THREADS,
    )
    began = time.perf_counter()
    load_step(spec.step)(spec, Workspace(root, spec.name, spec.threads))
    wall = time.perf_counter() - began
    usages = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    report = {
        "wall": wall,
        "cpu": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "peak": max(usage.ru_maxrss for usage in usages) * 1024,
        "outputs": {},
    }
    sys.stdout.write("\n" + json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
