"""From sums by label to rows by region, each with all that lies below it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.regions.counting import SIDES, Tally

if TYPE_CHECKING:
    from pipeline.contract import Json, JsonDict
    from pipeline.regions.counting import Labels
    from pipeline.structures import StructureTree

_UM3_PER_MM3: Final = 1e9
_PARTS: Final = {"": slice(0, SIDES), "left_": slice(1, 2), "right_": slice(2, 3)}
# What a spreadsheet takes for a formula (OWASP, "CSV Injection").
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Report:
    """The sums of one sample; `voxel_mm3` is the volume of a voxel."""

    tree: StructureTree
    labels: Labels
    own: Tally
    voxel_mm3: float
    has_sides: bool

    def rows(self) -> list[JsonDict]:
        """Return a row for each structure, parents before children, as the tree has them."""
        total = self._rolled_up()
        brain = int(self.own.voxels[1:].sum())
        tops = self.tree.children(None)
        order = [id for top in tops for id in self.tree.descendants(top)]
        return [self._row(id, total, brain) for id in order]

    def outside(self) -> JsonDict:
        """What lies where no label is, or beyond the labels."""
        return {
            "voxels": int(self.own.voxels[0].sum()),
            "cells": {name: int(cells[0].sum()) for name, cells in self.own.cells.items()},
        }

    def _rolled_up(self) -> Tally:
        """The sums of each structure and of all below it."""
        own = self.own
        total = Tally(
            own.voxels.copy(),
            {name: sums.copy() for name, sums in own.intensities.items()},
            {name: sums.copy() for name, sums in own.cells.items()},
        )
        deepest_first = sorted(self.tree, key=lambda item: -self.tree.depth(item.id))
        for structure in deepest_first:
            if structure.parent is None:
                continue
            row, above = self._index(structure.id), self._index(structure.parent)
            for sums in (total.voxels, *total.intensities.values(), *total.cells.values()):
                sums[above] += sums[row]
        return total

    def _index(self, id: int) -> int:
        return int(np.searchsorted(self.labels.ids, id)) + 1

    def _row(self, id: int, total: Tally, brain: int) -> JsonDict:
        structure, at = self.tree[id], self._index(id)
        row: JsonDict = {
            "id": id,
            "acronym": structure.acronym,
            "name": structure.name,
            "parent": structure.parent,
            "level": self.tree.depth(id),
            "own_voxels": int(self.own.voxels[at].sum()),
            "voxels": int(total.voxels[at].sum()),
            "volume_mm3": self._volume(total.voxels[at].sum()),
            "share": round(float(total.voxels[at].sum() / brain), 9) if brain else 0.0,
        }
        for before, part in _PARTS.items():
            if before and not self.has_sides:
                continue
            if before:
                row[f"{before}volume_mm3"] = self._volume(total.voxels[at, part].sum())
            row |= self._of_part(total, at, before, part)
        for name, cells in self.own.cells.items():
            row[f"own_cells_{name}"] = int(cells[at].sum())
        return row

    def _of_part(self, total: Tally, at: int, before: str, part: slice) -> JsonDict:
        voxels = int(total.voxels[at, part].sum())
        values: JsonDict = {}
        for name, sums in total.intensities.items():
            mean = round(float(sums[at, part].sum() / voxels), 3) if voxels else None
            values[f"{before}mean_{name}"] = mean
        for name, cells in total.cells.items():
            count = int(cells[at, part].sum())
            density = round(count / (voxels * self.voxel_mm3), 3) if voxels else None
            values |= {f"{before}cells_{name}": count, f"{before}cells_per_mm3_{name}": density}
        return values

    def _volume(self, voxels: int) -> float:
        return round(float(voxels) * self.voxel_mm3, 9)


def voxel_mm3(voxel_um: tuple[float, float, float]) -> float:
    x, y, z = voxel_um
    return x * y * z / _UM3_PER_MM3


def as_csv(rows: list[JsonDict]) -> bytes:
    """Encode the rows as CSV (RFC 4180, UTF-8 with a mark, which spreadsheets need).

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_harmless(name) for name in rows[0]])
    writer.writerows([_harmless(value) for value in row.values()] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode(errors="backslashreplace")


def _harmless(value: Json) -> Json:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
