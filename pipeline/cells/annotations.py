"""Points as a Neuroglancer annotation layer, in parts that a viewer can load one by one.

The format: "Annotation collection representation" (`neuroglancer_annotations_v1`) of Neuroglancer's
precomputed data source. Positions are (x, y, z) in voxels, 0 at the volume's corner, so the middle
of the first voxel is at 0.5.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.io.grid import morton_parts
from pipeline.io.one_shard import write_one_shard
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.contract import Json, JsonDict
    from pipeline.io.grid import Triple

LIMIT: Final = 2000
_MOST_LEVELS = 10
_NM_PER_METER = 10**9
_SEED = 7


@dataclass(frozen=True, slots=True)
class Layer:
    """Points of one layer: `places` (n, 3) in voxels of the volume, a float32 value of each name.

    `properties` are name -> (description, values). The ids are 0, 1, 2, ... in order.
    """

    size: Triple
    voxel_nm: Triple
    places: np.ndarray
    properties: Mapping[str, tuple[str, np.ndarray]]

    @property
    def records(self) -> np.ndarray:
        """Each point as it is stored: its place, then its values."""
        columns = [self.places, *(values[:, None] for _, values in self.properties.values())]
        return np.concatenate(columns, axis=1).astype("<f4")


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the spatial index: which points are in it, and the cell of each."""

    shape: Triple
    points: np.ndarray
    cells: np.ndarray
    limit: int


def write_layer(folder: Path, layer: Layer, *, limit: int = LIMIT) -> JsonDict:
    """Write `info`, `by_id` and the spatial index into the folder, and return the info."""
    records = layer.records
    size = records.shape[1] * records.itemsize
    count = len(records)
    ids = np.arange(count, dtype=np.uint64)
    by_id = write_one_shard(folder / "by_id", ids, np.full(count, size), records.tobytes())
    spatial: list[Json] = []
    for number, level in enumerate(_levels(layer, limit)):
        key = f"spatial{number}"
        spatial.append(_write_level(folder / key, layer, level, records))
    info: JsonDict = {
        "@type": "neuroglancer_annotations_v1",
        "dimensions": {
            name: [nm / _NM_PER_METER, "m"] for name, nm in zip("xyz", layer.voxel_nm, strict=True)
        },
        "lower_bound": [0, 0, 0],
        "upper_bound": list(layer.size),
        "annotation_type": "POINT",
        "properties": [
            {"id": name, "type": "float32", "description": text}
            for name, (text, _) in layer.properties.items()
        ],
        "relationships": [],
        "by_id": {"key": "by_id", "sharding": by_id},
        "spatial": spatial,
    }
    write_durably(folder / "info", json.dumps(info, indent=1).encode())
    return info


def _levels(layer: Layer, limit: int) -> Iterator[Level]:
    """Choose at random what each level shows, coarse to fine, until no point is left.

    A level shows the same share of every cell, so that a sparse view is a fair sample. The last
    level that is allowed shows all that is left, however many they are.
    """
    rng = np.random.default_rng(_SEED)
    left = rng.permutation(len(layer.places))
    shape: Triple = (1, 1, 1)
    for number in range(_MOST_LEVELS):
        cells = _cells(layer, left, shape)
        _, counts = np.unique(cells, axis=0, return_counts=True)
        most = int(counts.max()) if len(counts) else 0
        shown = np.arange(len(left)) < len(left)
        if most > limit and number < _MOST_LEVELS - 1:
            shown = rng.random(len(left)) < limit / most
        _, there = np.unique(cells[shown], axis=0, return_counts=True)
        yield Level(shape, left[shown], cells[shown], int(there.max()) if len(there) else 1)
        left = left[~shown]
        if not len(left):
            return
        shape = _finer(layer, shape)


def _cells(layer: Layer, points: np.ndarray, shape: Triple) -> np.ndarray:
    side = np.array(layer.size) / np.array(shape)
    # as readers see the places, which are stored in single precision
    cells = np.floor(layer.places[points].astype(np.float32) / side).astype(np.int64)
    return np.asarray(np.clip(cells, 0, np.array(shape) - 1))


def _finer(layer: Layer, shape: Triple) -> Triple:
    """Halve the longest sides of a cell, and those that are nearly as long."""
    sides = [n * nm / k for n, nm, k in zip(layer.size, layer.voxel_nm, shape, strict=True)]
    x, y, z = (
        k * 2 if side * np.sqrt(2) > max(sides) else k for k, side in zip(shape, sides, strict=True)
    )
    return x, y, z


def _write_level(folder: Path, layer: Layer, level: Level, records: np.ndarray) -> JsonDict:
    parts = morton_parts(level.shape)
    codes = sum((part[level.cells[:, axis]] for axis, part in enumerate(parts)), np.uint64(0))
    codes = np.broadcast_to(codes, len(level.cells))
    order = np.argsort(codes, kind="stable")
    keys, starts = np.unique(codes[order], return_index=True)
    lists = [_list(points, records) for points in np.split(level.points[order], starts[1:])]
    if not len(keys):
        keys = np.zeros(1, dtype=np.uint64)
    sharding = write_one_shard(folder, keys, [len(part) for part in lists], b"".join(lists))
    sides = [n / k for n, k in zip(layer.size, level.shape, strict=True)]
    return {
        "key": folder.name,
        "sharding": sharding,
        "grid_shape": list(level.shape),
        "chunk_size": list(sides),
        "limit": level.limit,
    }


def _list(points: np.ndarray, records: np.ndarray) -> bytes:
    """Encode some annotations: their number, the records, the ids."""
    count = np.array([len(points)], dtype="<u8")
    parts = (count, records[points], points.astype("<u8"))
    return b"".join(bytes(part.tobytes()) for part in parts)
