"""The parameter files for elastix: two stages, three degrees of effort.

Both stages maximize Mattes mutual information by adaptive stochastic gradient descent (Klein et
al., Int J Comput Vis 2009) from coarse to fine; the names of the settings are those of the manual
of elastix 5. The random numbers have a fixed seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Value: TypeAlias = "str | int | float"

AFFINE: Final = "affine"
BSPLINE: Final = "bspline"
_COARSEST_GRID: Final = 8
_UM_PER_MM: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How long each stage searches. `grid_mm` is the final distance of control points."""

    levels: int
    affine_iterations: int
    affine_samples: int
    bspline_iterations: int
    bspline_samples: int
    grid_mm: float

    def iterations(self, stage: str) -> int:
        """Return the iterations of one level."""
        return self.affine_iterations if stage == AFFINE else self.bspline_iterations


EFFORTS: Final[dict[str, Effort]] = {
    "usual": Effort(4, 500, 4000, 1000, 8000, 1.0),
    "fast": Effort(3, 150, 2000, 200, 3000, 1.0),
    "thorough": Effort(8, 2500, 4000, 15000, 10000, 0.625),
}


def parameter_text(stage: str, effort: Effort, voxel_um: Sequence[float]) -> str:
    """Return the parameter file of one stage.

    `voxel_um` is the coarser voxel of the two volumes, any order: smoothing begins from it.
    """
    lines = {**_common(effort, stage), **_pyramids(effort, voxel_um), **_STAGES[stage]}
    if stage == BSPLINE:
        lines |= {
            "FinalGridSpacingInPhysicalUnits": [effort.grid_mm],
            "GridSpacingSchedule": [min(2**n, _COARSEST_GRID) for n in _steps(effort)],
        }
    return "".join(line(name, *values) for name, values in lines.items())


def line(name: str, *values: Value) -> str:
    """Return one line as elastix reads it: words in quotes, numbers bare."""
    words = (f'"{value}"' if isinstance(value, str) else f"{value!r}" for value in values)
    return f"({name} {' '.join(words)})\n"


def _steps(effort: Effort) -> list[int]:
    """Count down to 0, once for each level."""
    return list(range(effort.levels - 1, -1, -1))


def _common(effort: Effort, stage: str) -> dict[str, list[Value]]:
    samples = effort.affine_samples if stage == AFFINE else effort.bspline_samples
    return {
        "FixedImageDimension": [3],
        "MovingImageDimension": [3],
        "FixedInternalImagePixelType": ["float"],
        "MovingInternalImagePixelType": ["float"],
        "UseDirectionCosines": ["true"],
        "Registration": ["MultiResolutionRegistration"],
        "NumberOfResolutions": [effort.levels],
        "Optimizer": ["AdaptiveStochasticGradientDescent"],
        "AutomaticParameterEstimation": ["true"],
        "NumberOfSamplesForExactGradient": [20000],
        "MaximumNumberOfIterations": [effort.iterations(stage)],
        "Metric": ["AdvancedMattesMutualInformation"],
        "NumberOfHistogramBins": [32],
        "ImageSampler": ["RandomCoordinate"],
        "NumberOfSpatialSamples": [samples],
        "NewSamplesEveryIteration": ["true"],
        "MaximumNumberOfSamplingAttempts": [10],
        "RequiredRatioOfValidSamples": [0.05],
        "CheckNumberOfSamples": ["true"],
        "RandomSeed": [121212],
        "Interpolator": ["LinearInterpolator"],
        "ResampleInterpolator": ["FinalBSplineInterpolator"],
        "FinalBSplineInterpolationOrder": [3],
        "Resampler": ["DefaultResampler"],
        "DefaultPixelValue": [0],
        "HowToCombineTransforms": ["Compose"],
        "DefaultOutputPrecision": [12],
        "WriteResultImage": ["false"],
    }


def _pyramids(effort: Effort, voxel_um: Sequence[float]) -> dict[str, list[Value]]:
    """Smoothing halves from level to level, to half a voxel; the grid stays as it is.

    One level at a time is in memory.
    """
    product = float(voxel_um[0]) * voxel_um[1] * voxel_um[2]
    finest_mm = 0.5 * product ** (1 / 3) / _UM_PER_MM
    sigmas = [round(finest_mm * 2**n, 9) for n in _steps(effort) for _axis in range(3)]
    found: dict[str, list[Value]] = {"ComputePyramidImagesPerResolution": ["true"]}
    for side in ("Fixed", "Moving"):
        found |= {
            f"{side}ImagePyramid": [f"{side}GenericImagePyramid"],
            f"{side}ImagePyramidRescaleSchedule": [1] * len(sigmas),
            f"{side}ImagePyramidSmoothingSchedule": [*sigmas],
        }
    return found


_STAGES: Final[dict[str, dict[str, list[Value]]]] = {
    AFFINE: {
        "Transform": ["AffineTransform"],
        "AutomaticScalesEstimation": ["true"],
        "AutomaticTransformInitialization": ["false"],
    },
    BSPLINE: {
        "Transform": ["BSplineTransform"],
        "BSplineTransformSplineOrder": [3],
        "ASGDParameterEstimationMethod": ["DisplacementDistribution"],
    },
}
