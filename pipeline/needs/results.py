"""Memory of the steps that make results: cells, regions, quality, OME-Zarr."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pipeline import parameters
from pipeline.cells.plan import DIAMETER_UM, plan

if TYPE_CHECKING:
    from pipeline.contract import StepSpec

_BASE: Final = 110_000_000  # Python with numpy, scipy and the readers of TIFF
_CELLS: Final = 100_000_000  # 300,000 cells as a table and as a layer
_TILE_BYTES: Final = 20  # per voxel: the piece, two filtered copies, the maxima, masks
_DEEP: Final = 1_000_000
_SMALLER: Final = 14  # pixels of a raw plane for one of the volume that is registered
_DEPTHS: Final = 5.5  # rows of a raw plane for one plane of that volume
_COUNTING_BYTES: Final = 48  # per voxel of a small plane: rows, sides, weights
_ZARR_BASE: Final = 150_000_000
_ZARR_CHUNK_BYTES: Final = 40_000_000  # read, put together, packed
_PLANE_COPIES: Final = 6  # bytes per pixel: the plane, its rows, masks
_SAMPLE_BYTES: Final = 60_000_000


def detect_cells(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak bytes: the planes of a slab with its halo, and a tile for each thread."""
    x, y, z = parameters.triple(spec.parameters, "voxel_um")
    diameter = parameters.number(spec.parameters, "diameter_um", DIAMETER_UM)
    cut = plan((_DEEP, *plane_yx), (z, y, x), diameter)
    held = cut.window * math.prod(plane_yx) * 2
    return _BASE + _CELLS + held + spec.threads * cut.tile_voxels * _TILE_BYTES


def count_regions(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak bytes: planes of the labels in each thread, and the volumes.

    Volumes are mapped; what is read of them counts as memory of the process.
    """
    volumes = spec.inputs.get("volumes")
    count = len(volumes) if isinstance(volumes, list) else 0
    small = math.prod(plane_yx) / _SMALLER
    mapped = small * min(plane_yx) / _DEPTHS * (4 + 2 * count + 1)
    return round(_BASE + _CELLS + mapped + spec.threads * _COUNTING_BYTES * small)


def export_zarr(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak bytes: a Zarr chunk in each thread, whatever the size of the planes."""
    return _ZARR_BASE + spec.threads * _ZARR_CHUNK_BYTES


def assess(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak bytes: a plane in each thread, and what is made of its pixels."""
    return _BASE + spec.threads * (_PLANE_COPIES * math.prod(plane_yx) + _SAMPLE_BYTES)
