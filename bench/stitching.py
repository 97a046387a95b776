"""Target 5: stitching 2 x 2 tiles of two channels, against reading the tiles once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from bench import measure
from bench.measure import Cost, median_ratio
from bench.planes import write_planes
from bench.rows import Row, judged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# (z, y, x) of a tile
SHAPES = {"full": (48, 1200, 1200), "small": (8, 240, 260)}
_ROUNDS = {"full": 4, "small": 1}
_OVERLAP = 0.1
_OFF = {(0, 0): (0, 0), (1, 0): (3, -2), (0, 1): (-2, 4), (1, 1): (1, 3)}  # x, y
_MARGIN = 8
_COMPRESSED = "zlib"


def rows(size: str) -> Iterator[Row]:
    """Measure with tiles as the camera writes them, and with compressed ones."""
    for words, compression in (("", None), (", compressed tiles", _COMPRESSED)):
        data = measure.WORK / f"tiles_{size}{'_zlib' if compression else ''}"
        _write_tiles(data, SHAPES[size], compression)
        jobs = [(name, partial(measure.run_job, name, data)) for name in ("read_tiles", "stitch")]
        costs = measure.in_turns(jobs, rounds=_ROUNDS[size])
        yield judged(
            f"5 stitching 2 x 2 tiles, two channels{words}: time against reading the tiles once",
            value=_cost(costs["stitch"]),
            reference=_cost(costs["read_tiles"]),
            ratio=median_ratio(_walls(costs["stitch"]), _walls(costs["read_tiles"])),
            comparison="<=",
            limit=3,
        )


def _write_tiles(data: Path, shape: tuple[int, int, int], compression: str | None) -> None:
    """Cut tiles of two channels out of invented planes, unless they are there."""
    depth, height, width = shape
    data.mkdir(parents=True, exist_ok=True)
    if len(list(data.glob("*.tif"))) == depth * len(_OFF) * 2:
        return
    step = round(width * (1 - _OVERLAP)), round(height * (1 - _OVERLAP))
    whole = (depth, step[1] + height + 2 * _MARGIN, step[0] + width + 2 * _MARGIN)
    for channel in (0, 1):
        source = data.with_name(f"{data.name}_whole{channel}")
        write_planes(source, shape=whole, seed=channel + 1)
        for z, path in enumerate(sorted(source.glob("*.tif"))):
            plane = tifffile.imread(path)
            for (column, row), (x, y) in _OFF.items():
                top, left = _MARGIN + row * step[1] + y, _MARGIN + column * step[0] + x
                tile = np.ascontiguousarray(plane[top : top + height, left : left + width])
                name = (
                    f"10-30-00_UltraII_raw_RawDataStack[{row:02d} x {column:02d}]_C00_xyz-Table "
                    f"Z{z:04d}_UltraII Filter{channel:04d}.ome.tif"
                )
                tifffile.imwrite(
                    data / name, tile, metadata=None, ome=False, compression=compression
                )


def _walls(costs: list[Cost]) -> list[float]:
    return [cost.wall for cost in costs]


def _cost(costs: list[Cost]) -> str:
    wall, cpu = np.median(_walls(costs)), np.median([cost.cpu for cost in costs])
    return f"{wall:.2f} s, {cpu:.2f} CPU s (n={len(costs)})"
