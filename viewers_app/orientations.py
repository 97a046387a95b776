"""How a stored volume lies in the animal, and how to turn the view so that it shows a named plane.

Pure. Every rotation is derived from the names of the axes.
"""

import math
from dataclasses import dataclass
from typing import Final

# The anatomical axis along x, y and z of a volume of this orientation.
AXES: Final[dict[str, tuple[str, str, str]]] = {
    "sagittal": ("DV", "AP", "ML"),
    "horizontal": ("ML", "AP", "DV"),
    "coronal": ("ML", "DV", "AP"),
}
AS_IMAGED: Final = "as imaged"
PLANES: Final = ("sagittal", "coronal", "horizontal")

Quaternion = tuple[float, float, float, float]
Matrix = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A rotation of the section view: `right` and `down` are the volume axes on screen."""

    quaternion: Quaternion
    right: int
    down: int


def turn_to(plane: str, *, stored_as: str) -> Turn:
    """Return the rotation that shows `plane` as a volume stored in that orientation would look.

    Right and down run along their axes as stored, so nothing is mirrored; only the direction in
    which one scrolls through the planes may be the other one.
    """
    here, wanted = AXES[stored_as], AXES[plane]
    right, down, deep = (here.index(axis) for axis in wanted)
    sign = 1.0 if _is_even((right, down, deep)) else -1.0
    columns = (_unit(right), _unit(down), tuple(sign * value for value in _unit(deep)))
    return Turn(quaternion_of(_transposed(columns)), right, down)


def quaternion_of(rotation: Matrix) -> Quaternion:
    """Return (x, y, z, w) of a rotation matrix given by rows, with w or the first part positive."""
    # Each part is found from the others by the largest one, which never divides by a small number.
    m = rotation
    parts = [
        1 + m[0][0] - m[1][1] - m[2][2],
        1 - m[0][0] + m[1][1] - m[2][2],
        1 - m[0][0] - m[1][1] + m[2][2],
        1 + m[0][0] + m[1][1] + m[2][2],
    ]
    products = (
        (parts[0], m[0][1] + m[1][0], m[0][2] + m[2][0], m[2][1] - m[1][2]),
        (m[0][1] + m[1][0], parts[1], m[1][2] + m[2][1], m[0][2] - m[2][0]),
        (m[0][2] + m[2][0], m[1][2] + m[2][1], parts[2], m[1][0] - m[0][1]),
        (m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1], parts[3]),
    )
    largest = parts.index(max(parts))
    length = 2 * math.sqrt(parts[largest])
    found = [value / length for value in products[largest]]
    sign = -1.0 if _first_negative(found) else 1.0
    x, y, z, w = (round(sign * value, 6) + 0.0 for value in found)
    return (x, y, z, w)


def _first_negative(parts: list[float]) -> bool:
    leading = [value for value in (parts[3], *parts[:3]) if abs(value) > 1e-9]
    return leading[0] < 0


def _unit(axis: int) -> tuple[float, ...]:
    return tuple(1.0 if index == axis else 0.0 for index in range(3))


def _transposed(columns: tuple[tuple[float, ...], ...]) -> Matrix:
    rows = [tuple(column[index] for column in columns) for index in range(3)]
    return tuple((a, b, c) for a, b, c in rows)


def _is_even(order: tuple[int, int, int]) -> bool:
    return order in {(0, 1, 2), (1, 2, 0), (2, 0, 1)}
