"""Read the overlapping edges of all tiles slab by slab, and collect the votes of every pair."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from pipeline.stitching.layout import Neighbors
from pipeline.stitching.matching import Vote, votes_of
from pipeline.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.stitching.layout import Layout, Place
    from pipeline.stitching.tiles import TileStack

Ballot: TypeAlias = dict[Neighbors, list[Vote]]
Strips: TypeAlias = dict[str, np.ndarray]  # by edge of the tile, each (z, y, x)

_LEFT, _RIGHT, _TOP, _BOTTOM = "left", "right", "top", "bottom"


@dataclass(slots=True)
class Overlaps:
    """The votes of one sheet's tiles. What a killed attempt has saved in `folder` is kept."""

    layout: Layout
    tiles: TileStack
    folder: Path
    sheet_code: int
    threads: int
    bytes_read: int = field(default=0, init=False)

    def ballots(self, after_slab: Callable[[], None]) -> list[Ballot]:
        """Return the votes of each slab of planes."""
        found = []
        with ThreadPoolExecutor(self.threads) as pool:
            for start, stop in self.layout.slabs():
                saved = self.folder / f"votes_{self.sheet_code}_{start}.json"
                ballot = _restored(saved)
                if ballot is None:
                    ballot = self._compared(start, stop, pool)
                    write_atomically(saved, _dumped(ballot))
                found.append(ballot)
                after_slab()
        return found

    def _compared(self, start: int, stop: int, pool: ThreadPoolExecutor) -> Ballot:
        """Go through the tiles row by row; strips are let go once their pair is compared."""
        ballot: Ballot = {}
        held: dict[Place, Strips] = {}
        for place in self.layout.places:
            held[place] = self._strips(place, start, stop, pool)
            ready = [pair for pair in self.layout.pairs if pair.b == place]
            votes = pool.map(lambda pair: self._votes(pair, held), ready)
            ballot |= dict(zip(ready, votes, strict=True))
            for pair in ready:
                here, there = (_RIGHT, _LEFT) if pair.axis == 0 else (_BOTTOM, _TOP)
                del held[pair.a][here], held[pair.b][there]
        return ballot

    def _votes(self, pair: Neighbors, held: dict[Place, Strips]) -> list[Vote]:
        here, there = (_RIGHT, _LEFT) if pair.axis == 0 else (_BOTTOM, _TOP)
        return list(votes_of(self.layout, pair, held[pair.a][here], held[pair.b][there]))

    def _strips(self, place: Place, start: int, stop: int, pool: ThreadPoolExecutor) -> Strips:
        """Read the planes of one tile once, and cut the edges that have a neighbor out of them."""
        edges = self._edges(place)
        height, width = self.tiles.plane_yx
        strips = {
            edge: np.zeros((stop - start, *_size(part, height, width)), dtype=np.uint16)
            for edge, part in edges.items()
        }

        def cut(z: int) -> int:
            if not edges or not self.tiles.has(place, z):
                return 0
            plane = self.tiles.plane(place, z)
            for edge, part in edges.items():
                strips[edge][z - start] = plane[part]
            return plane.nbytes

        self.bytes_read += sum(pool.map(cut, range(start, stop)))
        return strips

    def _edges(self, place: Place) -> dict[str, tuple[slice, slice]]:
        column, row = place
        x, y = self.layout.strip_of(0), self.layout.strip_of(1)
        whole = slice(None)
        every = {
            _LEFT: (column > 0, (whole, slice(0, x))),
            _RIGHT: (column < self.layout.columns - 1, (whole, slice(-x, None))),
            _TOP: (row > 0, (slice(0, y), whole)),
            _BOTTOM: (row < self.layout.rows - 1, (slice(-y, None), whole)),
        }
        return {edge: part for edge, (wanted, part) in every.items() if wanted}


def _size(part: tuple[slice, slice], height: int, width: int) -> tuple[int, int]:
    rows, columns = part
    return len(range(height)[rows]), len(range(width)[columns])


def _dumped(ballot: Ballot) -> str:
    return json.dumps([[pair, [asdict(v) for v in votes]] for pair, votes in ballot.items()])


def _restored(saved: Path) -> Ballot | None:
    """The votes that were saved; None if there are none, or not whole ones."""
    try:
        found = json.loads(saved.read_text(encoding="utf-8"))
        return {_pair(pair): [_vote(vote) for vote in votes] for pair, votes in found}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _pair(found: list[object]) -> Neighbors:
    (a, b), (c, d), axis = cast("tuple[tuple[int, int], tuple[int, int], int]", found)
    return Neighbors((a, b), (c, d), axis)


def _vote(found: dict[str, object]) -> Vote:
    shift = cast("list[int] | None", found["shift_xyz"])
    x, y, z = shift or (0, 0, 0)
    value = cast("float", found["correlation"])
    return Vote(bool(found["structured"]), (x, y, z) if shift else None, value)
