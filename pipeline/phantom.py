"""Make a whole-brain phantom as a LaVision delivery: `python -m pipeline.phantom OUT`.

Imaged horizontally with the dorsal side up: x runs left to right, y anterior to posterior, z dorsal
to ventral. A bright ball on the animal's left, in front and above, shows any flip at a glance.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile

from pipeline.anatomy import BOX_MM, MARK_CENTER_MM, MARK_RADIUS_MM, Anatomy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shape: TypeAlias = tuple[int, int, int]

DEFAULT_SHAPE: Shape = (200, 440, 380)
DEFAULT_VOXEL_UM = (40.0, 30.0, 30.0)
_CELL_CHANNEL = "647"
_CELLS = 400
_CAMERA_OFFSET = 110.0
_PHOTONS = 1500.0
_MARK_PHOTONS = 5200.0
_CELL_PHOTONS = (2600.0, 6500.0)
_SHEET_DECAY = 0.85  # natural logarithms of light lost across the brain
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """The left mark in voxels: its center and its radius along (z, y, x)."""

    center_zyx: Shape
    radius_zyx: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was written. `cells` are (z, y, x) voxels of the bright spots in the cell channel."""

    folder: Path
    files: int
    bytes: int
    channels: dict[str, int]
    mark: Mark
    cells: list[Shape]
    cells_file: Path


@dataclass(frozen=True, slots=True)
class _Scene:
    shape: Shape
    voxel_um: tuple[float, float, float]
    channels: tuple[str, ...]
    sheets: int
    seed: int
    anatomy: Anatomy
    cells: list[Shape]
    brightness: np.ndarray


def mark_position(shape: Shape) -> Mark:
    """Where the left mark is in a phantom of this (z, y, x) shape."""
    per_mm = [count / length for count, length in zip(shape, BOX_MM[::-1], strict=True)]
    z, y, x = (int(mm * n) for mm, n in zip(MARK_CENTER_MM[::-1], per_mm, strict=True))
    a, b, c = (MARK_RADIUS_MM * n for n in per_mm)
    return Mark((z, y, x), (a, b, c))


def write_delivery(
    folder: Path,
    *,
    shape_zyx: Shape = DEFAULT_SHAPE,
    voxel_um_zyx: tuple[float, float, float] = DEFAULT_VOXEL_UM,
    channels: Sequence[str] = ("488", "647"),
    sheets: int = 2,
    seed: int = 7,
    progress: Callable[[int, int], None] | None = None,
) -> Delivery:
    """Write the phantom's planes into `folder` and its cells beside it; same seed, same bytes.

    `progress(done, total)` is called after each plane. Channels become Filter0000, 0001, ...; with
    one sheet the only light is the left one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    anatomy = Anatomy(shape_zyx, seed)
    cells, brightness = _place_cells(anatomy, shape_zyx, seed)
    names = tuple(channels)
    scene = _Scene(shape_zyx, voxel_um_zyx, names, sheets, seed, anatomy, cells, brightness)
    total = 0
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        planes = pool.map(lambda z: _write_plane(folder, scene, z), range(shape_zyx[0]))
        for done, size in enumerate(planes, start=1):
            total += size
            if progress is not None:
                progress(done, shape_zyx[0])
    return Delivery(
        folder=folder,
        files=shape_zyx[0] * len(names) * sheets,
        bytes=total,
        channels={name: index for index, name in enumerate(names)},
        mark=mark_position(shape_zyx),
        cells=cells,
        cells_file=_write_cells(folder, scene),
    )


def plane_file(*, z: int, filter_index: int, sheet_code: int) -> str:
    """The name LaVision's software gives this plane."""
    return (
        f"10-30-00_UltraII_raw_RawDataStack[00 x 00]_C{sheet_code:02d}"
        f"_xyz-Table Z{z:04d}_UltraII Filter{filter_index:04d}.ome.tif"
    )


def _place_cells(anatomy: Anatomy, shape: Shape, seed: int) -> tuple[list[Shape], np.ndarray]:
    """Cell positions, most of them in cortex, with their brightness."""
    rng = np.random.default_rng([seed, 1])
    wanted = min(_CELLS, max(1, int(np.prod(shape)) // 2000))
    tries = max(1, wanted * 40 // shape[0])
    accepted: list[Shape] = []
    for z in range(shape[0]):
        y, x = rng.integers(0, shape[1], tries), rng.integers(0, shape[2], tries)
        likely = np.maximum(anatomy.cortex(z), 0.04 * anatomy.plane(z)[0])[y, x]
        chosen = np.flatnonzero(rng.random(tries) < likely)
        accepted += [(z, int(y[i]), int(x[i])) for i in chosen]
    picked = rng.permutation(len(accepted))[:wanted]
    cells = sorted(accepted[index] for index in picked)
    return cells, rng.uniform(*_CELL_PHOTONS, len(cells))


def _write_plane(folder: Path, scene: _Scene, z: int) -> int:
    tissue, light = scene.anatomy.plane(z)
    mark = scene.anatomy.mark(z)
    size = 0
    for index, channel in enumerate(scene.channels):
        photons = _photons(scene, channel, z, tissue, light)
        photons = photons * (1 - mark) + _MARK_PHOTONS * mark
        for sheet in range(scene.sheets):
            path = folder / plane_file(z=z, filter_index=index, sheet_code=sheet)
            pixels = _exposed(scene, photons, z, index, sheet)
            description = _ome_xml(scene, channel) if z == 0 else None
            tifffile.imwrite(path, pixels, metadata=None, description=description, ome=False)
            size += path.stat().st_size
    return size


def _photons(
    scene: _Scene, channel: str, z: int, tissue: np.ndarray, light: np.ndarray
) -> np.ndarray:
    if channel != _CELL_CHANNEL:
        return np.asarray(_PHOTONS * tissue * light)
    dim = 0.3 * _PHOTONS * tissue * (0.55 + 0.45 * light)
    return np.asarray(dim + _cell_light(scene, z))


def _cell_light(scene: _Scene, z: int) -> np.ndarray:
    """Spots of a few voxels around the cells near this plane."""
    picture = np.zeros(scene.shape[1:], dtype=np.float32)
    reach = np.arange(-3, 4)
    spot = np.exp(-(reach[:, None] ** 2 + reach[None, :] ** 2) / 2.4)
    for (cell_z, y, x), photons in zip(scene.cells, scene.brightness, strict=True):
        if abs(cell_z - z) > 2:
            continue
        top, left = max(0, 3 - y), max(0, 3 - x)
        part = spot[top : scene.shape[1] - y + 3, left : scene.shape[2] - x + 3]
        rows, columns = y - 3 + top, x - 3 + left
        fading = photons * np.exp(-((cell_z - z) ** 2) / 1.6)
        picture[rows : rows + part.shape[0], columns : columns + part.shape[1]] += fading * part
    return picture


def _exposed(scene: _Scene, photons: np.ndarray, z: int, channel: int, sheet: int) -> np.ndarray:
    """What the camera sees with one light sheet: fading from its side, shadows, shot noise."""
    rng = np.random.default_rng([scene.seed, 2, z, channel, sheet])
    across = np.linspace(0, 1, scene.shape[2], dtype=np.float32)
    distance = across if sheet == 0 else 1 - across
    rows = np.random.default_rng([scene.seed, 3, sheet]).standard_normal(scene.shape[1] + 8)
    shadows = 1 + 0.03 * np.convolve(rows, np.ones(9) / 3, mode="valid")[: scene.shape[1], None]
    seen = photons * np.exp(-_SHEET_DECAY * distance)[None, :] * shadows + 12
    grain = rng.standard_normal(photons.shape, dtype=np.float32)
    counts = _CAMERA_OFFSET + seen + np.sqrt(np.maximum(seen, 1)) * grain
    return np.asarray(np.clip(np.round(counts), 0, 65535), dtype="<u2")


def _ome_xml(scene: _Scene, channel: str) -> str:
    z, y, x = scene.shape
    um_z, um_y, um_x = scene.voxel_um
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0" Name={quoteattr(f"phantom {channel}")}>'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16"'
        f' SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="{scene.sheets}" SizeT="1"'
        f' PhysicalSizeX="{um_x}" PhysicalSizeY="{um_y}" PhysicalSizeZ="{um_z}">'
        "<TiffData/></Pixels></Image></OME>"
    )


def _write_cells(folder: Path, scene: _Scene) -> Path:
    path = folder.with_name(f"{folder.name}_cells.json")
    mark = mark_position(scene.shape)
    document = {
        "shape_zyx": scene.shape,
        "voxel_um_zyx": scene.voxel_um,
        "mark_zyx": mark.center_zyx,
        "cells_zyx": scene.cells,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.phantom", description=__doc__)
    parser.add_argument("out", type=Path, help="the delivery folder to make")
    parser.add_argument("--shape", type=_shape, default=DEFAULT_SHAPE, help="z,y,x voxels")
    parser.add_argument("--voxel", type=_voxel, default=DEFAULT_VOXEL_UM, help="z,y,x in um")
    parser.add_argument("--channels", default="488,647", help="names, comma between")
    parser.add_argument("--sheets", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args(arguments)
    delivery = write_delivery(
        chosen.out,
        shape_zyx=chosen.shape,
        voxel_um_zyx=chosen.voxel,
        channels=chosen.channels.split(","),
        sheets=chosen.sheets,
        seed=chosen.seed,
        progress=_show,
    )
    sys.stdout.write(f"{delivery.files} files, {delivery.bytes:,} bytes in {delivery.folder}\n")
    return 0


def _shape(words: str) -> Shape:
    z, y, x = (int(word) for word in words.split(","))
    return z, y, x


def _voxel(words: str) -> tuple[float, float, float]:
    z, y, x = (float(word) for word in words.split(","))
    return z, y, x


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rplane {done} of {total}" + ("\n" if done == total else ""))


if __name__ == "__main__":
    sys.exit(main())
