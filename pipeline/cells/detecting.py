"""Find cells in a whole stack, slab by slab; what is found is kept, so that a retry goes on."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.cells.finding import COLUMNS, Tile, find_cells
from pipeline.errors import BadInput
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.cells.plan import Plan
    from pipeline.io.tiff import PlaneStack

FOUND: Final = "found"
_FEW = 200  # fewer cells than this in a slab are no flood, however small it is
_MM3 = 1e9  # µm³


@dataclass(frozen=True, slots=True)
class Detector:
    """What is looked for, and where. `most_per_mm3` is the density that no tissue has."""

    stack: PlaneStack
    plan: Plan
    threshold: float
    most_per_mm3: float
    folder: Path

    def run(self, *, threads: int, after_slab: Callable[[int], None]) -> np.ndarray:
        """Return all cells in z, y, x order: rows of COLUMNS. BadInput if there are too many."""
        self.folder.mkdir(exist_ok=True)
        held: dict[int, np.ndarray] = {}
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for number, (start, stop) in enumerate(self.plan.slabs):
                if not self._file(number).exists():
                    self._load(held, start, stop, pool)
                    self._save(number, self._slab(held, start, stop, pool))
                after_slab(stop)
        return self._all()

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npy"

    def _load(
        self, held: dict[int, np.ndarray], start: int, stop: int, pool: ThreadPoolExecutor
    ) -> None:
        """Hold the planes of a slab and of its halo, and no others."""
        depth, height, width = self.stack.shape
        halo = self.plan.halo[0]
        first, last = max(0, start - halo), min(depth, stop + halo)
        for z in [z for z in held if z < first]:
            del held[z]
        begin = max(held, default=first - 1) + 1
        with self.stack.slab(begin, last, pool) as slab:
            for z in range(begin, last):
                scratch = np.empty((height, width), dtype="<u2")
                held[z] = slab.rows(z - begin, 0, height, scratch)

    def _slab(
        self, held: dict[int, np.ndarray], start: int, stop: int, pool: ThreadPoolExecutor
    ) -> np.ndarray:
        first, planes = min(held), [held[z] for z in sorted(held)]

        def found(spans: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
            rows, columns = spans
            tile = self._tile(planes, first, ((start, stop), rows, columns))
            return find_cells(tile, self.plan, self.threshold)

        cells = np.concatenate(list(pool.map(found, self.plan.tiles)))
        self._require_plausible(len(cells), start, stop)
        return cells

    def _tile(
        self,
        planes: list[np.ndarray],
        first: int,
        core: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
    ) -> Tile:
        _, above, beside = self.plan.halo
        (top, bottom), (left, right) = core[1:]
        top, left = max(0, top - above), max(0, left - beside)
        bottom, right = bottom + above, right + beside
        voxels = np.stack([plane[top:bottom, left:right] for plane in planes])
        return Tile(voxels, (first, top, left), core)

    def _require_plausible(self, count: int, start: int, stop: int) -> None:
        _, height, width = self.stack.shape
        z, y, x = self.plan.voxel_um
        density = count / ((stop - start) * height * width * z * y * x / _MM3)
        if count > _FEW and density > self.most_per_mm3:
            raise BadInput(
                f"The threshold {self.threshold:g} is too low: in planes {start} to {stop - 1} it "
                f"finds {count:,} cells, {density:,.0f} per mm³, and more than "
                f"{self.most_per_mm3:,.0f} are taken for noise. Raise threshold, or most_per_mm3 "
                "where cells are that dense, then retry."
            )

    def _save(self, number: int, cells: np.ndarray) -> None:
        """A slab has its file once it is whole; a crash in between means doing it again."""
        temporary = self._file(number).with_suffix(".writing")
        data = io.BytesIO()  # numpy does not say why it could not write to a file, a full disk too
        np.save(data, cells)
        write_durably(temporary, data.getvalue())
        temporary.replace(self._file(number))

    def _all(self) -> np.ndarray:
        parts = [np.load(self._file(number)) for number in range(len(self.plan.slabs))]
        cells = np.concatenate([np.empty((0, COLUMNS)), *parts])
        return np.asarray(cells[np.lexsort((cells[:, 0], cells[:, 1], cells[:, 2]))])
