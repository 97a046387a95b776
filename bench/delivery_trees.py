"""Trees of very many tiny planes, as LaVision and SmartSPIM deliver them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from pipeline.phantom import plane_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.delivery_job import Tree

_SIDE = 8


def write_tree(root: Path, tree: Tree) -> None:
    """Write every plane as a file of its own; a hard link would be cheaper to look at."""
    stream = BytesIO()
    tifffile.imwrite(stream, np.zeros((_SIDE, _SIDE), np.uint16), metadata=None)
    data = stream.getvalue()
    names = _smartspim_names(tree) if tree.layout == "smartspim" else _lavision_names(tree)
    made = set()
    for name in names:
        path = root / tree.folder / name
        if path.parent not in made:
            path.parent.mkdir(parents=True)
            made.add(path.parent)
        path.write_bytes(data)


def _lavision_names(tree: Tree) -> Iterator[str]:
    for z in range(tree.planes):
        for row in range(tree.rows):
            for column in range(tree.columns):
                tile = f"[{row:02d} x {column:02d}]"
                for index in range(tree.channels):
                    for sheet in (0, 1):
                        name = plane_file(z=z, filter_index=index, sheet_code=sheet)
                        yield name.replace("[00 x 00]", tile)


def _smartspim_names(tree: Tree) -> Iterator[str]:
    for column in range(tree.columns):
        for row in range(tree.rows):
            x, y = 100_000 + 32_400 * column, 100_000 + 25_920 * row
            for z in range(tree.planes):
                yield f"{x:06d}/{x:06d}_{y:06d}/{20 * z:06d}.tif"
