"""Invented planes for measuring: smooth tissue, blobs and shot noise, made fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path

_NOISE_PLANES = 4
_BLOBS_PER_PLANE = 60


def write_planes(folder: Path, *, shape: tuple[int, int, int], seed: int = 1) -> None:
    """Write uncompressed uint16 planes of `shape` (z, y, x), unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    if len(list(folder.glob("*.tif"))) == shape[0]:
        return
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((_NOISE_PLANES, *shape[1:]), dtype=np.float32)
    for z in range(shape[0]):
        tissue = _tissue(shape, z)
        _add_blobs(tissue, rng)
        grain = np.roll(noise[z % _NOISE_PLANES], rng.integers(shape[1]), axis=0)
        plane = tissue + np.sqrt(tissue) * grain
        tifffile.imwrite(folder / f"plane_{z:05d}.tif", np.clip(plane, 0, 65535).astype(np.uint16))


def repeat_planes(source: Path, folder: Path, *, times: int) -> None:
    """Make a folder with the same planes several times over, as hard links that take no room."""
    folder.mkdir(parents=True, exist_ok=True)
    planes = sorted(source.glob("*.tif"))
    for z in range(times * len(planes)):
        link = folder / f"plane_{z:05d}.tif"
        if not link.exists():
            link.hardlink_to(planes[z % len(planes)])


def _tissue(shape: tuple[int, int, int], z: int) -> np.ndarray:
    y = np.linspace(-1, 1, shape[1], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[2], dtype=np.float32)[None, :]
    depth = np.float32(2 * z / shape[0] - 1)
    inside = np.clip(1.2 - x * x - y * y - depth * depth * np.float32(0.5), 0, 1)
    waves = np.sin(9 * x + 3 * depth) * np.cos(7 * y - 2 * depth)
    return np.asarray(120 + inside * (900 + 300 * waves), dtype=np.float32)


def _add_blobs(plane: np.ndarray, rng: np.random.Generator) -> None:
    size = min(16, *plane.shape)
    axis = np.linspace(-2, 2, size, dtype=np.float32)
    spot = 4000 * np.exp(-(axis[:, None] ** 2) - axis[None, :] ** 2)
    for _ in range(_BLOBS_PER_PLANE):
        y, x = (rng.integers(0, n - size + 1) for n in plane.shape)
        plane[y : y + size, x : x + size] += spot
