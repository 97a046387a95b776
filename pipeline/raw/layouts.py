"""What the names of files and folders of a microscope mean; a new microscope is a parser here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Sheet: TypeAlias = Literal["left", "right"]
SHEETS: tuple[Sheet, Sheet] = ("left", "right")

LAVISION: Final = "lavision"
SMARTSPIM: Final = "smartspim"
LAYOUTS: Final = (LAVISION, SMARTSPIM)

# A LaVision name; the tile part is absent in single-tile runs of some Imspector versions.
_LAVISION = re.compile(
    r"(?P<head>.*RawDataStack(?:\[(?P<row>[0-9]{2}) x (?P<column>[0-9]{2})\])?"
    r"_C(?P<sheet>[0-9]{2}))_xyz-Table Z(?P<z>[0-9]{4,5})"
    r"(?P<tail>_UltraII Filter(?P<filter>[0-9]{4})(?:\.ome)?\.tiff?)",
    re.IGNORECASE | re.DOTALL,
)
# Positions are tenths of a micron; six characters, a minus sign among or before them.
_POSITION = r"(?:[0-9]{6}|-[0-9]{5,6})"
_COLUMN = re.compile(_POSITION)
_TILE = re.compile(f"({_POSITION})_({_POSITION})")
# The vendor writes TIFF, or PNG where planes are compressed; .raw is what its camera leaves behind.
_SMARTSPIM_PLANE = re.compile(
    r"(?P<head>[^0-9]*)(?P<z>[0-9]{1,9})(?P<tail>(?:\.ome)?\.(?:tiff?|png))", re.I
)
_CHANNEL_FOLDER = re.compile(r"Ex_([0-9]{3,4})_Em_([0-9]{1,4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class PlaneName:
    """One raw plane. Rows, columns, z and filters count from 0; `sheet_code` is as written."""

    tile_row: int
    tile_column: int
    sheet_code: int
    z: int
    filter_index: int


@dataclass(frozen=True, slots=True)
class NumberedName:
    """A file name around its plane number: `head`, the digits, `tail`."""

    head: str
    digits: str
    tail: str


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


def split_lavision(name: str) -> NumberedName | None:
    """The same name around its plane number."""
    match = _LAVISION.fullmatch(name)
    if match is None:
        return None
    return NumberedName(name[: match.start("z")], match["z"], match["tail"])


def looks_like_lavision(name: str) -> bool:
    """A name that only raw planes have parts of, a half copied one, say."""
    return "rawdatastack" in name.lower()


def split_smartspim(name: str) -> NumberedName | None:
    """A plane in a tile folder: a number, TIFF or PNG."""
    match = _SMARTSPIM_PLANE.fullmatch(name)
    return None if match is None else NumberedName(match["head"], match["z"], match["tail"])


def is_column_folder(name: str) -> bool:
    """XXXXXX, the stage position in tenths of a micron."""
    return _COLUMN.fullmatch(name) is not None


def tile_position(name: str) -> tuple[str, str] | None:
    """XXXXXX_YYYYYY as written, or None."""
    match = _TILE.fullmatch(name)
    return None if match is None else (match[1], match[2])


def channel_of_folder(name: str) -> tuple[int, int] | None:
    """Wavelength and Em number of a folder Ex_<wavelength>_Em_<number>, or None."""
    match = _CHANNEL_FOLDER.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]))


def sheet_code(sheet: Sheet, *, left: bool, right: bool) -> int:
    """The number a sheet has in file names: a sheet used alone is always 00, whichever it is."""
    return 1 if sheet == "right" and left and right else 0


def looks_like_tiff(name: str) -> bool:
    return name.lower().endswith((".tif", ".tiff"))


def looks_like_image(name: str) -> bool:
    return name.lower().endswith((".tif", ".tiff", ".png"))
