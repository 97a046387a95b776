"""Tiny image stacks on disk, whole or spoiled in one way, for tests of what reads planes."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import tifffile

from pipeline.raw.delivery import Expected, ExpectedChannel
from pipeline.raw.listing import Found, Group, Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_NAMES = ("488", "555", "647", "790")


def plane_name(
    z: int,
    *,
    filter_index: int = 0,
    sheet_code: int = 0,
    row: int = 0,
    column: int = 0,
    tile_part: bool = True,
) -> str:
    """The file name LaVision's software gives a raw plane."""
    tile = f"[{row:02d} x {column:02d}]" if tile_part else ""
    return (
        f"10-11-12_UltraII_raw_RawDataStack{tile}_C{sheet_code:02d}"
        f"_xyz-Table Z{z:04d}_UltraII Filter{filter_index:04d}.ome.tif"
    )


def lavision_delivery(
    folder: Path,
    *,
    planes: int = 4,
    shape: tuple[int, int] = (12, 16),
    filters: Sequence[int] = (0,),
    sheets: Sequence[int] = (0,),
    rows: int = 1,
    columns: int = 1,
    seed: int = 0,
) -> Path:
    """Write a whole delivery of (y, x) uint16 planes; `sheets` are the codes in the names."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for filter_index in filters:
        for sheet_code in sheets:
            for tile in range(rows * columns):
                row, column = divmod(tile, columns)
                for z in range(planes):
                    name = plane_name(
                        z, filter_index=filter_index, sheet_code=sheet_code, row=row, column=column
                    )
                    write_plane(folder / name, rng.integers(0, 65536, shape, dtype=np.uint16))
    return folder


def expected_delivery(
    *,
    planes: int = 4,
    filters: Sequence[int] = (0,),
    left: bool = True,
    right: bool = False,
    rows: int = 1,
    columns: int = 1,
    **typed: float | None,
) -> Expected:
    """What a form asked for; channel names follow the filter index: 488, 555, 647, 790.

    `typed` are z_step_um, overlap and pixel_um.
    """
    return Expected(
        tuple(
            ExpectedChannel(
                name=_NAMES[index],
                filter_index=index,
                left=left,
                right=right,
                columns=columns,
                rows=rows,
                planes=planes,
                **typed,
            )
            for index in filters
        )
    )


def lavision_listing(*, planes: int, sheets: Sequence[int] = (0,)) -> Found:
    """What a look at a delivery of one channel finds, without a file; each has 100 bytes."""
    found = Found()
    for code in sheets:
        before, after = plane_name(0, sheet_code=code).split("0000", 1)
        series = Series(before, after, 4)
        series.numbers.extend(range(planes))
        series.sizes.extend([100] * planes)
        series.mtimes.extend([0] * planes)
        found.groups[code, 0, (0, 0)] = Group([series])
    found.files = planes * len(sheets)
    return found


def smartspim_delivery(
    folder: Path,
    *,
    columns: int = 3,
    rows: int = 5,
    planes: int = 3,
    step: int = 20,
    shape: tuple[int, int] = (8, 10),
    suffix: str = ".tif",
) -> Path:
    """Write a channel folder of (y, x) uint16 tiles; planes are named by z in tenths of a micron.

    Tiles of the default shape overlap by a tenth at 1.8 µm.
    """
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    path = folder.with_name(f".{folder.name}{suffix}")
    folder.mkdir(parents=True)
    write_image(path, pixels)
    for column in range(columns):
        for row in range(rows):
            tile = tile_folder(folder, column, row, shape=shape)
            tile.mkdir(parents=True)
            for z in range(planes):
                (tile / f"{z * step:06d}{suffix}").write_bytes(path.read_bytes())
    path.unlink()
    return folder


def tile_folder(folder: Path, column: int, row: int, *, shape: tuple[int, int] = (8, 10)) -> Path:
    """Where the planes of a tile lie."""
    x, y = 88990 + column * round(shape[1] * 16.2), 46480 + row * round(shape[0] * 16.2)
    return folder / f"{x:06d}" / f"{x:06d}_{y:06d}"


def expected_smartspim(
    *,
    columns: int = 3,
    rows: int = 5,
    planes: int = 3,
    name: str = "488",
    filter_index: int = 0,
    left: bool = True,
    right: bool = True,
    z_step_um: float | None = None,
    overlap: float | None = None,
    pixel_um: float | None = None,
) -> Expected:
    """What a form asked for of one channel folder."""
    channel = ExpectedChannel(
        name, filter_index, left, right, columns, rows, planes, z_step_um, overlap, pixel_um
    )
    return Expected((channel,), "smartspim")


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write a plane as the TIFF or PNG that its name says."""
    if path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        write_plane(path, pixels)


def describe(path: Path, xml: str) -> None:
    """Put a description into a plane, its pixels as they were."""
    with tifffile.TiffFile(path, is_ome=False) as tiff:
        pixels = tiff.pages[0].asarray()
    tifffile.imwrite(path, pixels, description=xml, metadata=None, ome=False)


def single_planes(
    folder: Path, volume: np.ndarray, *, compression: str | None = None, prefix: str = "plane_"
) -> Path:
    """Write a (z, y, x) volume as one TIFF per plane."""
    folder.mkdir(parents=True, exist_ok=True)
    for z, plane in enumerate(volume):
        write_plane(folder / f"{prefix}{z:04d}.tif", plane, compression=compression)
    return folder


def random_volume(shape: tuple[int, int, int], *, seed: int = 0) -> np.ndarray:
    """A (z, y, x) volume of every grey value, with saturated and empty parts."""
    rng = np.random.default_rng(seed)
    volume = rng.integers(0, 65536, shape, dtype=np.uint16)
    volume[rng.random(shape) < 0.05] = 65535
    volume[rng.random(shape) < 0.05] = 0
    return volume


def write_plane(path: Path, pixels: np.ndarray, *, compression: str | None = None) -> None:
    # ome=False: tifffile would add OME-XML to every file whose name ends in .ome.tif
    tifffile.imwrite(path, pixels, compression=compression, metadata=None, ome=False)


def make_old(folder: Path, *, seconds: float = 60) -> None:
    """Let every file look as if nothing had touched it for a while."""
    for path in folder.rglob("*"):
        moment = path.lstat().st_mtime - seconds
        os.utime(path, (moment, moment), follow_symlinks=False)


def drop_planes(
    folder: Path, zs: Iterable[int], *, filter_index: int = 0, sheet_code: int = 0
) -> None:
    """Remove planes, as if the copy had not got to them."""
    for z in zs:
        (folder / plane_name(z, filter_index=filter_index, sheet_code=sheet_code)).unlink()


def truncate(path: Path, *, keep: float = 0.5) -> None:
    """Cut a file short, as if the copy were under way."""
    os.truncate(path, int(path.stat().st_size * keep))


def make_8_bit(path: Path) -> None:
    with tifffile.TiffFile(path, is_ome=False) as tiff:
        shape = tiff.pages[0].shape
    write_plane(path, np.full(shape, 7, dtype=np.uint8))


def change_size(path: Path, shape: tuple[int, int] = (10, 18)) -> None:
    write_plane(path, np.zeros(shape, dtype=np.uint16))


def replace_by_text(path: Path) -> None:
    path.write_bytes(b"this is no image\n" * 20)


def crafted_directories(
    path: Path, *, directories: int, entries: int, size: int | None = None
) -> None:
    """A TIFF whose many directories all point at one long strip table; `size` makes it sparse."""
    table = 8 + directories * 66
    tags = (
        (256, 4, 1, 16),
        (257, 4, 1, 12),
        (258, 3, 1, 16),
        (273, 4, entries, table),
        (279, 4, entries, table),
    )
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    parts = [struct.pack("<2sHI", b"II", 42, 8)]
    for number in range(1, directories + 1):
        following = 8 + number * 66 if number < directories else 0
        parts.append(struct.pack("<H", len(tags)) + body + struct.pack("<I", following))
    path.write_bytes(b"".join(parts))
    os.truncate(path, size or table + entries * 4)


def spoil_name(path: Path) -> Path:
    """Rename a file to a name that is no UTF-8, as old Windows shares write it."""
    return path.rename(path.with_name(os.fsdecode(b"M\xfcller ") + path.name))


def make_unreadable(path: Path) -> None:
    """A dangling link: unlike file modes this stops root as well."""
    path.unlink()
    path.symlink_to(path.with_name("gone"))


def move_out(folder: Path, outside: Path) -> None:
    """Move a whole folder away and leave a link to it."""
    folder.rename(outside)
    folder.symlink_to(outside)


def leave_half_copied(folder: Path) -> Path:
    """What rsync leaves while it copies a plane."""
    path = folder / f".{plane_name(0)}.Xq3bYz"
    path.write_bytes(b"half")
    return path


def duplicate(path: Path, *, stamp: str = "11-22-33") -> Path:
    """The same plane once more, under the time stamp of another acquisition."""
    twin = path.with_name(path.name.replace("10-11-12", stamp))
    twin.write_bytes(path.read_bytes())
    return twin


def link_out(path: Path, outside: Path) -> None:
    """Replace a file by a link to something elsewhere."""
    path.unlink()
    path.symlink_to(outside)
