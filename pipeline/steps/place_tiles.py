"""Step place_tiles: find where overlapping tiles lie, and write it down for all channels."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline import parameters, products, provenance
from pipeline.contract import POOR_STITCHING, Problem
from pipeline.errors import BadInput, StepFailed
from pipeline.raw import sources
from pipeline.raw.layouts import SMARTSPIM
from pipeline.raw.wording import folded
from pipeline.stitching.layout import layout_of
from pipeline.stitching.overlaps import Overlaps
from pipeline.stitching.solving import solve
from pipeline.stitching.tiles import identities_of, open_tiles, select_tiles
from pipeline.stitching.voting import elected
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.stitching.layout import Layout, Place
    from pipeline.stitching.overlaps import Ballot
    from pipeline.stitching.solving import Solution
    from pipeline.stitching.tiles import TileStack
    from pipeline.stitching.voting import Pair
    from pipeline.workspace import Workspace

_ALGORITHM = 1
_LEAST_CORRELATION = 0.7
_REMEDY = (
    "Check the tiling and the overlap of the channel on the imaging page, choose a channel that "
    "shows more of the tissue, or search further."
)


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Place the tiles; raises StepFailed POOR_STITCHING if they do not fit together."""
    destination = work.resolve(spec.outputs["placements"])
    codes = _sheet_codes(spec)
    sheets = {code: select_tiles(spec, work, sheet_code=code) for code in codes}
    files = identities_of(spec, work, sheets.values())
    sources.require_manifest(spec, work, files)
    work.input_digest = provenance.input_digest(spec, files)
    identity = provenance.identity(spec, _ALGORITHM, work.input_digest)
    if (there := products.file_published(destination, identity)) is not None:
        return there
    stacks = {code: open_tiles(tiles, threads=work.threads) for code, tiles in sheets.items()}
    layout = _layout(spec, stacks)
    with products.open_draft(destination, name=spec.name, identity=identity) as draft:
        try:
            ballots = _ballots(layout, stacks, draft.folder, work)
            again = {code: select_tiles(spec, work, sheet_code=code) for code in codes}
            sources.require_unchanged(files, identities_of(spec, work, again.values()))
            document = _placed(layout, ballots, spec)
        except StepFailed:
            draft.discard()
            raise
        outputs = _published(document, destination, draft, identity, spec, work)
        draft.discard()
        return outputs


def _sheet_codes(spec: StepSpec) -> list[int]:
    codes = sorted(set(parameters.integers(spec.inputs, "sheet_codes"))) or [0]
    if parameters.text(spec.inputs, "layout") == SMARTSPIM and codes != [0]:
        raise BadInput("A SmartSPIM folder holds one light sheet, which has the code 0.")
    return codes


def _layout(spec: StepSpec, stacks: dict[int, TileStack]) -> Layout:
    sizes = {stack.plane_yx for stack in stacks.values()}
    if len(sizes) > 1:
        words = " and ".join(f"{x:,} x {y:,}" for y, x in sorted(sizes))
        raise BadInput(f"The planes of the two light sheets differ in size: {words} pixels.")
    return layout_of(spec, plane_yx=sizes.pop(), planes=parameters.integer(spec.inputs, "planes"))


def _ballots(
    layout: Layout, stacks: dict[int, TileStack], folder: Path, work: Workspace
) -> list[Ballot]:
    """Compare the tiles of each sheet; the votes of either count."""
    found: list[Ballot] = []
    if not layout.pairs:
        return found
    total, done = len(layout.slabs()) * len(stacks), 0

    def after_slab() -> None:
        nonlocal done
        done += 1
        work.progress(done, total, "slabs", "Comparing tiles")

    work.progress(0, total, "slabs", "Comparing tiles")
    for code, stack in stacks.items():
        overlaps = Overlaps(layout, stack, folder, code, work.threads)
        found += overlaps.ballots(after_slab)
        work.count_bytes(read=overlaps.bytes_read)
    return found


def _placed(layout: Layout, ballots: list[Ballot], spec: StepSpec) -> JsonDict:
    """Return the document; raise StepFailed POOR_STITCHING if tiles do not fit together."""
    least = parameters.number(spec.parameters, "least_correlation", _LEAST_CORRELATION)
    pairs = [
        elected(
            neighbors,
            [vote for ballot in ballots for vote in ballot[neighbors]],
            nominal=layout.nominal_shift(neighbors),
            least=least,
        )
        for neighbors in layout.pairs
    ]
    solution = solve(layout, pairs)
    _require_good(layout, pairs, solution, least)
    return _document(layout, pairs, solution)


def _require_good(layout: Layout, pairs: list[Pair], solution: Solution, least: float) -> None:
    if not pairs:
        return
    if not any(pair.structured for pair in pairs):
        raise _poor("None of the tiles shows anything where it overlaps with its neighbors.")
    lost = [
        place
        for place in solution.by_grid
        if any(p.structured and place in (p.neighbors.a, p.neighbors.b) for p in pairs)
    ]
    if lost or not any(solution.used):
        best = max(p.correlation for p in pairs if not lost or _touches(p, lost))
        raise _poor(
            f"{_named(lost or layout.places)} could not be matched with any neighbor: the best "
            f"correlation is {best:.2f}, at least {least:g} is needed within "
            f"{_range(layout)} of the stage's positions."
        )
    far = _beyond(layout, solution)
    if far:
        raise _poor(
            f"{_named(far)} would lie further from its neighbors than {_range(layout)} off the "
            "stage's positions."
        )


def _touches(pair: Pair, places: list[Place]) -> bool:
    return pair.neighbors.a in places or pair.neighbors.b in places


def _beyond(layout: Layout, solution: Solution) -> list[Place]:
    """Tiles that the solution puts beyond the search range of a neighbor."""
    far = set()
    for neighbors in layout.pairs:
        nominal = layout.nominal_shift(neighbors)
        ends = zip(solution.origins[neighbors.a], solution.origins[neighbors.b], strict=True)
        moved = [b - a - by_stage for (a, b), by_stage in zip(ends, nominal, strict=True)]
        if any(abs(d) > 2 * most + 1 for d, most in zip(moved, layout.search, strict=True)):
            far.add(neighbors.b)
    return sorted(far)


def _named(places: list[Place]) -> str:
    words = [f"column {column}, row {row}" for column, row in places]
    return f"Tile{'s' if len(words) > 1 else ''} {folded(words, most=6)}"


def _range(layout: Layout) -> str:
    spans = zip(layout.search, layout.voxel_um, strict=True)
    return " x ".join(f"{count * um:.0f}" for count, um in spans) + " µm (x, y, z)"


def _poor(what: str) -> StepFailed:
    return StepFailed(POOR_STITCHING, f"{what} {_REMEDY}", [Problem("", what, _REMEDY)])


def _document(layout: Layout, pairs: list[Pair], solution: Solution) -> JsonDict:
    tiles: list[Json] = [
        {
            "column": place[0],
            "row": place[1],
            "origin_xyz": list(origin),
            "by_grid": place in solution.by_grid,
        }
        for place, origin in solution.origins.items()
    ]
    size = [
        max(origin[axis] for origin in solution.origins.values()) + layout.tile[axis]
        for axis in range(3)
    ]
    found: list[Json] = [
        {
            "a": list(pair.neighbors.a),
            "b": list(pair.neighbors.b),
            "shift_xyz": list(pair.shift_xyz),
            "correlation": round(pair.correlation, 4),
            "used": used,
        }
        for pair, used in zip(pairs, solution.used, strict=True)
    ]
    return {
        "columns": layout.columns,
        "rows": layout.rows,
        "tile_shape_zyx": list(layout.tile[::-1]),
        "size_xyz": [*size],
        "voxel_um": list(layout.voxel_um),
        "overlap": layout.overlap,
        "tiles": tiles,
        "pairs": found,
        "residual_um": _residual(layout, solution),
    }


def _residual(layout: Layout, solution: Solution) -> JsonDict:
    """How far the used pairs lie off in the end, µm."""
    used = solution.off[np.array(solution.used, dtype=bool)] * np.array(layout.voxel_um)
    lengths = [math.hypot(*row) for row in used.tolist()] or [0.0]
    return {"median": round(float(np.median(lengths)), 3), "most": round(max(lengths), 3)}


def _published(
    document: JsonDict,
    destination: Path,
    draft: products.Draft,
    identity: str,
    spec: StepSpec,
    work: Workspace,
) -> JsonDict:
    temporary = draft.folder / destination.name
    data = json.dumps(document, indent=1).encode()
    write_durably(temporary, data)
    work.count_bytes(written=len(data))
    record = provenance.record(spec, work.input_digest, _outputs(document))
    return products.publish_file(temporary, destination, record, identity=identity)


def _outputs(document: JsonDict) -> JsonDict:
    tiles, pairs = document["tiles"], document["pairs"]
    assert isinstance(tiles, list) and isinstance(pairs, list)
    values = [pair["correlation"] for pair in pairs if isinstance(pair, dict) and pair["used"]]
    numbers = [value for value in values if isinstance(value, float)]
    by_grid: list[Json] = [
        [tile["column"], tile["row"]]
        for tile in tiles
        if isinstance(tile, dict) and tile["by_grid"]
    ]
    return {
        "size_xyz": document["size_xyz"],
        "voxel_um": document["voxel_um"],
        "tiles": len(tiles),
        "pairs": len(pairs),
        "pairs_used": len(values),
        "least_correlation": min(numbers, default=None),
        "residual_um": document["residual_um"],
        "by_grid": by_grid,
    }
