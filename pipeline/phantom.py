"""Make a whole-brain phantom as a raw delivery: `python -m pipeline.phantom OUT`.

LaVision planes by default; `--layout smartspim --tiles CxR` makes a session folder with a folder of
tiles for each channel and the session's metadata.

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

import numpy as np
import tifffile

from pipeline import phantom_metadata
from pipeline.anatomy import BOX_MM, MARK_CENTER_MM, MARK_RADIUS_MM, Anatomy
from pipeline.phantom_metadata import FIRST_X, FIRST_Y, Acquisition
from pipeline.raw.layouts import LAVISION, LAYOUTS, SMARTSPIM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shape: TypeAlias = tuple[int, int, int]

DEFAULT_SHAPE: Shape = (200, 440, 380)
DEFAULT_VOXEL_UM = (40.0, 30.0, 30.0)
_CELL_CHANNELS = ("642", "647")
_EMISSIONS = ("488", "561", "642", "785")
_OVERLAP = 0.1
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
    """What was written. `cells` are (z, y, x) voxels of the bright spots in the cell channel.

    `channels` are the Filter numbers, or the Em numbers of the folders.
    """

    folder: Path
    files: int
    bytes: int
    channels: dict[str, int]
    mark: Mark
    cells: list[Shape]
    cells_file: Path


@dataclass(frozen=True, slots=True)
class _Scene:
    acquired: Acquisition
    layout: str
    seed: int
    anatomy: Anatomy
    cells: list[Shape]
    brightness: np.ndarray

    @property
    def shape(self) -> Shape:
        return self.acquired.shape

    @property
    def channels(self) -> tuple[str, ...]:
        return self.acquired.channels


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
    layout: str = LAVISION,
    tiles: tuple[int, int] = (1, 1),
    progress: Callable[[int, int], None] | None = None,
) -> Delivery:
    """Write the phantom's planes into `folder` and its cells beside it; same seed, same bytes.

    `progress(done, total)` is called after each plane. LaVision channels become Filter0000, 0001,
    ...; with one sheet the only light is the left one. SmartSPIM channels get a folder each, with
    `tiles` columns x rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    acquired = Acquisition(
        shape_zyx,
        voxel_um_zyx,
        tuple(channels),
        sheets,
        *(tiles if layout == SMARTSPIM else (1, 1)),
        overlap=_OVERLAP if layout == SMARTSPIM else 0.0,
    )
    anatomy = Anatomy(shape_zyx, seed)
    cells, brightness = _place_cells(anatomy, shape_zyx, seed)
    scene = _Scene(acquired, layout, seed, anatomy, cells, brightness)
    sizes = _write_planes(folder, scene, progress)
    return Delivery(
        folder=folder,
        files=shape_zyx[0] * len(acquired.channels) * _files_per_plane(scene),
        bytes=sum(sizes),
        channels={name: _index(scene, number) for number, name in enumerate(acquired.channels)},
        mark=mark_position(shape_zyx),
        cells=cells,
        cells_file=_write_cells(folder, scene),
    )


def _write_planes(
    folder: Path, scene: _Scene, progress: Callable[[int, int], None] | None
) -> list[int]:
    planes, sizes = scene.shape[0], []
    if scene.layout == SMARTSPIM:
        text = phantom_metadata.session_text(scene.acquired, _tile_size(scene))
        (folder / "metadata.txt").write_text(text, encoding="utf-8")
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        written = pool.map(lambda z: _write_plane(folder, scene, z), range(planes))
        for done, size in enumerate(written, start=1):
            sizes.append(size)
            if progress is not None:
                progress(done, planes)
    return sizes


def _files_per_plane(scene: _Scene) -> int:
    """Sheets of a LaVision channel, tiles of a SmartSPIM channel."""
    acquired = scene.acquired
    return acquired.columns * acquired.rows if scene.layout == SMARTSPIM else acquired.sheets


def _index(scene: _Scene, number: int) -> int:
    name = scene.channels[number]
    if scene.layout == SMARTSPIM and name in _EMISSIONS:
        return _EMISSIONS.index(name)
    return number


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
        sheets = [_exposed(scene, photons, z, index, s) for s in range(scene.acquired.sheets)]
        if scene.layout == SMARTSPIM:
            size += _write_tiles(folder, scene, index, z, np.maximum.reduce(sheets))
        else:
            size += _write_sheets(folder, scene, index, z, sheets)
    return size


def _write_sheets(
    folder: Path, scene: _Scene, index: int, z: int, sheets: Sequence[np.ndarray]
) -> int:
    size = 0
    for code, pixels in enumerate(sheets):
        path = folder / plane_file(z=z, filter_index=index, sheet_code=code)
        description = phantom_metadata.ome_xml(scene.acquired, _first_file) if z == 0 else None
        size += _save(path, pixels, description)
    return size


def _first_file(filter_index: int, sheet_code: int) -> str:
    return plane_file(z=0, filter_index=filter_index, sheet_code=sheet_code)


def _write_tiles(folder: Path, scene: _Scene, index: int, z: int, pixels: np.ndarray) -> int:
    acquired, tile = scene.acquired, _tile_size(scene)
    across, down = phantom_metadata.tile_steps(acquired, tile)
    channel = folder / f"Ex_{scene.channels[index]}_Em_{_index(scene, index)}"
    depth = round(z * acquired.voxel_um[0] * 10)
    size = 0
    for column in range(acquired.columns):
        for row in range(acquired.rows):
            x, y = FIRST_X + column * across, FIRST_Y + row * down
            place = channel / f"{x:06d}" / f"{x:06d}_{y:06d}"
            place.mkdir(parents=True, exist_ok=True)
            top = _tile_start(row, acquired.rows, tile[0], pixels.shape[0])
            left = _tile_start(column, acquired.columns, tile[1], pixels.shape[1])
            part = pixels[top : top + tile[0], left : left + tile[1]]
            size += _save(place / f"{depth:06d}.tif", np.ascontiguousarray(part), None)
    return size


def _tile_size(scene: _Scene) -> tuple[int, int]:
    """Pixels (y, x) of a tile, so that all of them with their overlap cover the plane."""
    y, x = scene.shape[1:]
    return _side(y, scene.acquired.rows), _side(x, scene.acquired.columns)


def _side(pixels: int, tiles: int) -> int:
    return pixels if tiles == 1 else round(pixels / (tiles - (tiles - 1) * _OVERLAP))


def _tile_start(number: int, tiles: int, side: int, pixels: int) -> int:
    return 0 if tiles == 1 else min(round(number * side * (1 - _OVERLAP)), pixels - side)


def _save(path: Path, pixels: np.ndarray, description: str | None) -> int:
    tifffile.imwrite(path, pixels, metadata=None, description=description, ome=False)
    return path.stat().st_size


def _photons(
    scene: _Scene, channel: str, z: int, tissue: np.ndarray, light: np.ndarray
) -> np.ndarray:
    if channel not in _CELL_CHANNELS:
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


def _write_cells(folder: Path, scene: _Scene) -> Path:
    path = folder.with_name(f"{folder.name}_cells.json")
    mark = mark_position(scene.shape)
    document = {
        "shape_zyx": scene.shape,
        "voxel_um_zyx": scene.acquired.voxel_um,
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
    parser.add_argument("--channels", help="names, comma between")
    parser.add_argument("--layout", choices=LAYOUTS, default=LAVISION)
    parser.add_argument("--tiles", type=_tiles, default=(1, 1), help="columns x rows of SmartSPIM")
    parser.add_argument("--sheets", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args(arguments)
    usual = "488,642" if chosen.layout == SMARTSPIM else "488,647"
    delivery = write_delivery(
        chosen.out,
        shape_zyx=chosen.shape,
        voxel_um_zyx=chosen.voxel,
        channels=(chosen.channels or usual).split(","),
        sheets=chosen.sheets,
        seed=chosen.seed,
        layout=chosen.layout,
        tiles=chosen.tiles,
        progress=_show,
    )
    sys.stdout.write(f"{delivery.files} files, {delivery.bytes:,} bytes in {delivery.folder}\n")
    return 0


def _shape(words: str) -> Shape:
    z, y, x = (int(word) for word in words.split(","))
    return z, y, x


def _tiles(words: str) -> tuple[int, int]:
    columns, rows = (int(word) for word in words.lower().split("x"))
    return columns, rows


def _voxel(words: str) -> tuple[float, float, float]:
    z, y, x = (float(word) for word in words.split(","))
    return z, y, x


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rplane {done} of {total}" + ("\n" if done == total else ""))


if __name__ == "__main__":
    sys.exit(main())
