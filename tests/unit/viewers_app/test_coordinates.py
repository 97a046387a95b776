"""Coordinates from bregma on the grid of the Allen mouse atlas."""

from dataclasses import replace

import pytest

from tests.unit.viewers_app.test_recipes import a_layer
from viewers_app.coordinates import SHAPE_XYZ, has_paxinos, layer_transform, millimeters, turned

ALLEN = replace(a_layer("regions"), shape_xyz=SHAPE_XYZ, axes="DV,AP,LR")


def test_a_voxel_near_bregma_has_the_coordinates_of_the_formulas() -> None:
    assert millimeters((27, 214, 228)) == pytest.approx({"DV": 0, "AP": 0.02, "ML": 0})


def test_the_client_moves_a_voxel_to_the_same_place() -> None:
    voxel = (100, 300, 50)
    transform = layer_transform()
    unit_um = transform["outputDimensions"]["AP"][0] * 1e6

    # Lengths are turned as lengths: a voxel is 25 µm.
    moved = [
        sum(row[axis] * voxel[axis] * 25 / unit_um for axis in range(3)) + row[3]
        for row in transform["matrix"]
    ]

    in_mm = [value * unit_um / 1000 for value in moved]
    assert in_mm == pytest.approx(list(millimeters(voxel).values()))


@pytest.mark.parametrize(
    "other",
    [
        replace(ALLEN, axes="LR,AP,DV"),
        replace(ALLEN, shape_xyz=(320, 528, 455)),
        replace(ALLEN, voxel_nm_xyz=(20_000.0, 20_000.0, 20_000.0)),
    ],
)
def test_another_grid_has_no_such_coordinates(other: object) -> None:
    assert has_paxinos([ALLEN])
    assert not has_paxinos([other])  # type: ignore[list-item]  # a LayerSpec


def test_the_view_is_turned_as_the_coordinates_are() -> None:
    assert turned((0.0, 0.0, 0.0, 1.0)) == (1.0, 0.0, 0.0, 0.0)
    assert turned((0.5, 0.5, -0.5, 0.5)) == (0.5, 0.5, 0.5, -0.5)
