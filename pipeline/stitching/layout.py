"""Where tiles lie by the stage, which of them are neighbors, and how far to look around that.

Columns count along x, rows along y. Nothing is imported but the standard library.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from pipeline import parameters
from pipeline.errors import BadInput

if TYPE_CHECKING:
    from pipeline.contract import StepSpec

Place: TypeAlias = tuple[int, int]  # column, row
Triple: TypeAlias = tuple[int, int, int]  # x, y, z

MOST_TILES: Final = 10_000
_LEAST_OVERLAP = 16  # pixels
_LEAST_LEFT = 8  # pixels that must overlap at the end of the search range
_USUAL_SEARCH_UM = (60.0, 60.0, 50.0)
_USUAL_SEARCH_PART = 0.03  # of a tile's side
_STRIP_BYTES: Final = 384 << 20
_LEAST_DEPTH, _MOST_DEPTH = 16, 64


class Neighbors(NamedTuple):
    """Two tiles that overlap: `b` is one further along `axis` (0 = x, 1 = y)."""

    a: Place
    b: Place
    axis: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A grid of equal tiles. Sizes and `search` are voxels along (x, y, z)."""

    columns: int
    rows: int
    tile: Triple
    overlap: float
    voxel_um: tuple[float, float, float]
    search: Triple

    @property
    def places(self) -> list[Place]:
        """Every tile, row by row."""
        return [(column, row) for row in range(self.rows) for column in range(self.columns)]

    @property
    def step(self) -> tuple[int, int]:
        """From one tile to the next in x and in y, by the stage."""
        return round(self.tile[0] * (1 - self.overlap)), round(self.tile[1] * (1 - self.overlap))

    def overlap_of(self, axis: int) -> int:
        return self.tile[axis] - self.step[axis]

    def strip_of(self, axis: int) -> int:
        """Pixels at a tile's edge that can overlap with its neighbor along `axis`."""
        return min(self.tile[axis], self.overlap_of(axis) + self.search[axis])

    def nominal(self, place: Place) -> Triple:
        """The origin (x, y, z) of a tile by the stage."""
        return place[0] * self.step[0], place[1] * self.step[1], 0

    def nominal_shift(self, pair: Neighbors) -> Triple:
        return (self.step[0], 0, 0) if pair.axis == 0 else (0, self.step[1], 0)

    @property
    def pairs(self) -> list[Neighbors]:
        """Every pair of neighbors, in the order in which reading the tiles completes them."""
        found = []
        for column, row in self.places:
            if column:
                found.append(Neighbors((column - 1, row), (column, row), 0))
            if row:
                found.append(Neighbors((column, row - 1), (column, row), 1))
        return found

    def slabs(self) -> list[tuple[int, int]]:
        """Ranges of planes that are compared one after the other; together they are all planes."""
        planes = self.tile[2]
        count = max(1, planes // self._depth())
        edges = [round(number * planes / count) for number in range(count + 1)]
        return list(itertools.pairwise(edges))

    def strip_bytes(self) -> int:
        """The most bytes of one plane that are held of all tiles at once."""
        across = self.strip_of(0) * self.tile[1] if self.columns > 1 else 0
        down = self.strip_of(1) * self.tile[0] if self.rows > 1 else 0
        return 2 * (3 * across + (self.columns + 2) * down)

    def _depth(self) -> int:
        """Planes per slab: as many as fit, and enough for the search along z."""
        fitting = _STRIP_BYTES // max(1, self.strip_bytes())
        return max(_LEAST_DEPTH, min(_MOST_DEPTH, fitting), 3 * self.search[2])


def layout_of(spec: StepSpec, *, plane_yx: tuple[int, int], planes: int) -> Layout:
    """Read the grid out of a spec; raise BadInput for one that cannot be stitched."""
    columns, rows = tiling_of(spec)
    voxel_um = parameters.triple(spec.parameters, "voxel_um")
    overlap = parameters.number(spec.parameters, "overlap", 0.0)
    if not 0 < overlap < 1:
        raise BadInput(f"overlap must be a fraction between 0 and 1, not {overlap:g}.")
    tile = (plane_yx[1], plane_yx[0], planes)
    layout = Layout(columns, rows, tile, overlap, voxel_um, search=(0, 0, 0))
    for axis, count, word in ((0, columns, "columns"), (1, rows, "rows")):
        if count > 1 and layout.overlap_of(axis) < _LEAST_OVERLAP:
            raise BadInput(
                f"The {word} overlap by {layout.overlap_of(axis)} pixels only; at least "
                f"{_LEAST_OVERLAP} are needed. Correct the overlap on the imaging page."
            )
    return Layout(columns, rows, tile, overlap, voxel_um, _search(spec, layout))


def tiling_of(spec: StepSpec) -> tuple[int, int]:
    """Columns and rows, each at least 1, of MOST_TILES tiles at the most."""
    columns, rows = (parameters.integer(spec.inputs, key) for key in ("columns", "rows"))
    if not columns or not rows:
        raise BadInput(f"There are no tiles in {columns} columns x {rows} rows.")
    if columns * rows > MOST_TILES:
        raise BadInput(
            f"{columns:,} columns x {rows:,} rows are more than {MOST_TILES:,} tiles. Correct the "
            "tiling on the imaging page."
        )
    return columns, rows


def _search(spec: StepSpec, layout: Layout) -> Triple:
    """How far tiles may lie from where the stage says, in voxels either way."""
    usual = [
        max(um, _USUAL_SEARCH_PART * side * voxel if axis < 2 else 0)
        for axis, (um, side, voxel) in enumerate(
            zip(_USUAL_SEARCH_UM, layout.tile, layout.voxel_um, strict=True)
        )
    ]
    given = "search_um" in spec.parameters
    wanted = parameters.triple(spec.parameters, "search_um") if given else usual
    x, y, z = (round(um / voxel) for um, voxel in zip(wanted, layout.voxel_um, strict=True))
    most_x, most_y = (_most_search(layout, axis) for axis in (0, 1))
    return min(x, most_x), min(y, most_y), min(z, layout.tile[2] // 3)


def _most_search(layout: Layout, axis: int) -> int:
    """Beyond this, neighbors would overlap too little to be compared."""
    many = layout.columns > 1 if axis == 0 else layout.rows > 1
    if not many:
        return layout.tile[axis] // 4
    overlap = layout.overlap_of(axis)
    return min(overlap - max(_LEAST_LEFT, overlap // 4), layout.tile[axis] // 4)
