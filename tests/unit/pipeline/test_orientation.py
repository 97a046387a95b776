"""Every orientation is turned by the names of its axes, and no turn makes left of right."""

import itertools

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.orientation import (
    CORONAL,
    HORIZONTAL,
    ORIENTATIONS,
    SAGITTAL,
    axes_of,
    axes_of_letters,
    opposite,
    orientation_name,
    read_axes,
    turn,
)

# Three different lengths, so that a wrong order shows in the shape.
LENGTHS = {"LR": 5, "AP": 7, "DV": 9}
# The mark is one step from the left, two from the front, three from the top.
MARK = {"LR": 1, "AP": 2, "DV": 3}
VENTRAL_UP = axes_of("horizontal", ventral_up=True)
ALL = [SAGITTAL, HORIZONTAL, CORONAL, VENTRAL_UP, axes_of_letters("asr"), axes_of_letters("pil")]
PAIRS = list(itertools.product(ALL, ALL))


def length_of(direction):
    return LENGTHS.get(direction) or LENGTHS[opposite(direction)]


def place_of(direction):
    return (
        MARK[direction] if direction in MARK else length_of(direction) - 1 - MARK[direction[::-1]]
    )


def marked(axes):
    """A volume (z, y, x) with these axes whose only bright voxel is the mark."""
    volume = np.zeros([length_of(direction) for direction in axes[::-1]], dtype=np.uint16)
    volume[tuple(place_of(direction) for direction in axes[::-1])] = 1
    return volume


@pytest.mark.parametrize(("source", "result"), PAIRS)
def test_the_mark_is_where_it_belongs_after_every_turn(source, result):
    turned = turn(source, result).of(marked(source))

    assert np.array_equal(turned, marked(result))


@pytest.mark.parametrize(("source", "result"), PAIRS)
def test_sizes_follow_their_axes(source, result):
    sizes = turn(source, result).of_xyz([length_of(direction) for direction in source])

    assert sizes == tuple(length_of(direction) for direction in result)


def test_ventral_up_the_animal_is_turned_not_mirrored():
    """Left and right change places with top and bottom: a rotation, as the table turns a brain."""
    assert VENTRAL_UP == ("RL", "AP", "VD")
    there = turn(VENTRAL_UP, HORIZONTAL)

    assert there.order == (0, 1, 2)
    assert there.reversed == (True, False, True)


def test_named_orientations_are_those_of_the_atlases():
    assert ORIENTATIONS["sagittal"] == ("DV", "AP", "LR")
    assert ORIENTATIONS["horizontal"] == ("LR", "AP", "DV")
    assert ORIENTATIONS["coronal"] == ("LR", "DV", "AP")


def test_letters_name_the_side_at_the_origin_of_numpy_axes():
    assert axes_of_letters("asr") == ("RL", "DV", "AP")
    assert axes_of_letters("ASL") == CORONAL


@pytest.mark.parametrize(
    ("axes", "name"),
    [
        (SAGITTAL, "sagittal"), (HORIZONTAL, "horizontal"), (CORONAL, "coronal"),
        (VENTRAL_UP, "horizontal"), (("AP", "LR", "DV"), ""),
    ],
)  # fmt: skip
def test_axes_are_called_by_what_lies_along_them(axes, name):
    assert orientation_name(axes) == name


def test_a_turn_copies_nothing():
    volume = marked(HORIZONTAL)

    assert np.shares_memory(turn(HORIZONTAL, SAGITTAL).of(volume), volume)


@pytest.mark.parametrize("letters", ["", "as", "asx", "asp", "asla"])
def test_letters_that_are_no_orientation_are_refused(letters):
    with pytest.raises(BadInput):
        axes_of_letters(letters)


@pytest.mark.parametrize(
    "value", [None, "LR", ["LR", "AP"], ["LR", "RL", "DV"], ["LR", "AP", "UP"], [1, 2, 3]]
)
def test_axes_in_a_spec_are_three_different_directions(value):
    with pytest.raises(BadInput):
        read_axes({"axes": value}, "axes")


@pytest.mark.parametrize("orientation", ["sagittal", "coronal"])
def test_only_horizontal_samples_lie_ventral_up(orientation):
    with pytest.raises(BadInput, match="horizontally"):
        axes_of(orientation, ventral_up=True)


def test_an_unknown_orientation_is_named():
    with pytest.raises(BadInput, match="oblique"):
        axes_of("oblique")
