"""The mode of blocks of labels: every vote counts, ties are settled by rule."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from pipeline.io.modes import mode_of_blocks


def by_hand(labels, step):
    """Count the votes of each block in plain Python."""
    sides = step[::-1]
    shape = [-(-n // s) for n, s in zip(labels.shape, sides, strict=True)]
    result = np.zeros(shape, np.uint32)
    for place in product(*(range(n) for n in shape)):
        block = labels[tuple(slice(p * s, p * s + s) for p, s in zip(place, sides, strict=True))]
        votes = Counter(block.ravel().tolist())
        result[place] = min(votes, key=lambda id: (-votes[id], id == 0, id))
    return result


@pytest.mark.parametrize("step", [(2, 2, 2), (2, 2, 1), (1, 2, 2), (2, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("shape", [(6, 8, 10), (5, 7, 9), (1, 3, 2), (2, 1, 1)])
def test_the_most_frequent_label_wins(shape, step):
    labels = np.random.default_rng(3).choice([0, 1, 2, 7, 2**32 - 1], shape).astype(np.uint32)

    assert np.array_equal(mode_of_blocks(labels, step), by_hand(labels, step))


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        ([0, 0, 0, 0, 9, 9, 9, 9], 9),
        ([0, 0, 0, 0, 0, 9, 9, 9], 0),
        ([9, 9, 3, 3, 5, 5, 0, 0], 3),
        ([1, 2, 3, 4, 5, 6, 7, 0], 1),
        ([2**32 - 1] * 4 + [0] * 4, 2**32 - 1),
        ([2**32 - 1] * 4 + [2**31] * 4, 2**31),
        ([614454277] * 8, 614454277),
    ],
)
def test_a_structure_goes_before_the_background_and_a_small_id_before_a_large(votes, winner):
    block = np.array(votes, np.uint32).reshape(2, 2, 2)

    assert mode_of_blocks(block, (2, 2, 2)).item() == winner


def test_the_labels_are_left_as_they_are():
    labels = np.random.default_rng(3).integers(0, 9, (4, 4, 4), dtype=np.uint32)
    before = labels.copy()

    mode_of_blocks(labels, (2, 2, 2))

    assert np.array_equal(labels, before)
