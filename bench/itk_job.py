"""The reference of target 6, run by the Python of var/bench-itk: itk-elastix, two stages.

Affine of 300 and B-spline of 500 iterations in 4 levels, 4000 samples, as published for it; two
threads, a fixed seed. `python itk_job.py DATA`; prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import itk

_THREADS = 2
_ITERATIONS = {"affine": "300", "bspline": "500"}


def main(data: str) -> None:
    root = Path(data)
    um = float((root / "voxel_um").read_text())
    began = time.perf_counter()
    fixed, moving = (_read(root / name, um) for name in ("sample.tif", "template.tif"))
    itk.MultiThreaderBase.SetGlobalMaximumNumberOfThreads(_THREADS)
    settings = itk.ParameterObject.New()
    for stage, iterations in _ITERATIONS.items():
        one = itk.ParameterObject.GetDefaultParameterMap(stage, 4)
        one["MaximumNumberOfIterations"] = [iterations]
        one["NumberOfSpatialSamples"] = ["4000"]
        one["RandomSeed"] = ["121212"]
        if stage == "bspline":
            one["FinalGridSpacingInPhysicalUnits"] = ["1.0"]
        settings.AddParameterMap(one)
    itk.elastix_registration_method(
        fixed, moving, parameter_object=settings, log_to_console=False, number_of_threads=_THREADS
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "wall": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
        "outputs": {},
    }
    sys.stdout.write("\n" + json.dumps(report))


def _read(path: Path, um: float) -> object:
    image = itk.imread(str(path), itk.F)
    image.SetSpacing([um / 1000] * 3)
    return image


if __name__ == "__main__":
    main(*sys.argv[1:])
