"""Invented tissue with cells whose places are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

_EDGE_UM = 1.0


@dataclass(frozen=True)
class Tissue:
    """Planes (z, y, x) uint16, voxel size (z, y, x) in µm; the cells are (x, y, z) in µm."""

    planes: np.ndarray
    voxel_um: tuple[float, float, float]
    cells_um: np.ndarray


def tissue(
    cells_um: np.ndarray,
    *,
    shape: tuple[int, int, int],
    voxel_um: tuple[float, float, float] = (4.0, 2.0, 2.0),
    diameter_um: float = 12.0,
    brightness: float = 500.0,
    is_hard: bool = False,
    seed: int = 0,
) -> Tissue:
    """Balls with a soft edge at these places (x, y, z) µm from the corner, on even tissue.

    Hard tissue fades along x and z, is uneven, and its cells differ in brightness.
    """
    rng = np.random.default_rng(seed)
    z, y, x = ((np.arange(n) + 0.5) * um for n, um in zip(shape, voxel_um, strict=True))
    glow = np.zeros(shape, dtype=np.float32)
    for at in cells_um:
        light = rng.uniform(0.7, 1.5) if is_hard else 1.0
        near = [
            slice(*np.searchsorted(axis, (middle - diameter_um, middle + diameter_um)))
            for axis, middle in zip((z, y, x), at[::-1], strict=True)
        ]
        squares = [
            (axis[part] - middle) ** 2
            for axis, part, middle in zip((z, y, x), near, at[::-1], strict=True)
        ]
        distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
        glow[tuple(near)] += light / (1 + np.exp((distance - diameter_um / 2) / _EDGE_UM))
    light = 400 + brightness * glow
    if is_hard:
        light = _faded(light)
    seen = light + 100
    seen = seen + rng.standard_normal(shape, dtype=np.float32) * np.sqrt(seen)
    planes = np.clip(np.round(seen), 0, 65535).astype(np.uint16)
    return Tissue(planes, voxel_um, np.asarray(cells_um))


def _faded(light: np.ndarray) -> np.ndarray:
    z, y, x = (np.linspace(0, 1, n, dtype=np.float32) for n in light.shape)
    across, down = np.sin(17 * x), np.sin(20 * y[None, :] + 5 * z[:, None])
    uneven = 60 * down[:, :, None] * across
    shade = np.exp(-1.5 * x) * (1 - 0.5 * z)[:, None, None]
    return (light + uneven) * shade


def scattered(
    extent_um: tuple[float, float, float], *, count: int, apart_um: float, seed: int = 0
) -> np.ndarray:
    """Random places (x, y, z) at least so far apart, and not at the border."""
    rng = np.random.default_rng(seed)
    places = np.empty((0, 3))
    margin = apart_um / 2
    while len(places) < count:
        at = rng.uniform(margin, np.array(extent_um) - margin)
        if not len(places) or np.linalg.norm(places - at, axis=1).min() >= apart_um:
            places = np.vstack([places, at])
    return places


def with_neighbors(places: np.ndarray, *, count: int, apart_um: float, seed: int = 0) -> np.ndarray:
    """Give the first `count` cells a neighbor that touches them."""
    rng = np.random.default_rng(seed)
    way = rng.standard_normal((count, 3))
    way *= apart_um / np.linalg.norm(way, axis=1, keepdims=True)
    return np.vstack([places, places[:count] + way])


def precision_and_recall(
    found_um: np.ndarray, true_um: np.ndarray, within_um: tuple[float, float, float]
) -> tuple[float, float]:
    """Match one to one, as many as can be; a match is within this ellipsoid (x, y, z)."""
    distance = cdist(found_um / within_um, true_um / within_um)
    rows, columns = linear_sum_assignment(np.minimum(distance, 1e3))
    matched = int((distance[rows, columns] <= 1).sum())
    return matched / max(1, len(found_um)), matched / max(1, len(true_um))
