"""How a stack is cut into slabs and tiles for finding cells, told from sizes alone.

Lengths in µm become voxels here. Triples are (z, y, x).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final, TypeAlias

ZYX: TypeAlias = tuple[int, int, int]
ZYXum: TypeAlias = tuple[float, float, float]

# The scale at which a ball answers most strongly to the Laplacian of a Gaussian is r / sqrt(3)
# (T. Lindeberg, Int. J. Comput. Vis. 30, 1998); two Gaussians around it take the Laplacian's place.
_NARROW, _RATIO = 0.8, 1.6
DIAMETER_UM: Final = 16.0

TRUNCATE: Final = 3.5
_PEAK_REACH = 0.3  # of a diameter: half the side of the box in which a maximum must be the largest
_LEAST_CORE, _MOST_CORE = 8, 32
_WIDE_PLANE_BYTES = 64 << 20
_TILE = 256
_BLOCK_DIAMETERS, _LEAST_BLOCK, _MOST_BLOCK = 10.0, 32, 128


@dataclass(frozen=True, slots=True)
class Plan:
    """What finding cells of one diameter in one stack needs to know.

    `narrow` and `wide` are the Gaussians' standard deviations in voxels, `peak` the half sides of
    the box of a maximum, `halo` what a tile needs around its core, `depth` the planes of a core.
    """

    shape: ZYX
    voxel_um: ZYXum
    diameter_um: float
    narrow: ZYXum
    wide: ZYXum
    peak: ZYX
    halo: ZYX
    depth: int
    tile: int
    block: int

    @property
    def slabs(self) -> list[tuple[int, int]]:
        """First and one past the last plane of each core; they differ by one plane at most."""
        return spans(self.shape[0], self.depth)

    @property
    def tiles(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The cores of a slab as spans along y and x; their sides are whole blocks of noise."""
        rows = _steps(self.shape[1], self.tile)
        return [(row, column) for row in rows for column in _steps(self.shape[2], self.tile)]

    @property
    def window(self) -> int:
        """How many planes are held at once."""
        return min(self.shape[0], self.depth + 2 * self.halo[0])

    @property
    def tile_voxels(self) -> int:
        """Voxels of the largest tile with its halo."""
        _, rows, columns = self.shape
        _, above, beside = self.halo
        return self.window * min(self.tile + 2 * above, rows) * min(self.tile + 2 * beside, columns)


def plan(shape: ZYX, voxel_um: ZYXum, diameter_um: float) -> Plan:
    """Plan for a stack of this shape; voxel size and diameter in µm."""
    scale = diameter_um / (2 * math.sqrt(3))
    z, y, x = (_NARROW * scale / um for um in voxel_um)
    wide = (_RATIO * z, _RATIO * y, _RATIO * x)
    a, b, c = (max(1, round(_PEAK_REACH * diameter_um / um)) for um in voxel_um)
    halo = _halo(wide, (a, b, c), tuple(math.ceil(diameter_um / um) for um in voxel_um))
    wide_planes = shape[1] * shape[2] * 2 > _WIDE_PLANE_BYTES
    depth = min(max(halo[0] if wide_planes else 2 * halo[0], _LEAST_CORE), _MOST_CORE)
    block = round(_BLOCK_DIAMETERS * diameter_um / min(voxel_um[1:]))
    block = min(max(block, _LEAST_BLOCK), _MOST_BLOCK)
    tile = max(1, _TILE // block) * block
    return Plan(
        shape, voxel_um, diameter_um, (z, y, x), wide, (a, b, c), halo, depth, tile, block
    )  # fmt: skip


def kernel_radius(sigma: float) -> int:
    """Half the length of the kernel of a Gaussian."""
    return int(TRUNCATE * sigma + 0.5)


def spans(length: int, most: int) -> list[tuple[int, int]]:
    """Cut a length into pieces of nearly equal length, none longer than `most`."""
    parts = max(1, -(-length // most))
    edges = [round(number * length / parts) for number in range(parts + 1)]
    return list(itertools.pairwise(edges))


def _halo(wide: ZYXum, peak: ZYX, diameter: tuple[int, ...]) -> ZYX:
    """Voxels beyond a core that its cells depend on: neighbors a diameter away, and the filter."""
    sides = zip(wide, peak, diameter, strict=True)
    z, y, x = (kernel_radius(sigma) + reach + cell + 1 for sigma, reach, cell in sides)
    return z, y, x


def _steps(length: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def default_most_per_mm3(diameter_um: float) -> float:
    """The density above which what is found is taken for noise: a tenth of what there is room for.

    There is room for one ball per cube of the diameter; maxima of mere noise, at a threshold of 2,
    fill a sixth to a third of it.
    """
    return 0.1 * 1e9 / diameter_um**3
