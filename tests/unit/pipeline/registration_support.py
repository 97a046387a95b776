"""Small brains, specs and transform files written by hand, for the tests of registration."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from scipy import ndimage

from pipeline.anatomy import BOX_MM, Anatomy
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.runner import load_step
from pipeline.workspace import Workspace
from tests.support import services

if TYPE_CHECKING:
    from pathlib import Path

UM = 400.0
SHAPE = (20, 33, 28)  # z, y, x: the box of the invented brain at UM


@cache
def brain() -> np.ndarray:
    """An invented brain with its left mark, (z, y, x) uint16, axes LR, AP, DV."""
    anatomy = Anatomy(SHAPE, seed=3)
    planes = []
    for z in range(SHAPE[0]):
        tissue, light = anatomy.plane(z)
        planes.append(tissue * (300 + 600 * light) + 900 * anatomy.mark(z) + 40)
    return np.stack(planes).astype(np.uint16)


def box_voxel_um() -> list[float]:
    """The true voxel size (x, y, z) of the brain."""
    return [1000 * mm / n for mm, n in zip(BOX_MM, reversed(SHAPE), strict=True)]


# fixed position -> moving position, (x, y, z) in mm about the middle of the box
MATRIX = np.array([[1.04, 0.06, 0.0], [-0.05, 0.97, 0.04], [0.02, -0.03, 1.02]])
SHIFT = np.array([0.5, -0.3, 0.4])


def moved_brain(pad: int = 4) -> np.ndarray:
    """The sample: moved(MATRIX (x - middle) + middle + SHIFT) = brain(x), some air around it."""
    middle = np.array(BOX_MM) / 2
    voxel = np.array(box_voxel_um()) / 1000
    inverse = np.linalg.inv(MATRIX)
    shape = tuple(n + 2 * pad for n in SHAPE)
    scale, back = np.diag(voxel), np.diag(1 / voxel)
    matrix = back @ inverse @ scale
    start = (0.5 - pad) * voxel - middle - SHIFT
    offset = back @ (inverse @ start + middle) - 0.5
    turn = slice(None, None, -1)
    warped = ndimage.affine_transform(
        brain().astype(np.float32), matrix[turn, turn], offset[turn], shape, order=1, cval=40
    )
    return np.rint(warped).astype(np.uint16)


def shift_of_pad(pad: int = 4) -> np.ndarray:
    """Where the corner of the unmoved box lies in the sample, mm."""
    return pad * np.array(box_voxel_um()) / 1000


def write(path: Path, volume: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, volume, photometric="minisblack")


def spec(
    step: str,
    name: str = "a1",
    *,
    inputs: JsonDict,
    out: JsonDict,
    threads: int = 2,
    **values: object,
) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step=step,
        name=name,
        version=PIPELINE_VERSION,
        inputs=inputs,
        parameters=values,
        outputs=out,
        threads=threads,
    )


def register_spec(name: str = "a1", step: str = "register", **values: object) -> StepSpec:
    """Registers `in/sample.tif` to `in/template.tif` (or back), as fast as can be."""
    parameters = {"voxel_um": box_voxel_um(), "template_voxel_um": box_voxel_um(), **values}
    return spec(
        step,
        name,
        inputs={"volume": "in/sample.tif", "template": "in/template.tif"},
        out={"folder": f"out/{step}"},
        **{"settings": "fast", **parameters},
    )


def run_in(root: Path, given: StepSpec) -> JsonDict:
    """Run the step in this process."""
    return load_step(given.step)(given, Workspace(root, given.name, given.threads))


def need_elastix() -> None:
    services.program("elastix", service="elastix", package="elastix")
    services.program("transformix", service="elastix", package="elastix")


def engine(folder: Path, elastix: str, transformix: str = 'exec transformix "$@"') -> Path:
    """A folder with two programs of these shell lines, in place of the real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("elastix", elastix), ("transformix", transformix)):
        path = folder / name
        path.write_text(f"#!/bin/sh\nPATH={os.environ['PATH']}\n{lines}\n")
        path.chmod(0o755)
    return folder


def affine_text(
    matrix: np.ndarray, shift_mm: np.ndarray, size_xyz: list[int], voxel_um: list[float]
) -> str:
    """A transform file as elastix writes it: x -> matrix x + shift."""
    numbers = " ".join(f"{value:.12f}" for value in [*matrix.ravel(), *shift_mm])
    spacing = [um / 1000 for um in voxel_um]
    return (
        '(Transform "AffineTransform")\n(NumberOfParameters 12)\n'
        f"(TransformParameters {numbers})\n"
        '(InitialTransformParametersFileName "NoInitialTransform")\n'
        '(HowToCombineTransforms "Compose")\n(FixedImageDimension 3)\n(MovingImageDimension 3)\n'
        '(FixedInternalImagePixelType "float")\n(MovingInternalImagePixelType "float")\n'
        f"(Size {' '.join(map(str, size_xyz))})\n(Index 0 0 0)\n"
        f"(Spacing {' '.join(f'{s:.12g}' for s in spacing)})\n"
        f"(Origin {' '.join(f'{s / 2:.12g}' for s in spacing)})\n"
        "(Direction 1 0 0 0 1 0 0 0 1)\n"
        '(UseDirectionCosines "true")\n(CenterOfRotationPoint 0 0 0)\n'
    )


def spline_text(
    coefficients: np.ndarray, origin: list[float], step: float, size_xyz: list[int], um: list[float]
) -> str:
    """A B-spline file: coefficients (3, z, y, x) in mm on points `step` apart."""
    z, y, x = coefficients.shape[1:]
    text = affine_text(np.eye(3), np.zeros(3), size_xyz, um)
    kept = [line for line in text.splitlines() if not line.startswith(("(Tr", "(Num", "(Center"))]
    numbers = " ".join(f"{value:.12g}" for value in coefficients.ravel())
    return "\n".join(
        [
            '(Transform "BSplineTransform")', f"(NumberOfParameters {coefficients.size})",
            f"(TransformParameters {numbers})", *kept, f"(GridSize {x} {y} {z})",
            "(GridIndex 0 0 0)", f"(GridSpacing {step} {step} {step})",
            f"(GridOrigin {' '.join(map(str, origin))})", "(GridDirection 1 0 0 0 1 0 0 0 1)",
            "(BSplineTransformSplineOrder 3)", '(UseCyclicTransform "false")', "",
        ]
    )  # fmt: skip


def registration(
    folder: Path, size_xyz: list[int], um: list[float], *, shift_mm: np.ndarray | None = None
) -> None:
    """A folder as register leaves it, whose transform only shifts."""
    folder.mkdir(parents=True, exist_ok=True)
    shift = np.zeros(3) if shift_mm is None else shift_mm
    first = affine_text(np.eye(3), shift, size_xyz, um)
    (folder / "TransformParameters.0.txt").write_text(first)
    flat = spline_text(np.zeros((3, 8, 8, 8)), [-2.0] * 3, 3.0, size_xyz, um)
    (folder / "TransformParameters.1.txt").write_text(flat)
