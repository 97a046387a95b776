"""How a stored volume lies in the animal, and how to turn it so that it lies as another does.

A direction names both ends of an axis in the order in which the index grows: "AP" runs from
anterior to posterior, "VD" from ventral to dorsal, "LR" from the animal's left to its right. Axes
are the three directions along (x, y, z). Volumes are numpy (z, y, x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from pipeline.contract import Json

Axes: TypeAlias = tuple[str, str, str]
T = TypeVar("T")

SAGITTAL: Final[Axes] = ("DV", "AP", "LR")
HORIZONTAL: Final[Axes] = ("LR", "AP", "DV")
CORONAL: Final[Axes] = ("LR", "DV", "AP")
ORIENTATIONS: Final[dict[str, Axes]] = {
    "sagittal": SAGITTAL,
    "horizontal": HORIZONTAL,
    "coronal": CORONAL,
}
_DIRECTIONS: Final = frozenset({"LR", "RL", "AP", "PA", "DV", "VD"})
# BrainGlobe names the side at the origin of each numpy axis: a(nterior), p, s(uperior), i, l, r.
_FROM_ORIGIN: Final = {"a": "AP", "p": "PA", "s": "DV", "i": "VD", "l": "LR", "r": "RL"}


@dataclass(frozen=True, slots=True)
class Turn:
    """For each axis of the result (z, y, x): which axis of the source, and whether reversed."""

    order: tuple[int, int, int]
    reversed: tuple[bool, bool, bool]

    def of(self, volume: np.ndarray) -> np.ndarray:
        """Return the volume (z, y, x) turned; a view, nothing is copied."""
        steps = tuple(slice(None, None, -1 if back else 1) for back in self.reversed)
        return volume.transpose(self.order)[steps]

    def of_xyz(self, values: Sequence[T]) -> tuple[T, T, T]:
        """Return sizes along (x, y, z) of the source as sizes along (x, y, z) of the result."""
        z, y, x = (values[2 - axis] for axis in self.order)
        return x, y, z


def axes_of(orientation: str, *, ventral_up: bool = False) -> Axes:
    """Return the axes of images of this name; ventral up, the animal is turned about its length.

    A sample is imaged ventral up only horizontally; raises BadInput for the others.
    """
    if orientation not in ORIENTATIONS:
        raise BadInput(f"There is no orientation {orientation!r}.")
    axes = ORIENTATIONS[orientation]
    if not ventral_up:
        return axes
    if axes != HORIZONTAL:
        raise BadInput("Only samples that are imaged horizontally can lie ventral up.")
    return opposite(axes[0]), axes[1], opposite(axes[2])


def orientation_name(axes: Axes) -> str:
    """Return sagittal, horizontal or coronal by what lies along x, y and z, whatever its sense."""
    lying = tuple(min(direction, opposite(direction)) for direction in axes)
    for name, known in ORIENTATIONS.items():
        if tuple(min(direction, opposite(direction)) for direction in known) == lying:
            return name
    return ""


def axes_of_letters(letters: str) -> Axes:
    """Return the axes of a BrainGlobe orientation such as "asr", which names numpy axes 0, 1, 2."""
    if len(letters) != 3 or any(letter not in _FROM_ORIGIN for letter in letters.lower()):
        raise BadInput(f"{letters!r:.40} is no orientation: give three of a, p, s, i, l, r.")
    z, y, x = (_FROM_ORIGIN[letter] for letter in letters.lower())
    return _complete((x, y, z))


def read_axes(values: Mapping[str, Json], key: str) -> Axes:
    """Read three directions along (x, y, z) out of a spec."""
    value = values.get(key)
    if not isinstance(value, list) or len(value) != 3:
        raise BadInput(f"{key} must be three directions along x, y, z, not {value!r}.")
    x, y, z = (str(item) for item in value)
    return _complete((x, y, z))


def opposite(direction: str) -> str:
    return direction[::-1]


def turn(source: Axes, result: Axes) -> Turn:
    """Return how a volume with the axes `source` is turned to have the axes `result`."""
    x, y, z = (_source_of(direction, source) for direction in result)
    return Turn(order=(z[0], y[0], x[0]), reversed=(z[1], y[1], x[1]))


def _source_of(direction: str, source: Axes) -> tuple[int, bool]:
    """Return the numpy axis of the source along this direction, and whether it runs back."""
    for place, other in enumerate(source):
        if other in (direction, opposite(direction)):
            return 2 - place, other != direction
    raise BadInput(f"None of the axes {', '.join(source)} runs along {direction}.")


def _complete(axes: Axes) -> Axes:
    unknown = [direction for direction in axes if direction not in _DIRECTIONS]
    if unknown or len({min(direction, opposite(direction)) for direction in axes}) != 3:
        raise BadInput(f"{', '.join(axes)} are not three different directions of the animal.")
    return axes
