"""Presets follow from the names of the axes, and never mirror a brain."""

import pytest

from viewers_app.orientations import AXES, PLANES, Quaternion, turn_to

PAIRS = [(stored, plane) for stored in AXES for plane in PLANES]
Vector = tuple[float, float, float]
SCREEN_RIGHT, SCREEN_DOWN, SCREEN_DEEP = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def rotated(vector: Vector, by: Quaternion) -> list[int]:
    """Rotate by v + 2w(u × v) + 2u × (u × v), which the module does not use."""
    u, w = by[:3], by[3]
    once = cross(u, vector)
    twice = cross(u, once)
    return [round(v + 2 * w * a + 2 * b) for v, a, b in zip(vector, once, twice, strict=True)]


def cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def along(stored: str, axis: str) -> list[int]:
    return [int(name == axis) for name in AXES[stored]]


@pytest.mark.parametrize(("stored", "plane"), PAIRS)
def test_right_and_down_on_screen_are_the_axes_of_the_plane(stored: str, plane: str) -> None:
    turn = turn_to(plane, stored_as=stored)

    assert rotated(SCREEN_RIGHT, turn.quaternion) == along(stored, AXES[plane][0])
    assert rotated(SCREEN_DOWN, turn.quaternion) == along(stored, AXES[plane][1])


@pytest.mark.parametrize(("stored", "plane"), PAIRS)
def test_scrolling_goes_through_the_third_axis(stored: str, plane: str) -> None:
    turn = turn_to(plane, stored_as=stored)

    deep = rotated(SCREEN_DEEP, turn.quaternion)
    assert [abs(part) for part in deep] == along(stored, AXES[plane][2])


@pytest.mark.parametrize(("stored", "plane"), PAIRS)
def test_the_quaternion_is_of_unit_length(stored: str, plane: str) -> None:
    quaternion = turn_to(plane, stored_as=stored).quaternion

    assert sum(part * part for part in quaternion) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("stored", list(AXES))
def test_the_plane_a_volume_is_stored_in_needs_no_turn(stored: str) -> None:
    turn = turn_to(stored, stored_as=stored)

    assert turn.quaternion == (0.0, 0.0, 0.0, 1.0)
    assert (turn.right, turn.down) == (0, 1)


def test_the_axes_are_those_the_facility_decided() -> None:
    assert AXES == {
        "sagittal": ("DV", "AP", "ML"),
        "horizontal": ("ML", "AP", "DV"),
        "coronal": ("ML", "DV", "AP"),
    }
