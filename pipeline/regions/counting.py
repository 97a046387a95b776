"""Count voxels, intensities and cells by label and side of the body, plane by plane.

Volumes are (z, y, x) on one grid. A side is 0 for none, 1 for left, 2 for right.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.orientation import Axes, Turn

SIDES: Final = 3
_MOST_NAMED = 10
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Labels:
    """The label volume and the ids that may be in it, sorted; 0 is outside."""

    volume: np.ndarray
    ids: np.ndarray

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Return for each label its row: 0 for outside, 1 for the first id, and so on."""
        values = values.astype(np.int64)
        row = np.searchsorted(self.ids, values) + 1
        known = np.append(self.ids, -1)[np.minimum(row, len(self.ids) + 1) - 1] == values
        if not (known | (values == 0)).all():
            raise _unknown(np.unique(values[~known & (values != 0)]))
        return np.where(values == 0, 0, row)


@dataclass(slots=True)
class Tally:
    """Sums by row of Labels and side: arrays (rows, SIDES); intensities and cells per channel."""

    voxels: np.ndarray
    intensities: dict[str, np.ndarray]
    cells: dict[str, np.ndarray]

    @classmethod
    def empty(cls, rows: int, channels: Sequence[str], cell_channels: Sequence[str]) -> Tally:
        shape = (rows, SIDES)
        return cls(
            np.zeros(shape, dtype=np.int64),
            {channel: np.zeros(shape) for channel in channels},
            {channel: np.zeros(shape, dtype=np.int64) for channel in cell_channels},
        )


def add_volumes(
    tally: Tally,
    labels: Labels,
    sides: Callable[[int], np.ndarray],
    volumes: Mapping[str, np.ndarray],
    *,
    threads: int,
    after_plane: Callable[[int], None],
) -> None:
    """Add every voxel; `sides(z)` gives the side of each voxel (y, x) of a plane."""

    def of_plane(z: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        cell = labels.rows(labels.volume[z]) * SIDES + sides(z)
        flat, size = cell.ravel(), tally.voxels.size
        sums = {
            name: np.bincount(flat, weights=_numbers(volume[z], name), minlength=size)
            for name, volume in volumes.items()
        }
        return np.bincount(flat, minlength=size), sums

    depth = len(labels.volume)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for start in range(0, depth, threads * _AHEAD):  # so that few planes wait to be added
            stop = min(start + threads * _AHEAD, depth)
            for z, (voxels, sums) in enumerate(pool.map(of_plane, range(start, stop)), start):
                tally.voxels += voxels.reshape(tally.voxels.shape)
                for name, total in sums.items():
                    tally.intensities[name] += total.reshape(tally.voxels.shape)
                after_plane(z + 1)


def add_cells(
    tally: Tally,
    channel: str,
    places: np.ndarray,
    labels: Labels,
    sides: Callable[[int], np.ndarray],
) -> None:
    """Add cells at voxels (n, 3) z, y, x; those beyond the volume are outside, on no side."""
    within = ((places >= 0) & (places < labels.volume.shape)).all(axis=1)
    counts = np.zeros(tally.voxels.size, dtype=np.int64)
    counts[0] += len(places) - int(within.sum())
    places = places[within]
    places = places[np.argsort(places[:, 0], kind="stable")]
    planes, starts = np.unique(places[:, 0], return_index=True)
    for z, part in zip(planes.tolist(), np.split(places, starts[1:]), strict=True):
        rows = labels.rows(labels.volume[z][part[:, 1], part[:, 2]])
        cell = rows * SIDES + sides(z)[part[:, 1], part[:, 2]]
        counts += np.bincount(cell, minlength=counts.size)
    tally.cells[channel] += counts.reshape(tally.voxels.shape)


def voxels_of(
    places_um: np.ndarray, how: Turn, shape_zyx: tuple[int, int, int], voxel_um: Sequence[float]
) -> np.ndarray:
    """Return the voxels (n, 3) z, y, x of a turned volume in which places (x, y, z) µm lie.

    Places are along the axes before the turn, from the corner there; the shape and the voxel size
    (x, y, z) are the turned volume's. Its grid began at that corner before it was turned.
    """
    source = places_um[:, ::-1]
    turned = np.empty(places_um.shape, dtype=np.int64)
    for axis, (other, is_back) in enumerate(zip(how.order, how.reversed, strict=True)):
        index = np.floor(source[:, other] / voxel_um[2 - axis]).astype(np.int64)
        turned[:, axis] = shape_zyx[axis] - 1 - index if is_back else index
    return turned


def sides_by_midline(
    shape_zyx: tuple[int, int, int], axes: Axes, voxel_um: Sequence[float], midline_um: float
) -> Callable[[int], np.ndarray]:
    """Return what tells the sides of a plane apart: whether a voxel is before the middle plane.

    The middle plane is perpendicular to the axis from left to right, `midline_um` from the corner.
    """
    place = next(n for n, direction in enumerate(axes) if direction in ("LR", "RL"))
    count = shape_zyx[2 - place]
    before, after = (1, 2) if axes[place] == "LR" else (2, 1)
    along = np.where((np.arange(count) + 0.5) * voxel_um[place] < midline_um, before, after)

    def sides(z: int) -> np.ndarray:
        line = along[z] if place == 2 else along[:, None] if place == 1 else along
        return np.broadcast_to(line, shape_zyx[1:])

    return sides


def _numbers(plane: np.ndarray, name: str) -> np.ndarray:
    """Return a plane of intensities as one row; BadInput where one is no number."""
    if plane.dtype.kind == "f" and not np.isfinite(plane).all():
        raise BadInput(
            f"The volume of channel {name} has values that are no numbers. Make it again, then "
            "retry."
        )
    return plane.ravel()


def _unknown(ids: np.ndarray) -> BadInput:
    named = ", ".join(str(int(id)) for id in ids[:_MOST_NAMED])
    more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
    return BadInput(
        f"The labels hold ids that the structure tree does not know: {named}{more}. "
        "Give the tree that belongs to the atlas of these labels."
    )
