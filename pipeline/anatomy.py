"""The shapes of an invented mouse brain, as a picture of one horizontal plane at a time.

Positions are (x, y, z) = (left to right, anterior to posterior, dorsal to ventral) in millimeters
from the left front top corner of a box of 11.4 x 13.2 x 8 mm; pictures are (y, x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

Point: TypeAlias = tuple[float, float, float]

BOX_MM: Point = (11.4, 13.2, 8.0)
_MIDLINE = BOX_MM[0] / 2

# The left mark: a ball that tells the animal's left, front and top apart in every product.
MARK_CENTER_MM: Point = (3.5, 3.2, 1.95)
MARK_RADIUS_MM = 0.42

_BLEND = 7.0


@dataclass(frozen=True, slots=True)
class Body:
    """An ellipsoid; `off_midline` is its distance from the midline, mirrored unless that is 0."""

    off_midline: float
    y: float
    z: float
    radii: Point

    @property
    def centers(self) -> tuple[float, ...]:
        if self.off_midline == 0:
            return (_MIDLINE,)
        return (_MIDLINE - self.off_midline, _MIDLINE + self.off_midline)


CEREBRUM = (
    Body(2.05, 5.0, 3.55, (2.5, 3.75, 2.9)),
    Body(2.5, 6.4, 3.75, (2.45, 2.8, 2.85)),
    Body(1.2, 3.0, 3.9, (1.2, 1.75, 1.75)),
)
BULBS = (Body(0.72, 1.35, 3.9, (0.68, 1.15, 0.95)),)
CORE = (
    Body(0.0, 6.4, 4.5, (3.0, 3.2, 2.5)),
    Body(0.0, 5.9, 6.1, (1.75, 2.3, 1.25)),
    Body(0.85, 8.7, 2.35, (0.95, 0.95, 0.9)),
    Body(0.0, 8.8, 4.2, (1.9, 1.7, 2.0)),
)
STEM = (Body(0.0, 10.0, 5.2, (1.7, 2.4, 1.35)), Body(0.0, 11.6, 5.25, (1.1, 1.4, 0.95)))
CEREBELLUM = (
    Body(0.0, 10.5, 2.75, (1.1, 1.35, 1.65)),
    Body(1.9, 10.35, 3.05, (1.65, 1.15, 1.3)),
    Body(3.45, 10.3, 3.9, (0.65, 0.65, 0.65)),
)
STRIATUM = (Body(1.95, 4.6, 4.1, (1.2, 1.45, 1.25)),)
THALAMUS = (Body(0.95, 6.6, 4.3, (1.15, 1.25, 1.15)),)
HIPPOCAMPUS = (Body(2.1, 7.15, 3.0, (1.75, 1.0, 1.05)), Body(3.1, 7.6, 4.3, (0.95, 0.85, 1.5)))
VENTRICLES = (
    Body(1.05, 4.9, 3.25, (0.26, 1.35, 0.62)),
    Body(1.75, 6.2, 2.75, (0.75, 0.3, 0.42)),
    Body(0.0, 6.3, 4.6, (0.13, 1.5, 1.45)),
    Body(0.0, 10.3, 3.95, (0.75, 0.95, 0.22)),
    Body(0.0, 8.7, 3.7, (0.14, 1.2, 0.2)),
)


class Anatomy:
    """Pictures of tissue on a grid of (z, y, x) voxels."""

    def __init__(self, shape: tuple[int, int, int], seed: int) -> None:
        self._axes = tuple(
            ((np.arange(count) + 0.5) / count * length).astype(np.float32)
            for count, length in zip(shape[::-1], BOX_MM, strict=True)
        )
        rng = np.random.default_rng(seed)
        directions = rng.standard_normal((14, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        self._waves = directions * (2 * np.pi / rng.uniform(0.35, 1.9, (14, 1)))
        self._phases = rng.uniform(0, 2 * np.pi, 14)

    def plane(self, z: int) -> tuple[np.ndarray, np.ndarray]:
        """Tissue (0 outside to 1 inside, soft edges) and its brightness, both (y, x)."""
        cerebrum = self._depth(CEREBRUM, z)
        cerebellum = self._depth(CEREBELLUM, z)
        core = np.maximum(self._depth(CORE, z), self._depth(STEM, z))
        bulbs = self._depth(BULBS, z)
        tissue = _edge(np.maximum.reduce([cerebrum, cerebellum, core, bulbs]), 0.06)
        tissue *= 1 - self._fissure(z)
        light = self._cerebrum_light(cerebrum, z)
        light = _over(light, 0.80, _edge(core - 0.05, 0.25) * (1 - _edge(cerebrum - 0.45, 0.2)))
        light = self._deep_nuclei(light, z)
        light = _over(light, self._folia(cerebellum, z), _edge(cerebellum, 0.05))
        light = _over(light, 0.72 + 0.3 * _band(bulbs, 0.45, 0.12), _edge(bulbs, 0.05))
        light *= 1 - 0.88 * _edge(self._depth(VENTRICLES, z), 0.35)
        return tissue, light * self._texture(z)

    def mark(self, z: int) -> np.ndarray:
        """The left mark: 1 inside, 0 outside, (y, x)."""
        x, y, height = self._axes
        squares = (
            (x - MARK_CENTER_MM[0])[None, :] ** 2
            + (y - MARK_CENTER_MM[1])[:, None] ** 2
            + (height[z] - MARK_CENTER_MM[2]) ** 2
        )
        return _edge(1 - squares / np.float32(MARK_RADIUS_MM**2), 0.15)

    def cortex(self, z: int) -> np.ndarray:
        """Where cells are dense, 0 to 1, (y, x)."""
        depth = self._depth(CEREBRUM, z)
        return np.asarray(_band(depth, 0.28, 0.14) * (1 - self._fissure(z)))

    def depth(self, bodies: Iterable[Body], z: int) -> np.ndarray:
        """How deep inside the bodies, (y, x): 1 at a center, 0 on the surface, negative outside."""
        return self._depth(bodies, z)

    def _depth(self, bodies: Iterable[Body], z: int) -> np.ndarray:
        """How deep inside the bodies: 1 at a center, 0 on the surface, negative outside.

        Bodies melt into each other where they meet: a sum of exponentials is a smooth maximum.
        """
        x, y, height = self._axes
        total = np.zeros((len(y), len(x)), dtype=np.float32)
        for body in bodies:
            along_z = ((height[z] - body.z) / body.radii[2]) ** 2
            along_y = ((y - body.y) / body.radii[1]) ** 2 + along_z
            for center in body.centers:
                along_x = ((x - center) / body.radii[0]) ** 2
                total += np.exp(-_BLEND * along_y)[:, None] * np.exp(-_BLEND * along_x)[None, :]
        return np.asarray(1 + np.log(np.maximum(total, np.float32(1e-30))) / np.float32(_BLEND))

    def _fissure(self, z: int) -> np.ndarray:
        """The gaps between the hemispheres, between the bulbs, and before the cerebellum."""
        x, y, height = self._axes
        across = np.exp(-(((x - _MIDLINE) / 0.09) ** 2))
        dorsal = 1 / (1 + np.exp((height[z] - 2.5) / 0.15))
        front = np.maximum(dorsal, 1 / (1 + np.exp((y - 3.1) / 0.12)))
        between = front / (1 + np.exp((y - 8.0) / 0.1))
        bent = y[:, None] - 9.35 + 0.05 * ((x - _MIDLINE) ** 2)[None, :]
        gap = 0.9 * np.exp(-((bent / 0.1) ** 2)) / (1 + np.exp((height[z] - 3.2) / 0.2))
        return np.asarray(np.maximum(between[:, None] * across[None, :], gap), dtype=np.float32)

    def _cerebrum_light(self, depth: np.ndarray, z: int) -> np.ndarray:
        """Cortical layers from the surface inward, then the fiber sheet below the cortex."""
        light = 0.66 + 0.16 * _band(depth, 0.10, 0.05) - 0.10 * _band(depth, 0.21, 0.05)
        light += 0.13 * _band(depth, 0.31, 0.07)
        callosum = _band(depth, 0.50, 0.045)
        light = _over(light, 1.12, callosum * 0.9)
        ridge = np.abs(self._depth(HIPPOCAMPUS, z) - 0.30)
        return _over(light, 1.05, 0.8 * np.exp(-((ridge / 0.09) ** 2)))

    def _deep_nuclei(self, light: np.ndarray, z: int) -> np.ndarray:
        x, y, height = self._axes
        slanted = 19 * x[None, :] + 9 * y[:, None] + 5 * height[z]
        bundles = np.sin(slanted) * np.sin(17 * y - 4 * height[z])[:, None]
        light = _over(light, 0.88 + 0.10 * bundles, _edge(self._depth(STRIATUM, z), 0.25) * 0.8)
        return _over(light, 0.96, _edge(self._depth(THALAMUS, z), 0.3) * 0.7)

    def _folia(self, depth: np.ndarray, z: int) -> np.ndarray:
        """Leaves of the cerebellum: rings around a point below it, white matter inside."""
        x, y, height = self._axes
        angle = np.arctan2(y - 10.4, np.float32(4.3) - height[z] + np.float32(0.01))
        wobble = 0.25 * np.sin(2.2 * (x - _MIDLINE))
        leaves = np.cos(17.0 * angle[:, None] + wobble[None, :] + 9.0 * depth)
        rings = 0.84 + 0.26 * leaves * _edge(0.8 - depth, 0.5)
        return np.asarray(rings + 0.25 * _edge(depth - 0.55, 0.3))

    def _texture(self, z: int) -> np.ndarray:
        """Gentle unevenness, the same from plane to plane: a sum of waves through the whole box."""
        x, y, height = self._axes
        total = np.zeros((len(y), len(x)), dtype=np.float32)
        for (wx, wy, wz), phase in zip(self._waves, self._phases, strict=True):
            across = np.exp(1j * (wx * x)).astype(np.complex64)
            along = np.exp(1j * (wy * y + wz * height[z] + phase)).astype(np.complex64)
            total += (along[:, None] * across[None, :]).real
        return 1 + np.float32(0.025) * total


def _edge(depth: np.ndarray, width: float) -> np.ndarray:
    """0 at the surface, 1 from `width` inward, smooth between."""
    t = np.clip(depth / np.float32(width), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _band(depth: np.ndarray, middle: float, width: float) -> np.ndarray:
    return np.asarray(np.exp(-(((depth - middle) / width) ** 2)), dtype=np.float32)


def _over(below: np.ndarray, above: np.ndarray | float, cover: np.ndarray) -> np.ndarray:
    """Paint `above` on `below` where `cover` is 1."""
    return np.asarray(below + (above - below) * cover, dtype=np.float32)
