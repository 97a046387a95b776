"""Label volumes for elastix: ids of any size become small numbers and come back unaltered.

elastix computes in float32, which is exact to 2**24; ids of atlases go to 2**32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.errors import BadInput
from pipeline.orientation import opposite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.orientation import Axes

LEFT, RIGHT = 1, 2
_MOST_IDS: Final = 1 << 24
_LARGEST_ID: Final = (1 << 32) - 1
_SHORT: Final = 1 << 16
_SIDES: Final = "LR"


def ids_of(annotation: np.ndarray, path: Path) -> np.ndarray:
    """Return the ids of a volume (z, y, x) in rising order, 0 always among them.

    Raises BadInput if they are no ids, or more than float32 can number.
    """
    if annotation.dtype.kind not in "ui":
        raise BadInput(f"{path.name} holds {annotation.dtype}; labels must be whole numbers.")
    found = np.zeros(1, dtype=np.int64 if annotation.dtype.kind == "i" else np.uint64)
    for plane in annotation:
        found = np.union1d(found, np.unique(plane).astype(found.dtype))
    if int(found[0]) < 0 or int(found[-1]) > _LARGEST_ID:
        raise BadInput(
            f"{path.name} has ids from {int(found[0])} to {int(found[-1])}; ids may be 0 to "
            f"{_LARGEST_ID}. Give the atlas other ids."
        )
    if len(found) > _MOST_IDS:
        raise BadInput(f"{path.name} has {len(found):,} ids, more than {_MOST_IDS:,}.")
    if len(found) == 1:
        raise BadInput(f"{path.name} has no labels: it is 0 everywhere.")
    return found.astype(np.uint32)


def numbered(annotation: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the volume with each id replaced by its place in `ids`; uint16 or float32."""
    compact = np.empty(annotation.shape, np.uint16 if len(ids) <= _SHORT else np.float32)
    for z, plane in enumerate(annotation):
        compact[z] = np.searchsorted(ids, plane.astype(np.uint32))
    return compact


def named_again(compact: np.ndarray, ids: np.ndarray) -> Iterator[np.ndarray]:
    """Yield planes (y, x) with ids for places; uint16 if all ids fit, else uint32."""
    kind = label_type(ids)
    for plane in compact:
        places = np.rint(plane).astype(np.int64)
        if places.min() < 0 or places.max() >= len(ids) or np.abs(places - plane).max() > 1e-3:
            raise ValueError("elastix invented a label")
        yield ids[places].astype(kind)


def label_type(ids: np.ndarray) -> np.dtype:
    return np.dtype(np.uint16 if int(ids[-1]) < _SHORT else np.uint32)


def across(shape_zyx: Sequence[int], axes: Axes) -> np.ndarray:
    """Return how far each voxel (z, y, x) is from the left, 1 to 2 with the midline at 1.5.

    float32; what is less than 1 after a transform lies outside.
    """
    place = next(i for i, axis in enumerate(axes) if axis in (_SIDES, opposite(_SIDES)))
    count = shape_zyx[2 - place]
    along = 1 + (np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(count)
    if axes[place] != _SIDES:
        along = along[::-1]
    line = along.reshape([-1 if axis == 2 - place else 1 for axis in range(3)])
    return np.array(np.broadcast_to(line, tuple(shape_zyx)), dtype=np.float32)


def sides(distance: np.ndarray) -> Iterator[np.ndarray]:
    """Yield planes (y, x) uint8: 1 left, 2 right, 0 outside of the atlas."""
    for plane in distance:
        side = np.where(plane < 1.5, LEFT, RIGHT).astype(np.uint8)
        side[plane < 1] = 0
        yield side
