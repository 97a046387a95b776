"""An invented brain, the same brain bent by a known map, and where points go by a transform."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from pipeline.anatomy import BOX_MM, Anatomy

if TYPE_CHECKING:
    from pathlib import Path

MIDDLE_MM: Final = np.array(BOX_MM) / 2


def invented_brain(shape_zyx: tuple[int, int, int]) -> np.ndarray:
    """The invented brain with its left mark, float (z, y, x), axes LR, AP, DV."""
    anatomy = Anatomy(shape_zyx, seed=11)
    planes = []
    for z in range(shape_zyx[0]):
        tissue, light = anatomy.plane(z)
        mark = anatomy.mark(z)
        planes.append(700 * tissue * light * (1 - mark) + 1000 * mark)
    return np.stack(planes)


class Map:
    """Takes a position in the sample to one in the template, (n, 3) x, y, z in mm."""

    def __init__(self) -> None:
        x, y, z = np.radians([5.0, -4.0, 3.0])
        turns = [
            np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]),
            np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]),
            np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]),
        ]
        self.matrix = turns[2] @ turns[1] @ turns[0] * 1.05
        rng = np.random.default_rng(4)
        self.bends = rng.uniform(-1, 1, (3, 8, 10, 9))  # control points 2 mm apart
        grid = np.stack(np.meshgrid(*(np.linspace(0, n, 40) for n in BOX_MM), indexing="ij"))
        self.scale = 0.4 / np.abs(self._bend(grid.reshape(3, -1).T)).max()

    def _bend(self, points: np.ndarray) -> np.ndarray:
        at = points[:, ::-1].T / 2.0 + 1.5
        return np.stack(
            [ndimage.map_coordinates(bend, at, order=3, mode="nearest") for bend in self.bends]
        ).T

    def __call__(self, points: np.ndarray) -> np.ndarray:
        straight = (points - MIDDLE_MM) @ self.matrix.T + MIDDLE_MM + np.array([0.3, -0.4, 0.2])
        return straight + self.scale * self._bend(points)


def positions_of(shape: tuple[int, ...], um: np.ndarray) -> np.ndarray:
    """The middle of each voxel (n, 3) x, y, z in mm, in the order of the array (z, y, x)."""
    z, y, x = np.indices(shape).reshape(3, -1)
    return (np.stack([x, y, z], axis=1) + 0.5) * um / 1000


def pulled(volume: np.ndarray, points: np.ndarray, um: float, *, order: int) -> np.ndarray:
    at = points[:, ::-1].T * 1000 / um - 0.5
    return ndimage.map_coordinates(volume, at, order=order, mode="constant")


def mapped(folder: Path, points: np.ndarray) -> np.ndarray:
    """Ask transformix where these points (n, 3) x, y, z in mm go by the transform in a folder."""
    text = "\n".join(" ".join(f"{v:.6f}" for v in point) for point in points)
    (folder / "points.txt").write_text(f"point\n{len(points)}\n{text}\n")
    words = ["transformix", "-def", "points.txt", "-out", ".", "-tp", "TransformParameters.1.txt"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    lines = (folder / "outputpoints.txt").read_text().splitlines()
    return np.array(
        [line.split("OutputPoint = [")[1].split("]")[0].split() for line in lines], float
    )
