"""What the file names of a microscope mean; a new microscope is a new parser here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Sheet: TypeAlias = Literal["left", "right"]
SHEETS: tuple[Sheet, Sheet] = ("left", "right")

# A LaVision name; the tile part is absent in single-tile runs of some Imspector versions.
_LAVISION = re.compile(
    r".*RawDataStack(?:\[(?P<row>\d{2}) x (?P<column>\d{2})\])?"
    r"_C(?P<sheet>\d{2})_xyz-Table Z(?P<z>\d{4,5})_UltraII Filter(?P<filter>\d{4})"
    r"(?:\.ome)?\.tiff?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, order=True)
class PlaneName:
    """One raw plane. Rows, columns, z and filters count from 0; `sheet_code` is as written."""

    tile_row: int
    tile_column: int
    sheet_code: int
    z: int
    filter_index: int


def parse_lavision(name: str) -> PlaneName | None:
    """Read a LaVision file name; None for anything else, processed images among it."""
    match = _LAVISION.fullmatch(name)
    if match is None:
        return None
    return PlaneName(
        tile_row=int(match["row"] or 0),
        tile_column=int(match["column"] or 0),
        sheet_code=int(match["sheet"]),
        z=int(match["z"]),
        filter_index=int(match["filter"]),
    )


def sheet_code(sheet: Sheet, *, left: bool, right: bool) -> int:
    """The number a sheet has in file names: a sheet used alone is always 00, whichever it is."""
    return 1 if sheet == "right" and left and right else 0


def looks_like_tiff(name: str) -> bool:
    return name.lower().endswith((".tif", ".tiff"))
