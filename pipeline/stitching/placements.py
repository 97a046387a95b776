"""The document that says where each tile lies; all channels and sheets are merged by it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pipeline.errors import BadInput
from pipeline.stitching.layout import tiling_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec
    from pipeline.stitching.layout import Place, Triple

_AGAIN = "Place the tiles again, then retry."


@dataclass(frozen=True, slots=True)
class Placements:
    """Origins (x, y, z) of the tiles in whole voxels, the least 0, and the size of all together."""

    columns: int
    rows: int
    tile: Triple
    overlap: float
    voxel_um: tuple[float, float, float]
    origins: dict[Place, Triple]

    @property
    def size(self) -> Triple:
        x, y, z = (
            max(origin[axis] for origin in self.origins.values()) + self.tile[axis]
            for axis in range(3)
        )
        return x, y, z

    def require_fit(
        self,
        spec: StepSpec,
        *,
        plane_yx: tuple[int, int],
        planes: int,
        voxel_um: tuple[float, float, float],
    ) -> None:
        """Raise BadInput unless these tiles are like those that were placed."""
        columns, rows = tiling_of(spec)
        tile = (plane_yx[1], plane_yx[0], planes)
        pairs = (
            ("columns x rows", (columns, rows), (self.columns, self.rows)),
            ("voxels (x, y, z) per tile", tile, self.tile),
            ("voxel size (x, y, z) in µm", voxel_um, self.voxel_um),
        )
        for what, here, there in pairs:
            if any(abs(a - b) > 1e-6 for a, b in zip(here, there, strict=True)):
                raise BadInput(
                    f"The tiles were placed with other {what}: {_joined(there)}, here "
                    f"{_joined(here)}. Merge channels of one acquisition only, or place their "
                    "own tiles."
                )


def read_placements(path: Path) -> tuple[Placements, str]:
    """Return the document with the digest of its bytes; BadInput if it is none or says nonsense.

    It is read once: the digest is always that of these placements, even if they are made anew.
    """
    try:
        data = path.read_bytes()
        document = json.loads(data)
    except OSError as error:
        raise BadInput(
            f"{path.name} cannot be read: {error.strerror or error}. {_AGAIN}"
        ) from error
    except ValueError as error:
        raise BadInput(f"{path.name} is no JSON. {_AGAIN}") from error
    try:
        found = _placements(document)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path.name} does not say where every tile lies. {_AGAIN}") from error
    return found, hashlib.blake2b(data, digest_size=16).hexdigest()


def _placements(document: JsonDict) -> Placements:
    z, y, x = (_whole(value) for value in cast("list[int]", document["tile_shape_zyx"]))
    a, b, c = (float(value) for value in cast("list[float]", document["voxel_um"]))
    columns, rows = _whole(document["columns"]), _whole(document["rows"])
    overlap = float(cast("float", document["overlap"]))
    origins = {}
    for tile in cast("list[JsonDict]", document["tiles"]):
        at_x, at_y, at_z = (_whole(value) for value in cast("list[int]", tile["origin_xyz"]))
        origins[_whole(tile["column"]), _whole(tile["row"])] = (at_x, at_y, at_z)
    wanted = {(column, row) for column in range(columns) for row in range(rows)}
    placements = Placements(columns, rows, (x, y, z), overlap, (a, b, c), origins)
    if set(origins) != wanted or list(placements.size) != document["size_xyz"]:
        raise ValueError("not every tile")
    return placements


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value


def _joined(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)
