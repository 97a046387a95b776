"""Paxinos and Franklin's coordinates on the grid of the Allen mouse atlas. Pure.

Millimeters from bregma, of the voxel (x, y, z) of the 25 µm atlas as it is kept here, sagittal:
AP = 5.37 - 0.025 y, ML = 5.70 - 0.025 z, DV = 0.025 x - 0.675. Both brains differ in shape, so
these are good for placing things, not for measuring.
"""

from collections.abc import Iterable
from typing import Any, Final

from viewers_app.orientations import Quaternion
from viewers_app.specs import LayerSpec

VOXEL_NM: Final = 25_000.0
SHAPE_XYZ: Final = (320, 528, 456)
AXES: Final = "DV,AP,LR"
# The client shows whole numbers of its unit only, so the unit is a micrometer.
UNIT_NM: Final = 1_000.0
NAMES: Final = ("DV", "AP", "ML")
SIGNS: Final = (1, -1, -1)
ORIGIN_UM: Final = (-675.0, 5370.0, 5700.0)


def has_paxinos(layers: Iterable[LayerSpec]) -> bool:
    """Return True if all of these lie on the grid for which the formulas hold."""
    found = list(layers)
    lie_so = all(
        layer.shape_xyz == SHAPE_XYZ and set(layer.voxel_nm_xyz) == {VOXEL_NM} for layer in found
    )
    return lie_so and any(layer.axes == AXES for layer in found)


def millimeters(voxel_xyz: tuple[float, float, float]) -> dict[str, float]:
    """Return DV, AP and ML of a voxel in mm from bregma."""
    um = micrometers(voxel_xyz)
    return {name: value / 1000 for name, value in zip(NAMES, um, strict=True)}


def micrometers(voxel_xyz: Iterable[float]) -> list[float]:
    """Return DV, AP and ML of a voxel in µm from bregma."""
    return [
        origin + sign * at * VOXEL_NM / UNIT_NM
        for at, sign, origin in zip(voxel_xyz, SIGNS, ORIGIN_UM, strict=True)
    ]


def nanometers(um: Iterable[float]) -> list[float]:
    """Return how far a place in µm from bregma lies from the corner of the volume."""
    return [
        sign * (at - origin) * UNIT_NM
        for at, sign, origin in zip(um, SIGNS, ORIGIN_UM, strict=True)
    ]


def dimensions() -> dict[str, list[Any]]:
    return {name: [UNIT_NM / 1e9, "m"] for name in NAMES}


def layer_transform() -> dict[str, Any]:
    """Return the client's transform of a layer: it turns lengths, and moves by whole units."""
    rows = [
        [*(sign if column == row else 0 for column in range(3)), origin]
        for row, (sign, origin) in enumerate(zip(SIGNS, ORIGIN_UM, strict=True))
    ]
    return {"outputDimensions": dimensions(), "matrix": rows}


def turned(quaternion: Quaternion) -> Quaternion:
    """Return the same view where AP and ML count the other way: half a turn about DV."""
    x, y, z, w = quaternion
    # The product (1, 0, 0, 0) * q; adding 0.0 makes -0.0 plain.
    return (w, -z + 0.0, y, -x + 0.0)
