"""Labels brought to another grid: by the place of each voxel's center in the sample."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import BadInput
from tests.unit.pipeline.label_support import patches, run_in, store
from tests.unit.pipeline.support import read_scale

if TYPE_CHECKING:
    from pathlib import Path

SAGITTAL = ["DV", "AP", "LR"]
HORIZONTAL = ["LR", "AP", "DV"]
VENTRAL_UP = ["RL", "AP", "VD"]
CORONAL = ["LR", "DV", "AP"]


def moved(root: Path, labels: np.ndarray, labels_um: list[float], **onto: object) -> np.ndarray:
    store(root, labels)
    run_in(root, voxel_um=labels_um, onto=onto, mips=0)
    return read_scale(root / "out/volume", 0)


def by_hand(
    labels: np.ndarray, voxel_um: list[float], from_axes: list[str], *, size: list[int],
    um: list[float], axes: list[str],
) -> np.ndarray:  # fmt: skip
    """Look every voxel's center up, one by one, in the animal's own coordinates."""
    result = np.zeros(size[::-1], np.uint32)
    for index in np.ndindex(*size):
        place = {}
        for axis, direction in enumerate(axes):
            place[direction] = (index[axis] + 0.5) * um[axis]
        source = []
        for axis, direction in enumerate(from_axes):
            count = labels.shape[2 - axis]
            if direction in place:
                voxel = int(place[direction] / voxel_um[axis])
                source.append(min(voxel, count - 1))
            else:
                voxel = int(place[direction[::-1]] / voxel_um[axis])
                source.append(max(count - 1 - voxel, 0))
        result[index[::-1]] = labels[source[2], source[1], source[0]]
    return result


@pytest.mark.parametrize("axes", [HORIZONTAL, VENTRAL_UP, CORONAL, SAGITTAL, ["PA", "RL", "VD"]])
def test_a_turned_finer_anisotropic_grid_gets_the_nearest_label(
    tmp_path: Path, axes: list[str]
) -> None:
    labels = patches((6, 7, 5))
    voxel = [20.0, 30.0, 25.0]
    lengths = {"DV": 5 * 20.0, "AP": 7 * 30.0, "LR": 6 * 25.0}
    um = [7.0, 11.0, 9.0]
    size = [
        int(next(n for d, n in lengths.items() if d in (axis, axis[::-1])) // side)
        for axis, side in zip(axes, um, strict=True)
    ]

    found = moved(tmp_path, labels, voxel, size=size, voxel_um=um, axes=axes, from_axes=SAGITTAL)

    expected = by_hand(labels, voxel, SAGITTAL, size=size, um=um, axes=axes)
    assert np.array_equal(found, expected)


def test_a_mark_on_the_left_stays_on_the_left_ventral_up(tmp_path: Path) -> None:
    labels = np.zeros((8, 10, 6), np.uint16)  # sagittal: z from left to right, x dorsal to ventral
    labels[1, 2, 1] = 5  # left, in front, above

    found = moved(
        tmp_path, labels, [50, 50, 50],
        size=[16, 20, 12], voxel_um=[25, 25, 25], axes=VENTRAL_UP, from_axes=SAGITTAL,
    )  # fmt: skip

    z, y, x = (int(place.mean() * 2 + 1) for place in np.nonzero(found))
    assert (x, y, z) == (2 * 13, 2 * 5, 2 * 9)
    assert np.count_nonzero(found) == 8


def test_the_counts_are_those_of_the_new_grid(tmp_path: Path) -> None:
    labels = patches((6, 7, 5))

    found = moved(
        tmp_path, labels, [20, 30, 25],
        size=[13, 19, 10], voxel_um=[11.5, 11, 10], axes=HORIZONTAL, from_axes=SAGITTAL,
    )  # fmt: skip

    ids, counts = np.unique(found[found > 0], return_counts=True)
    document = json.loads((tmp_path / "out/volume/segment_properties/info").read_text())["inline"]
    assert document["ids"] == [str(id) for id in ids]
    assert document["properties"][2]["values"] == counts.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"voxel_um": [10, 10, 50]}, "µm long along DV"),
        ({"axes": CORONAL}, "µm long along"),
        ({"axes": ["LR", "AP", "RL"]}, "not three different directions"),
        ({"size": [12.5, 21, 10]}, "whole numbers of voxels"),
        ({"size": [0, 21, 10]}, "three positive numbers"),
        ({"size": [9, 21, 10**12]}, "at most 1,000,000 voxels"),
        ({"from_axes": None}, "from_axes must be three directions"),
    ],
)
def test_a_grid_that_cannot_be_right_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    onto = {
        "size": [15, 21, 10], "voxel_um": [10, 10, 10], "axes": HORIZONTAL, "from_axes": SAGITTAL,
    }  # fmt: skip

    with pytest.raises(BadInput, match=words):
        moved(tmp_path, patches((6, 7, 5)), [20, 30, 25], **{**onto, **change})

    assert not list(tmp_path.glob("out/volume*"))
