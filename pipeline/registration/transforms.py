"""The transform files of elastix: read, chained, and computed by ourselves.

A transform takes a position in the fixed volume to one in the moving volume, (x, y, z) in mm. In a
chain the first file is applied first. Format: manual of elastix 5.0, chapters 2 and 6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from pipeline.errors import BadInput
from pipeline.registration.settings import line
from pipeline.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Fields: TypeAlias = dict[str, str]

_LINE: Final = re.compile(r"^\((\w+)\s+(.*)\)\s*$", re.MULTILINE)
# The second name is that of elastix 5.1 and later, which also reads the first.
_BEFORE: Final = ("InitialTransformParametersFileName", "InitialTransformParameterFileName")
_ALWAYS: Final = {"Transform", "NumberOfParameters", "TransformParameters", "Size", "Spacing"}
_AFFINE: Final = {"CenterOfRotationPoint"}
_SPLINE: Final = {"GridSize", "GridSpacing", "GridOrigin"}
_NONE: Final = '"NoInitialTransform"'
NEAREST, LINEAR, CUBIC = 0, 1, 3
_UM_PER_MM: Final = 1000.0
_SAME: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Grid:
    """The voxels on which a result is wanted."""

    size_xyz: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    def fields(self) -> Fields:
        """Return the lines of a transform file that say this grid; its corner is at the origin."""
        return {
            "Size": " ".join(map(str, self.size_xyz)),
            "Index": "0 0 0",
            "Spacing": " ".join(f"{side:.12g}" for side in self.spacing_mm),
            "Origin": " ".join(f"{side / 2:.12g}" for side in self.spacing_mm),
            "Direction": "1 0 0 0 1 0 0 0 1",
        }


@dataclass(frozen=True, slots=True)
class Affine:
    """x -> matrix (x - center) + center + shift."""

    matrix: np.ndarray
    center: np.ndarray
    shift: np.ndarray

    def of(self, points: np.ndarray) -> np.ndarray:
        """Return where points (n, 3) go."""
        return np.asarray((points - self.center) @ self.matrix.T + self.center + self.shift)

    def back(self, points: np.ndarray) -> np.ndarray:
        """Return where points (n, 3) come from; the matrix must not be singular."""
        inverse = np.linalg.inv(self.matrix)
        return np.asarray((points - self.center - self.shift) @ inverse.T + self.center)


@dataclass(frozen=True, slots=True)
class Spline:
    """x -> x + a cubic B-spline with coefficients (3, z, y, x) on a grid of control points."""

    coefficients: np.ndarray
    origin: np.ndarray
    spacing: np.ndarray

    def of(self, points: np.ndarray) -> np.ndarray:
        """Return where points (n, 3) go; outside the control points they stay."""
        at = (points - self.origin) / self.spacing
        first = np.floor(at).astype(int) - 1
        size = np.array(self.coefficients.shape[:0:-1])
        inside = ((first >= 0) & (first + 3 < size)).all(axis=1)
        first = np.where(inside[:, None], first, 0)
        weights = [_weights(at[:, axis] - np.floor(at[:, axis])) for axis in range(3)]
        moved = np.zeros_like(points)
        for k, j, i in np.ndindex(4, 4, 4):
            weight = weights[2][k] * weights[1][j] * weights[0][i]
            values = self.coefficients[:, first[:, 2] + k, first[:, 1] + j, first[:, 0] + i]
            moved += (weight * values).T
        return np.asarray(points + np.where(inside[:, None], moved, 0))

    def determinants(self, per_cell: int = 3) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (n, 3) between the control points and how much space is stretched there.

        The determinant of the derivative: 1 unchanged, 0 and less folded.
        """
        size = self.coefficients.shape[:0:-1]
        at = [1 + (np.arange(per_cell * (n - 3)) + 0.5) / per_cell for n in size]
        plain = [_matrix(values, n, _weights) for values, n in zip(at, size, strict=True)]
        slopes = [
            _matrix(values, n, _slopes) / step
            for values, n, step in zip(at, size, self.spacing, strict=True)
        ]
        derivative = np.empty((*(len(values) for values in reversed(at)), 3, 3))
        for axis in range(3):
            x, y, z = (slopes[i] if i == axis else plain[i] for i in range(3))
            along = np.einsum("czyx,kz,jy,ix->kjic", self.coefficients, z, y, x, optimize=True)
            derivative[..., axis] = along
        derivative += np.eye(3)
        z, y, x = np.meshgrid(at[2], at[1], at[0], indexing="ij")
        points = np.stack([x, y, z], axis=-1).reshape(-1, 3) * self.spacing + self.origin
        return points, np.linalg.det(derivative).ravel()


def _weights(t: np.ndarray) -> np.ndarray:
    """The four cubic B-spline weights (4, n) at a fraction t of a cell."""
    return np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    ) / np.float64(6)


def _slopes(t: np.ndarray) -> np.ndarray:
    """The derivatives of the weights."""
    return np.stack([-((1 - t) ** 2), 3 * t**2 - 4 * t, -3 * t**2 + 2 * t + 1, t**2]) / np.float64(
        2
    )


def _matrix(at: np.ndarray, size: int, basis: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the weight of each of `size` control points (columns) at each position (rows)."""
    first = np.floor(at).astype(int)
    matrix = np.zeros((len(at), size))
    for offset, weight in enumerate(basis(at - first)):
        matrix[np.arange(len(at)), first - 1 + offset] = weight
    return matrix


def read_transform(path: Path) -> Fields:
    """Read the lines of a transform file; raises BadInput if it is none."""
    try:
        fields = dict(_LINE.findall(path.read_text(encoding="ascii", errors="replace")))
    except OSError as error:
        raise BadInput(
            f"The transform {path.name} of the registration cannot be read: "
            f"{error.strerror or error}. Run the registration again."
        ) from error
    if not _is_whole(fields):
        raise BadInput(f"{path.name} is no transform of elastix. Run the registration again.")
    for name in _BEFORE:
        fields.pop(name, None)
    return fields


def _is_whole(fields: Fields) -> bool:
    """Is everything there that we read? A full disk cuts files anywhere."""
    if not fields.keys() >= _ALWAYS:
        return False
    wanted = _SPLINE if "BSpline" in fields["Transform"] else _AFFINE
    count = len(fields["TransformParameters"].split())
    return wanted <= fields.keys() and str(count) == fields["NumberOfParameters"]


def name_before(path: Path) -> str | None:
    """Return the file that is applied before this one, None if none is."""
    fields = dict(_LINE.findall(path.read_text(encoding="ascii", errors="replace")))
    named = next((fields[name] for name in _BEFORE if name in fields), _NONE)
    return None if named == _NONE else named.strip('"')


def write_transform(path: Path, fields: Fields, *, before: str | None = None) -> None:
    """Write a transform file whole; `before` is the file, in the same folder, applied first."""
    first = f'"{before}"' if before else _NONE
    lines = {**fields, _BEFORE[0]: first}
    text = "".join(f"({name} {value})\n" for name, value in lines.items())
    write_atomically(path, text)


def translation_text(shift_mm: np.ndarray, grid: Grid) -> str:
    """Return a transform file that only shifts."""
    lines = [
        line("Transform", "TranslationTransform"),
        line("NumberOfParameters", 3),
        line("TransformParameters", *(float(value) for value in shift_mm)),
        line(_BEFORE[0], "NoInitialTransform"),
        line("HowToCombineTransforms", "Compose"),
        line("FixedImageDimension", 3),
        line("MovingImageDimension", 3),
        line("FixedInternalImagePixelType", "float"),
        line("MovingInternalImagePixelType", "float"),
        line("UseDirectionCosines", "true"),
    ]
    return "".join(lines) + "".join(f"({name} {value})\n" for name, value in grid.fields().items())


def after_shift(fields: Fields, shift_mm: np.ndarray) -> Fields:
    """Return the affine transform that is this one after a shift, as one file."""
    affine, shift = affine_of(fields), shift_mm
    numbers = [*affine.matrix.ravel(), *(affine.shift + shift)]
    return {
        **fields,
        "TransformParameters": " ".join(f"{value:.15g}" for value in numbers),
        "CenterOfRotationPoint": " ".join(f"{value:.15g}" for value in affine.center - shift),
    }


def affine_of(fields: Fields) -> Affine:
    numbers = _numbers(fields["TransformParameters"])
    center = _numbers(fields["CenterOfRotationPoint"])
    return Affine(numbers[:9].reshape(3, 3), center, numbers[9:])


def spline_of(fields: Fields) -> Spline:
    x, y, z = (int(word) for word in fields["GridSize"].split())
    coefficients = _numbers(fields["TransformParameters"]).reshape(3, z, y, x)
    return Spline(coefficients, _numbers(fields["GridOrigin"]), _numbers(fields["GridSpacing"]))


def grid_of(fields: Fields) -> Grid:
    """Return the grid of the fixed volume."""
    x, y, z = (int(word) for word in fields["Size"].split())
    a, b, c = (float(word) for word in fields["Spacing"].split())
    return Grid((x, y, z), (a, b, c))


def grid_named(path: Path, voxel_um: Sequence[float], key: str) -> Grid:
    """Return the grid of a transform file, which must have the voxel size (µm) that `key` says."""
    grid = grid_of(read_transform(path))
    known = [side * _UM_PER_MM for side in grid.spacing_mm]
    if any(abs(a - b) > _SAME * b for a, b in zip(known, voxel_um, strict=True)):
        there, said = (" x ".join(f"{side:g}" for side in xyz) for xyz in (known, voxel_um))
        raise BadInput(f"The registration has voxels of {there} µm; {key} says {said}. Correct it.")
    return grid


def write_chain(folder: Path, files: Sequence[Path], grid: Grid, *, order: int) -> str:
    """Write the transforms, one after the other, for transformix; return the last one's name.

    The result is on `grid`, in float; `order` is that of the interpolation, 0 = nearest neighbor.
    """
    before = None
    for number, path in enumerate(files):
        fields = read_transform(path)
        name = f"chain.{number}.txt"
        if number == len(files) - 1:
            fields |= grid.fields()
            fields |= {
                "ResampleInterpolator": '"FinalBSplineInterpolator"',
                "FinalBSplineInterpolationOrder": str(order),
                "Resampler": '"DefaultResampler"',
                "DefaultPixelValue": "0",
                "ResultImageFormat": '"mha"',
                "ResultImagePixelType": '"float"',
                "CompressResultImage": '"false"',
            }
        write_transform(folder / name, fields, before=before)
        before = name
    assert before is not None
    return before


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=np.float64)
