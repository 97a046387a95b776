"""Memory of place_tiles and merge_tiles, from the spec and the size of a raw plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline import parameters
from pipeline.stitching.layout import layout_of

if TYPE_CHECKING:
    from pipeline.contract import StepSpec
    from pipeline.stitching.layout import Layout

_BASE: Final = 120 << 20  # interpreter, numpy, scipy, tifffile and the codecs
_HEADER_BYTES: Final = 1600  # path, header and identity of one plane file
_COPIES: Final = 10  # float64 pictures of a sub-block while it is compared, FFTs among them
_SUB_BLOCK: Final = 512  # pixels along the seam at most, but for very long seams
_MOST_SUB_BLOCKS: Final = 4


def place_tiles(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak bytes: strips of one slab, planes being read, pictures being compared."""
    planes = parameters.integer(spec.inputs, "planes")
    layout = layout_of(spec, plane_yx=plane_yx, planes=planes)
    depth = max((stop - start for start, stop in layout.slabs()), default=0)
    strips = depth * layout.strip_bytes()
    sheets = max(1, len(parameters.integers(spec.inputs, "sheet_codes")))
    plane = 2 * plane_yx[0] * plane_yx[1]
    comparing = min(2, spec.threads) * _comparison(layout, depth)
    headers = _HEADER_BYTES * planes * layout.columns * layout.rows * sheets
    return _BASE + headers + strips + 2 * spec.threads * plane + comparing


def merge_tiles(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak bytes: for each thread all tiles of a plane and the plane made of them.

    How tiles overlap is in the placements, not in the spec; their planes side by side are more
    than the plane they make, and weights are of as many pixels at the most.
    """
    tiles = parameters.integer(spec.inputs, "columns") * parameters.integer(spec.inputs, "rows")
    planes = parameters.integer(spec.inputs, "planes")
    pixels = tiles * plane_yx[0] * plane_yx[1]
    each = 2 * pixels + 2 * pixels + 2 * pixels  # tiles, result, its compressed bytes
    mixing = 2 * pixels  # sums and products of one overlap, float32
    weights = 2 * 4 * pixels
    return _BASE + _HEADER_BYTES * planes * tiles + spec.threads * (each + mixing) + weights


def _comparison(layout: Layout, depth: int) -> int:
    """Bytes while the strips of a pair are compared: pictures along z, and blocks to see z."""
    most = 0
    for axis, count in ((0, layout.columns), (1, layout.rows)):
        if count == 1:
            continue
        length, across = layout.tile[1 - axis], layout.strip_of(axis)
        blocks = max(1, min(_MOST_SUB_BLOCKS, length // (_SUB_BLOCK // 2)))
        picture = -(-length // blocks) * across
        most = max(most, picture * 8 * _COPIES + depth * picture)
    return most
