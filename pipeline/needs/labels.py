"""Memory of `precompute_labels`: from the specification and the size of a plane alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.contract import JsonDict, StepSpec

# Python with numpy, tifffile, imagecodecs and cloud-volume, at rest.
_BASE: Final = 190 << 20
_CHUNK: Final = 64
_LABEL: Final = 4
_SHARD_SIDE: Final = 512
_SHARD_CHUNKS: Final = 256
# An encoded chunk of labels that are regions and not noise, at most.
_PACKED_CHUNK: Final = 64 << 10
# Rows of a file (8 bytes each label at most), labels taken from them, and what encoding copies.
_ROW_COPIES: Final = 2
# A plane is counted with the places where its labels change.
_PLANE_BYTES: Final = 8 + 8 + 2


def precompute_labels(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak bytes of the process; `plane_yx` is a plane of the product.

    Labels that are brought to another grid are held whole; how large they are follows from the
    grid, since both are of one sample.
    """
    height, width = plane_yx
    onto = spec.parameters.get("onto")
    held = _held(spec, onto) if isinstance(onto, dict) else height * width * _PLANE_BYTES
    row = _CHUNK * _CHUNK * min(width, _SHARD_SIDE) * _LABEL * _ROW_COPIES
    finer = (2 * _CHUNK) ** 3 * _LABEL * _ROW_COPIES  # what a chunk of a mip is made from
    shards = 3 * _SHARD_CHUNKS * _PACKED_CHUNK
    return _BASE + held + max(1, spec.threads) * (row + finer) + shards


def _held(spec: StepSpec, onto: JsonDict) -> int:
    """Bytes of the labels, with those that counting one of their planes takes."""
    voxels = 1.0
    for size, um in zip(_numbers(onto.get("size")), _numbers(onto.get("voxel_um")), strict=True):
        voxels *= size * um
    side = math.prod(_numbers(spec.parameters.get("voxel_um")))
    labels = voxels / side if side else 0.0
    return int(labels * _LABEL + labels ** (2 / 3) * (_PLANE_BYTES + 16))


def _numbers(value: object) -> list[float]:
    found = value if isinstance(value, list) else []
    return [float(n) if isinstance(n, int | float) else 1.0 for n in found] or [1.0, 1.0, 1.0]
