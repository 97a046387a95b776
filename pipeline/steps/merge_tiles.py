"""Step merge_tiles: the tiles of one channel and sheet become one stack of planes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline import parameters, products, provenance
from pipeline.io.planes import PlaneFolder
from pipeline.raw import sources
from pipeline.shares import make_planes
from pipeline.stitching.fusion import Fusion
from pipeline.stitching.levels import gains_of
from pipeline.stitching.placements import read_placements
from pipeline.stitching.tiles import identities_of, open_tiles, select_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.stitching.layout import Place
    from pipeline.stitching.placements import Placements
    from pipeline.stitching.tiles import TileStack
    from pipeline.workspace import Workspace

_ALGORITHM = 1
_FUSIONS_KEPT = 2


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Merge the tiles, or return at once if it is done already. Raises StepFailed kinds."""
    destination = work.resolve(spec.outputs["planes"])
    name = parameters.text(spec.parameters, "name")
    equalize = parameters.choice(spec.parameters, "equalize", "none", "mean")
    code = parameters.integer(spec.inputs, "sheet_code", 0)
    placements, digest = read_placements(work.resolve(parameters.text(spec.inputs, "placements")))
    tiles = select_tiles(spec, work, sheet_code=code)
    files = identities_of(spec, work, [tiles])
    sources.require_manifest(spec, work, files)
    work.input_digest = provenance.input_digest(spec, files, placements=digest)
    identity = provenance.identity(spec, _ALGORITHM, work.input_digest)
    if (there := products.published(destination, identity)) is not None:
        return there
    stack = open_tiles(tiles, threads=work.threads)
    placements.require_fit(
        spec,
        plane_yx=stack.plane_yx,
        planes=stack.planes,
        voxel_um=parameters.triple(spec.parameters, "voxel_um"),
    )
    gains = gains_of(stack, placements) if equalize == "mean" else {}

    def fill(draft: Path, share: range) -> JsonDict:
        _write(_Merger(stack, placements, gains), PlaneFolder(draft, name), work, share)
        again = select_tiles(spec, work, sheet_code=code)
        sources.require_unchanged(files, identities_of(spec, work, [again]))
        return _outputs(placements, stack, gains)

    return make_planes(spec, work, identity, planes=placements.size[2], fill=fill)


class _Merger:
    """Makes single planes of the result; threads may ask for different ones at once."""

    def __init__(self, tiles: TileStack, placements: Placements, gains: dict[Place, float]) -> None:
        self.tiles = tiles
        self.placements = placements
        self.gains = gains
        self._fusion = lru_cache(maxsize=_FUSIONS_KEPT)(lambda there: Fusion(placements, there))

    def merge(self, z: int, folder: PlaneFolder) -> tuple[int, int]:
        """Write plane `z` of the result; return the bytes read and written."""
        here = {place: z - origin[2] for place, origin in self.placements.origins.items()}
        planes = {
            place: self.tiles.plane(place, own)
            for place, own in here.items()
            if self.tiles.has(place, own)
        }
        merged = self._fusion(frozenset(planes)).fused(planes, self.gains)
        return len(planes) * self.tiles.plane_bytes, folder.write(z, merged)


def _write(merger: _Merger, folder: PlaneFolder, work: Workspace, share: range) -> None:
    """Write the planes of the share that are still missing."""
    total = len(share)
    missing = [z for z in folder.missing(merger.placements.size[2]) if z in share]
    done = total - len(missing)
    work.progress(done, total, "planes", f"Merging {folder.name}")
    with ThreadPoolExecutor(work.threads) as pool:
        try:
            for read, written in pool.map(lambda z: merger.merge(z, folder), missing):
                done += 1
                work.count_bytes(read=read, written=written)
                work.progress(done, total, "planes", f"Merging {folder.name}")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _outputs(placements: Placements, tiles: TileStack, gains: dict[Place, float]) -> JsonDict:
    width, height, planes = placements.size
    levels: list[Json] = [
        {"column": place[0], "row": place[1], "gain": round(gain, 4)}
        for place, gain in gains.items()
    ]
    absent = {
        z + placements.origins[place][2]
        for place in placements.origins
        for z in range(tiles.planes)
        if not tiles.has(place, z)
    }
    return {
        "shape": [width, height, planes],
        "dtype": "uint16",
        "voxel_um": list(placements.voxel_um),
        "planes": planes,
        "absent_planes": [*sorted(absent)],
        "gains": levels,
    }
