"""Tiles cut from a volume with overlap and jitter, laid out as the microscopes name them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from tests.support import stacks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Place = tuple[int, int]  # column, row


@dataclass(frozen=True, slots=True)
class Tiling:
    """Where tiles were cut: `origins` (x, y, z) are voxels of the volume they come from."""

    columns: int
    rows: int
    tile_zyx: tuple[int, int, int]
    overlap: float
    origins: dict[Place, tuple[int, int, int]] = field(default_factory=dict)

    def shift(self, a: Place, b: Place) -> list[int]:
        """The true origin of b minus that of a, (x, y, z)."""
        return [j - i for i, j in zip(self.origins[a], self.origins[b], strict=True)]

    def span(self) -> list[tuple[int, int]]:
        """For each of x, y, z: where the union of all tiles begins and ends."""
        sides = self.tile_zyx[::-1]
        return [
            (min(o[i] for o in self.origins.values()), max(o[i] for o in self.origins.values()) + n)
            for i, n in enumerate(sides)
        ]


def jittered(
    *,
    columns: int,
    rows: int,
    tile_zyx: tuple[int, int, int],
    overlap: float = 0.1,
    jitter_xyz: tuple[int, int, int] = (6, 6, 0),
    seed: int = 0,
) -> Tiling:
    """Tiles at the stage's grid, each off by up to the jitter on either side."""
    rng = np.random.default_rng(seed)
    depth, height, width = tile_zyx
    step = round(width * (1 - overlap)), round(height * (1 - overlap)), 0
    origins = {}
    for row in range(rows):
        for column in range(columns):
            off = [int(rng.integers(-most, most + 1)) + most for most in jitter_xyz]
            x, y, z = (n * s + d for n, s, d in zip((column, row, 0), step, off, strict=True))
            origins[column, row] = (x, y, z)
    return Tiling(columns, rows, (depth, height, width), overlap, origins)


def needed_zyx(tiling: Tiling) -> tuple[int, int, int]:
    """The shape of a volume that all tiles can be cut from."""
    x, y, z = (end for _, end in tiling.span())
    return z, y, x


def texture(shape_zyx: tuple[int, int, int], *, seed: int = 0) -> np.ndarray:
    """A volume (z, y, x) of blobs of a few voxels on a smooth background, float32."""
    rng = np.random.default_rng(seed)
    volume = np.zeros(shape_zyx, dtype=np.float32)
    count = int(volume.size // 600)
    at = tuple(rng.integers(0, n, count) for n in shape_zyx)
    volume[at] = rng.uniform(4e4, 2e5, count)
    spots = ndimage.gaussian_filter(volume, (1.2, 2, 2))
    haze = ndimage.gaussian_filter(volume, (2, 12, 12))
    return np.asarray(200 + spots + haze, dtype=np.float32)


def cut(volume: np.ndarray, tiling: Tiling) -> dict[Place, np.ndarray]:
    """The tiles (z, y, x) of a volume."""
    depth, height, width = tiling.tile_zyx
    return {
        place: volume[z : z + depth, y : y + height, x : x + width]
        for place, (x, y, z) in tiling.origins.items()
    }


def exposed(tile: np.ndarray, rng: np.random.Generator, *, read_noise: float = 3) -> np.ndarray:
    """What a camera makes of it: an offset, shot noise, read noise; uint16."""
    seen = rng.poisson(np.maximum(tile, 0)) + rng.normal(0, read_noise, tile.shape)
    return np.asarray(np.clip(np.round(seen + 100), 0, 65535), dtype=np.uint16)


def write_lavision(
    folder: Path,
    tiles: dict[Place, np.ndarray],
    *,
    filter_index: int = 0,
    sheet_code: int = 0,
    write: Callable[[Path, np.ndarray], None] = stacks.write_plane,
) -> Path:
    """Write uint16 tiles under LaVision's names; several channels may share the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for (column, row), tile in tiles.items():
        for z, plane in enumerate(tile):
            path = lavision_file(
                folder, (column, row), z, filter_index=filter_index, sheet_code=sheet_code
            )
            write(path, plane)
    return folder


def lavision_file(
    folder: Path, place: Place, z: int, *, filter_index: int = 0, sheet_code: int = 0
) -> Path:
    """The file of one plane."""
    return folder / stacks.plane_name(
        z, filter_index=filter_index, sheet_code=sheet_code, column=place[0], row=place[1]
    )


def write_smartspim(folder: Path, tiles: dict[Place, np.ndarray], *, z_step: int = 20) -> Path:
    """Write uint16 tiles as one channel's tree; planes are named by tenths of a micron."""
    for (column, row), tile in tiles.items():
        place = stacks.tile_folder(folder, column, row, shape=tile.shape[1:])
        place.mkdir(parents=True)
        for z, plane in enumerate(tile):
            stacks.write_plane(place / f"{z * z_step:06d}.tif", plane)
    return folder
