"""elastix and transformix by itk-elastix, with the arguments of the two programs.

For machines that have the Python package itk-elastix and no package elastix; `python -m
pipeline.registration.with_itk elastix -f ...`. The files written have the same names.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run "elastix" or "transformix"; their options take one value each."""
    program, *words = arguments
    given = dict(zip(words[::2], words[1::2], strict=True))
    itk: Any = importlib.import_module("itk")
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(int(given["-threads"]))
    if program == "elastix":
        _elastix(itk, given)
    else:
        _transformix(itk, given)
    return 0


def _elastix(itk: Any, given: dict[str, str]) -> None:
    settings = itk.ParameterObject.New()
    settings.AddParameterFile(given["-p"])
    fixed, moving = (itk.imread(given[name], itk.F) for name in ("-f", "-m"))
    method = itk.ElastixRegistrationMethod.New(fixed, moving)
    method.SetParameterObject(settings)
    method.SetInitialTransformParameterFileName(given["-t0"])
    method.SetNumberOfThreads(int(given["-threads"]))
    method.SetOutputDirectory(given["-out"])
    method.LogToConsoleOn()
    method.UpdateLargestPossibleRegion()
    found = method.GetTransformParameterObject()
    last = found.GetNumberOfParameterMaps() - 1
    path = str(Path(given["-out"]) / "TransformParameters.0.txt")
    alone = itk.ParameterObject.New()
    alone.AddParameterMap(found.GetParameterMap(last))
    alone.WriteParameterFile(path)


def _transformix(itk: Any, given: dict[str, str]) -> None:
    chain = itk.ParameterObject.New()
    for name in _chained(given["-tp"]):
        chain.AddParameterFile(name)
    moving = itk.imread(given["-in"], itk.F)
    result = itk.transformix_filter(moving, transform_parameter_object=chain, log_to_console=True)
    itk.imwrite(result, str(Path(given["-out"]) / "result.mha"), compression=False)


def _chained(last: str) -> list[str]:
    """Return the names of the transform files from the first to the last."""
    from pipeline.registration.transforms import name_before

    names = [last]
    while (before := name_before(Path(names[0]))) is not None:
        names.insert(0, before)
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
