"""Cells as a table: `cells.csv`, and what is said of them in `cells.json`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.errors import BadInput
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict

CSV: Final = "cells.csv"
JSON: Final = "cells.json"
NAMES: Final = ("x_um", "y_um", "z_um", "intensity", "diameter_um", "score")
_HEADER = ",".join(NAMES)
_FORMATS = ("%.2f", "%.2f", "%.2f", "%.1f", "%.2f", "%.2f")
_BINS = 50


def write_cells(path: Path, cells: np.ndarray) -> int:
    """Write rows of NAMES and return the bytes; on the disk when this returns."""
    text = io.StringIO()
    np.savetxt(text, cells, fmt=_FORMATS, delimiter=",", header=_HEADER, comments="")
    data = text.getvalue().encode("ascii")
    write_durably(path, data)
    return len(data)


def read_cells(path: Path) -> np.ndarray:
    """Return rows of NAMES, float64; BadInput for a file that is no such table."""
    try:
        with path.open(encoding="utf-8") as stream:
            if stream.readline().strip() != _HEADER:
                raise ValueError(f"its first line is not {_HEADER}")
            rows = [[float(word) for word in line.split(",")] for line in stream]
        if any(len(row) != len(NAMES) for row in rows):
            raise ValueError(f"a line has not {len(NAMES)} values")
    except (OSError, ValueError) as error:
        raise BadInput(f"{path.name} is no table of cells: {error}.") from error
    cells = np.array(rows, dtype=np.float64).reshape(len(rows), len(NAMES))
    if not np.isfinite(cells).all():
        raise BadInput(f"{path.name} is no table of cells: not all of its values are numbers.")
    return cells


def histogram(values: np.ndarray) -> JsonDict:
    """Counts in equal bins between the least and the largest value."""
    if not len(values):
        return {"edges": [], "counts": []}
    counts, edges = np.histogram(values, bins=_BINS)
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": counts.tolist()}
