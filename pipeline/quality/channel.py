"""Measure one folder of planes from some of them: figures, curves by depth and a montage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.io.survey import png
from pipeline.io.tiff import open_stack
from pipeline.quality import planes as measuring
from pipeline.quality.limits import figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline.contract import JsonDict
    from pipeline.io.tiff import PlaneStack
    from pipeline.quality.limits import Limit
    from pipeline.quality.planes import PlaneFigures

_TILES: Final = 6
_COLUMNS = 3
_LOW, _HIGH = 1.0, 99.8


@dataclass(frozen=True, slots=True)
class Measured:
    """What some planes say. `picture` is a PNG."""

    planes: list[PlaneFigures]
    histogram: np.ndarray
    picture: bytes

    def figures(self, limits: dict[str, Limit]) -> list[JsonDict]:
        planes, counts = self.planes, self.histogram
        brightest = int(np.flatnonzero(counts)[-1])
        values = {
            "saturated": counts[measuring.BRIGHTEST] / counts.sum(),
            "clipped": counts[brightest] / counts.sum() if len(np.flatnonzero(counts)) > 1 else 0.0,
            "signal_to_noise": self._signal_to_noise(),
            "background": measuring.middle_of(
                planes,
                lambda p: p.background / max(p.signal, 1.0) if p.signal is not None else None,
            ),
            "stripes": measuring.middle_of(planes, lambda p: p.stripes),
            "illumination": measuring.middle_of(planes, lambda p: p.illumination),
            "sharpness": measuring.least_sharpness(planes),
        }
        return [
            figure(name, None if value is None else float(value), limits)
            for name, value in values.items()
        ]

    def _signal_to_noise(self) -> float | None:
        """Its median; 0 where no plane shows anything, as of a channel whose laser was off."""
        if all(plane.signal is None for plane in self.planes):
            return 0.0
        return measuring.middle_of(self.planes, lambda p: p.signal_to_noise)


def chosen(count: int, most: int) -> list[int]:
    """Numbers of planes spread evenly from the first to the last."""
    return [int(z) for z in np.unique(np.linspace(0, count - 1, min(most, count)).round())]


def measure(
    paths: Sequence[Path], numbers: Sequence[int], *, threads: int, after: Callable[[], None]
) -> Measured:
    """Measure the planes with these numbers. BadInput for a plane that cannot be read."""
    stack = open_stack([paths[z] for z in numbers], threads=threads)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        seen = list(pool.map(lambda index: _first_look(stack, index), range(len(numbers))))
        histogram = np.sum([counts for counts, _ in seen], axis=0)
        level = measuring.tissue_level(histogram)

        def look(index: int) -> PlaneFigures:
            found = measuring.figures_of_plane(numbers[index], _plane(stack, index), level)
            after()
            return found

        planes = list(pool.map(look, range(len(numbers))))
    return Measured(planes, histogram, _montage([small for _, small in seen], histogram))


def _first_look(stack: PlaneStack, index: int) -> tuple[np.ndarray, np.ndarray]:
    plane = _plane(stack, index)
    return measuring.histogram_of(plane), measuring.small(plane).copy()


def _plane(stack: PlaneStack, index: int) -> np.ndarray:
    _, height, width = stack.shape
    with (
        ThreadPoolExecutor(max_workers=1) as pool,
        stack.slab(index, index + 1, pool) as slab,
    ):
        return slab.rows(0, 0, height, np.empty((height, width), dtype="<u2"))


def _montage(pictures: Sequence[np.ndarray], histogram: np.ndarray) -> bytes:
    """Six planes, evenly spread, in one display window, three in a row."""
    picked = [pictures[index] for index in chosen(len(pictures), _TILES)]
    total = np.cumsum(histogram)
    low, high = (
        int(np.searchsorted(total, np.ceil(total[-1] * part / 100))) for part in (_LOW, _HIGH)
    )
    height, width = picked[0].shape
    rows = -(-len(picked) // _COLUMNS)
    sheet = np.zeros((rows * height, min(_COLUMNS, len(picked)) * width), dtype=np.uint8)
    for index, picture in enumerate(picked):
        top, left = index // _COLUMNS * height, index % _COLUMNS * width
        grey = np.clip((picture - float(low)) * (255 / max(high - low, 1)), 0, 255)
        sheet[top : top + height, left : left + width] = np.round(grey)
    return png(sheet)
