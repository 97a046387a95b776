"""All tiles of one channel and sheet as one stack of plane files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import parameters
from pipeline.io.tiff import open_stack, read_plane
from pipeline.raw import sources
from pipeline.raw.layouts import LAVISION, SMARTSPIM
from pipeline.raw.selection import lavision_tiles, smartspim_tiles
from pipeline.stitching.layout import tiling_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np

    from pipeline.contract import StepSpec
    from pipeline.io.tiff import PlaneStack
    from pipeline.raw.selection import Tiles
    from pipeline.stitching.layout import Place
    from pipeline.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TileStack:
    """Equal tiles, one after the other in `stack`; `first` is where the planes of each begin."""

    stack: PlaneStack
    first: dict[Place, int]
    planes: int

    @property
    def plane_yx(self) -> tuple[int, int]:
        return self.stack.shape[1:]

    @property
    def plane_bytes(self) -> int:
        height, width = self.plane_yx
        return 2 * height * width

    def has(self, place: Place, z: int) -> bool:
        """Is there such a plane? One outside the stack is not, nor one that is absent."""
        return 0 <= z < self.planes and self.stack.paths[self.first[place] + z] is not None

    def plane(self, place: Place, z: int) -> np.ndarray:
        """Read one plane (y, x) that is there."""
        index = self.first[place] + z
        path = self.stack.paths[index]
        assert path is not None
        return read_plane(path, self.stack.headers[index])


def select_tiles(spec: StepSpec, work: Workspace, *, sheet_code: int) -> Tiles:
    """Find the files of every tile as the spec says; raise BadInput if any is missing."""
    folder = work.resolve(parameters.text(spec.inputs, "folder"))
    layout = parameters.choice(spec.inputs, "layout", LAVISION, SMARTSPIM)
    tiling = tiling_of(spec)
    planes = parameters.integer(spec.inputs, "planes")
    absent = frozenset(parameters.integers(spec.inputs, "absent"))
    if layout == SMARTSPIM:
        return smartspim_tiles(work.root, folder, tiling=tiling, planes=planes, absent=absent)
    return lavision_tiles(
        work.root,
        folder,
        channel_index=parameters.integer(spec.inputs, "channel_index", 0),
        sheet_code=sheet_code,
        tiling=tiling,
        planes=planes,
        absent=absent,
    )


def open_tiles(tiles: Tiles, *, threads: int) -> TileStack:
    """Read every header; raise BadInput naming planes that are damaged or of another size."""
    planes = len(next(iter(tiles.values())))
    paths = [path for own in tiles.values() for path in own]
    first = {place: number * planes for number, place in enumerate(tiles)}
    return TileStack(open_stack(paths, threads=threads), first, planes)


def identities_of(spec: StepSpec, work: Workspace, sheets: Iterable[Tiles]) -> sources.Identities:
    """Size and time of every plane."""
    folder = work.resolve(parameters.text(spec.inputs, "folder"))
    paths: list[Path | None] = [p for tiles in sheets for own in tiles.values() for p in own]
    return sources.identities(folder, paths)
