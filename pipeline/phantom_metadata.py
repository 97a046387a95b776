"""What the phantom's microscopes note about an acquisition, in the form of the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EMISSION_NM = 52  # between excitation and emission, about
FIRST_X, FIRST_Y, STAGE_Z = 471320, 701490, 1707  # tenths of a micron


@dataclass(frozen=True, slots=True)
class Acquisition:
    """An acquisition as its microscope knows it. Pixels and voxels are (z, y, x)."""

    shape: tuple[int, int, int]
    voxel_um: tuple[float, float, float]
    channels: tuple[str, ...]
    sheets: int
    columns: int = 1
    rows: int = 1
    overlap: float = 0.0


def ome_xml(acquired: Acquisition, file_name: Callable[[int, int], str]) -> str:
    """LaVision's OME-XML; `file_name(filter, sheet code)` is the first plane of each."""
    z, y, x = acquired.shape
    um_z, um_y, um_x = acquired.voxel_um
    indexes = range(len(acquired.channels))
    files = [file_name(index, code) for index in indexes for code in range(acquired.sheets)]
    tiles = [
        f"{name};;(0.000000, 0.000000, {number % acquired.sheets}.000000, 0.000000)"
        for number, name in enumerate(files)
    ]
    lights = [
        f"{name};;{channel},{int(channel) + EMISSION_NM}"
        for name, channel in zip(
            files, (c for c in acquired.channels for _ in range(acquired.sheets)), strict=True
        )
        if channel.isdigit()
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2008-02"'
        ' xmlns:ca="http://www.openmicroscopy.org/Schemas/CA/2008-02">'
        '<Image ID="Image:0" Name="phantom"><CreationDate>2024-01-15T10:30:00</CreationDate>'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" PixelType="uint16"'
        f' SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="{acquired.sheets}" SizeT="1"'
        f' PhysicalSizeX="{um_x}" PhysicalSizeY="{um_y}" PhysicalSizeZ="{um_z}">'
        "<TiffData/></Pixels>"
        '<ca:CustomAttributes><InstrumentMode InstrumentMode="phantom"/>'
        '<ImspectorVersion ImspectorVersion="7.0"/>'
        f'<DataAxis5 Steps="{acquired.columns}"/><DataAxis6 Steps="{acquired.rows}"/>'
        f"<TileConfiguration TileConfiguration={_lines(['4', *tiles])}/>"
        f"<RawDataInformation RawDataInformation={_lines(lights)}/></ca:CustomAttributes></Image>"
        '<ca:CustomAttributes><PropArray><UltraII_NAValue Value="0.0085"/>'
        f'<xyz-Table_XY_Overlap Value="{100 * acquired.overlap:g}"/>'
        "</PropArray></ca:CustomAttributes></OME>"
    )


def _lines(lines: Sequence[str]) -> str:
    return quoteattr("\n".join(lines))


def tile_steps(acquired: Acquisition, tile: tuple[int, int]) -> tuple[int, int]:
    """From one tile of (y, x) pixels to the next in x and in y, tenths of a micron."""
    across = round(tile[1] * (1 - acquired.overlap) * acquired.voxel_um[2] * 10)
    down = round(tile[0] * (1 - acquired.overlap) * acquired.voxel_um[1] * 10)
    return across, down


def session_text(acquired: Acquisition, tile: tuple[int, int]) -> str:
    """SmartSPIM's metadata.txt: settings, lasers and one line per tile and laser."""
    um_z, um_y, _ = acquired.voxel_um
    across, down = tile_steps(acquired, tile)
    lines = [
        "Obj\tv_res\tµm/pix\tZ step (µm)\tZ block",
        f"LCT 3.6x\t{tile[0]}\t{um_y:g}\t{um_z:g}\t{acquired.shape[0] * um_z:g}",
        "Power\tLeft\tRight",
        *(f"{name}\t75.00\t75.00" for name in acquired.channels),
        "X\tY\tZ\tLaser\tSide\tExposure",
    ]
    for row in range(acquired.rows):
        for column in range(acquired.columns):
            x, y = FIRST_X + column * across, FIRST_Y + row * down
            lines += [
                f"{x}\t{y}\t{STAGE_Z}\t{name}\t{side}\t2"
                for name in acquired.channels
                for side in _sides(acquired, column)
            ]
    return "\n".join(lines) + "\n"


def _sides(acquired: Acquisition, column: int) -> tuple[int, ...]:
    """The light of a tile: from the nearer side, from both if there is one column only."""
    if acquired.sheets == 1:
        return (0,)
    return (0, 1) if acquired.columns == 1 else (int(2 * column >= acquired.columns),)
