"""Where the voxels of a label volume come from: a file, or a file brought to another grid.

Volumes are numpy (z, y, x). Labels are handed out as uint32, whatever the file has.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from pipeline.errors import BadInput
from pipeline.orientation import turn
from pipeline.structures import MOST_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.io.grid import Triple
    from pipeline.io.volume_file import Blocks, VolumeFile
    from pipeline.orientation import Axes

Um: TypeAlias = tuple[float, float, float]
Span: TypeAlias = tuple[int, int]


class Boxes(Protocol):
    """Labels of which any part can be had."""

    def box(self, z: Span, y: Span, x: Span) -> np.ndarray:
        """Return the voxels from the first to before the last of each span, uint32 (z, y, x)."""


class LabelSource(Boxes, Protocol):
    """Labels on the grid of the product."""

    @property
    def shape(self) -> Triple:
        """(z, y, x)"""

    def counts(self) -> Counter[int]:
        """Return how many voxels each label has, the background 0 among them."""


@dataclass(frozen=True, slots=True)
class Onto:
    """Another grid: voxels and their size along (x, y, z), its axes and those of the labels."""

    size: Triple
    voxel_um: Um
    axes: Axes
    from_axes: Axes


class FileLabels:
    """The labels of a file as they lie."""

    def __init__(self, blocks: Blocks) -> None:
        require_label_type(blocks.file)
        self._blocks = blocks
        self.shape = blocks.file.shape

    def box(self, z: Span, y: Span, x: Span) -> np.ndarray:
        found = np.empty((z[1] - z[0], y[1] - y[0], x[1] - x[0]), dtype=np.uint32)
        for place, plane in enumerate(range(*z)):
            found[place] = self._blocks.rows(plane, *y)[:, x[0] : x[1]]
        return found

    def counts(self) -> Counter[int]:
        total: Counter[int] = Counter()
        for plane in _planes(self._blocks):
            total.update(_counted(plane.ravel()))
        return total


class MovedLabels:
    """The labels of a file on another grid: each voxel has the label at its center.

    Both grids have their corner at the same place, that of voxel (0, 0, 0) of the new grid. The
    labels are turned to the new axes first, then looked up by center, along each axis alone. They
    are held whole: a volume that is brought to another grid is the smaller of the two.
    """

    def __init__(self, blocks: Blocks, voxel_um: Um, onto: Onto) -> None:
        file = blocks.file
        require_label_type(file)
        held = np.empty(file.shape, dtype=np.uint32)
        for z, plane in enumerate(_planes(blocks)):
            require_ids(plane, file)
            held[z] = plane
        turned = turn(onto.from_axes, onto.axes)
        self._labels = turned.of(held)
        self.shape = onto.size[::-1]
        source_um = turned.of_xyz(voxel_um)[::-1]
        fields = zip(
            onto.axes[::-1], self._labels.shape, source_um, self.shape, onto.voxel_um[::-1],
            strict=True,
        )  # fmt: skip
        self._places = [_nearest(*field, name=file.path.name) for field in fields]

    def box(self, z: Span, y: Span, x: Span) -> np.ndarray:
        spans = (z, y, x)
        places = [p[slice(*span)] for p, span in zip(self._places, spans, strict=True)]
        return np.ascontiguousarray(self._labels[np.ix_(*places)])

    def counts(self) -> Counter[int]:
        z, y, x = (
            np.bincount(p, minlength=n)
            for p, n in zip(self._places, self._labels.shape, strict=True)
        )
        inside = np.multiply.outer(y, x).ravel()
        total: Counter[int] = Counter()
        for weight, plane in zip(z.tolist(), self._labels, strict=True):
            if weight:
                counted = _counted(plane.ravel(), inside)
                total.update({id: n * weight for id, n in counted.items() if n})
        return total


def require_label_type(file: VolumeFile) -> None:
    """Raise BadInput for voxels that are no whole numbers."""
    if file.dtype.kind not in "ui":
        raise BadInput(
            f"{file.path.name} holds {file.dtype}; labels are whole numbers. Save it as unsigned "
            "16 or 32 bits, then retry."
        )


def require_ids(labels: np.ndarray, file: VolumeFile) -> None:
    """Raise BadInput for labels that are negative or need more than 32 bits."""
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= MOST_ID:
        worst = next(int(n) for n in (labels.min(), labels.max()) if not 0 <= int(n) <= MOST_ID)
        raise BadInput(
            f"{file.path.name} has the label {worst}; labels go from 0 to {MOST_ID} (32 bits). "
            "Number the labels anew, in the structure tree too."
        )


def _planes(blocks: Blocks) -> Iterator[np.ndarray]:
    depth, height, _ = blocks.file.shape
    for z in range(depth):
        plane = blocks.rows(z, 0, height)
        require_ids(plane, blocks.file)
        yield plane


def _counted(labels: np.ndarray, weights: np.ndarray | None = None) -> dict[int, int]:
    """Count the labels of a flat array. Equal ones lie together, so runs are counted."""
    starts = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1])
    if weights is None:
        lengths = np.diff(np.append(starts, labels.size))
    else:
        lengths = np.add.reduceat(weights, starts)
    ids, place = np.unique(labels[starts], return_inverse=True)
    totals = np.bincount(place, weights=lengths, minlength=len(ids)).astype(np.int64)
    return dict(zip(ids.tolist(), totals.tolist(), strict=True))


def _nearest(
    direction: str, count: int, voxel_um: float, wanted: int, wanted_um: float, *, name: str
) -> np.ndarray:
    """Return, for each position of the new grid along one axis, the position in the labels."""
    there, needed = count * voxel_um, wanted * wanted_um
    if abs(there - needed) > max(voxel_um, wanted_um) * 1.001:
        raise BadInput(
            f"{name} is {there:,.0f} µm long along {direction}, the grid it is to be brought to "
            f"{needed:,.0f} µm: they are not of the same sample, or a voxel size or the axes are "
            "wrong. Correct the parameters, then retry."
        )
    centers = (np.arange(wanted) + 0.5) * wanted_um
    return np.minimum((centers / voxel_um).astype(np.intp), count - 1)
