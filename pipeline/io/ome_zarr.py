"""OME-Zarr 0.4: what its metadata says, and copying of sharded volumes into Zarr arrays.

The format: https://ngff.openmicroscopy.org/0.4/. Axes are c, z, y, x with one channel. Zarr chunks
are several chunks of the volume, so that files are few.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import zarr

from pipeline.errors import BadInput
from pipeline.io.grid import ChunkGrid
from pipeline.io.sharded import read_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.contract import Json, JsonDict
    from pipeline.io.grid import Triple

VERSION: Final = "0.4"
_SIDE = (256, 256, 64)  # of a Zarr chunk along (x, y, z), where the volume's chunk is no larger
_NM_PER_UM = 1000
# As Zarr 2 stores them; shuffle 1 puts the high bytes of all voxels together.
_COMPRESSORS: Final[dict[str, JsonDict]] = {
    "blosc": {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 1, "blocksize": 0},
    "gzip": {"id": "gzip", "level": 1},
}


@dataclass(frozen=True, slots=True)
class Source:
    """A sharded volume and its info."""

    folder: Path
    info: JsonDict

    @property
    def scales(self) -> list[JsonDict]:
        return [cast("JsonDict", scale) for scale in cast("list[Json]", self.info["scales"])]

    def size(self, mip: int) -> Triple:
        x, y, z = cast("list[int]", self.scales[mip]["size"])
        return x, y, z

    def chunk(self, mip: int) -> Triple:
        x, y, z = cast("list[list[int]]", self.scales[mip]["chunk_sizes"])[0]
        return x, y, z

    def zarr_chunk(self, mip: int) -> Triple:
        """The volume's chunk, taken as often as there is room along each axis."""
        x, y, z = (
            side * max(1, most // side) for side, most in zip(self.chunk(mip), _SIDE, strict=True)
        )
        return x, y, z

    def read(self, key: str, offset: int, count: int | None) -> bytes:
        """Bytes of a file below the volume; BadInput if they are not there."""
        path = self.folder / key
        try:
            with path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(-1 if count is None else count)
        except OSError as error:
            raise BadInput(f"{key} cannot be read: {error.strerror or error}.") from error
        if count is not None and len(data) != count:
            raise BadInput(f"{key} is shorter than its index says. Make the volume again.")
        return data


def attributes(
    scales: Sequence[JsonDict], *, name: str, color: str, window: Sequence[int], span: Sequence[int]
) -> JsonDict:
    """Return the attributes of the group; `color` is six hexadecimal digits.

    A coarser voxel covers several, so its center lies half of them further: each level has its own
    translation, in µm like the scale.
    """
    finest = np.array(scales[0]["resolution"])
    datasets: list[Json] = []
    for number, scale in enumerate(scales):
        size = np.array(scale["resolution"])
        steps: list[Json] = [{"type": "scale", "scale": _along_axes(1.0, size)}]
        if number:
            shift = (size - finest) / 2
            steps.append({"type": "translation", "translation": _along_axes(0.0, shift)})
        datasets.append({"path": str(number), "coordinateTransformations": steps})
    space: list[Json] = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    return {
        "multiscales": [
            {
                "version": VERSION,
                "name": name,
                "type": "mean",
                "axes": [{"name": "c", "type": "channel"}, *space],
                "datasets": datasets,
            }
        ],
        "omero": {
            "version": VERSION,
            "name": name,
            "channels": [
                {
                    "label": name,
                    "color": color,
                    "active": True,
                    "window": {
                        "min": span[0], "max": span[1], "start": window[0], "end": window[1],
                    },
                }
            ],
            "rdefs": {"model": "color", "defaultZ": 0},
        },
    }  # fmt: skip


def _along_axes(channel: float, nm_xyz: np.ndarray) -> list[Json]:
    return [channel, *(float(nm) / _NM_PER_UM for nm in nm_xyz[::-1])]


class Copy:
    """All mips of a volume, written as arrays 0, 1, 2, ... below a Zarr group."""

    def __init__(self, source: Source, folder: Path, compression: str) -> None:
        self._source = source
        self._folder = folder
        self._compressor = _COMPRESSORS[compression]

    @property
    def slabs(self) -> list[tuple[int, int]]:
        """Every (mip, row of Zarr chunks along z), the unit that is done or not."""
        found = []
        for mip in range(len(self._source.scales)):
            depth, side = self._source.size(mip)[2], self._source.zarr_chunk(mip)[2]
            found += [(mip, row) for row in range(-(-depth // side))]
        return found

    def begin(self, attributes: JsonDict) -> None:
        """Write the metadata of the group and its arrays anew; chunks that are there stay."""
        zarr.create_group(
            store=self._folder, zarr_format=2, attributes=attributes, overwrite=False
        )  # fmt: skip
        for mip in range(len(self._source.scales)):
            chunk = self._source.zarr_chunk(mip)
            zarr.create_array(
                store=self._folder, name=str(mip), shape=(1, *self._source.size(mip)[::-1]),
                chunks=(1, *chunk[::-1]), dtype="<u2", compressors=self._compressor, fill_value=0,
                zarr_format=2, order="C",
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )  # fmt: skip

    def slab(self, mip: int, row: int, pool: ThreadPoolExecutor) -> int:
        """Copy one row of Zarr chunks; return the bytes written, which are on the disk then."""
        array = zarr.open_array(self._folder / str(mip), mode="r+", zarr_format=2)
        grid = ChunkGrid(self._source.size(mip), self._source.zarr_chunk(mip))
        cells = [(x, y, row) for y in range(grid.shape[1]) for x in range(grid.shape[0])]
        return sum(pool.map(lambda cell: self._chunk(array, grid, mip, cell), cells))

    def _chunk(self, array: zarr.Array[Any], grid: ChunkGrid, mip: int, cell: Triple) -> int:
        (x0, x1), (y0, y1), (z0, z1) = (grid.extent(axis, n) for axis, n in enumerate(cell))
        array[0, z0:z1, y0:y1, x0:x1] = self._gathered(mip, ((x0, x1), (y0, y1), (z0, z1)))
        x, y, z = cell
        path = self._folder / str(mip) / "0" / str(z) / str(y) / str(x)
        return _synced(path)

    def _gathered(self, mip: int, spans: Sequence[tuple[int, int]]) -> np.ndarray:
        """Put together the volume's chunks in these spans along x, y, z, as (z, y, x)."""
        (x0, x1), (y0, y1), (z0, z1) = spans
        voxels = np.empty((z1 - z0, y1 - y0, x1 - x0), dtype="<u2")
        for cell, (x, y, z) in _cells(self._source.chunk(mip), spans):
            part = read_chunk(self._source.read, self._source.info, mip, cell)
            depth, height, width = part.shape
            z, y, x = z - z0, y - y0, x - x0
            voxels[z : z + depth, y : y + height, x : x + width] = part
        return voxels


def _cells(chunk: Triple, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[Triple, Triple]]:
    """Cells of the volume in these spans, and where each begins."""
    rows = [
        range(start // side, -(-stop // side))
        for side, (start, stop) in zip(chunk, spans, strict=True)
    ]
    for z in rows[2]:
        for y in rows[1]:
            for x in rows[0]:
                yield (x, y, z), (x * chunk[0], y * chunk[1], z * chunk[2])


def _synced(path: Path) -> int:
    """Bring a file to the disk and return its bytes; none where all of a chunk is 0."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def sync_metadata(folder: Path, mips: int) -> None:
    """Bring what describes the arrays to the disk."""
    for name in (".zgroup", ".zattrs", *(f"{mip}/.zarray" for mip in range(mips))):
        _synced(folder / name)


def copy_all(
    copy: Copy, done: set[tuple[int, int]], *, threads: int, after: Callable[[int], None]
) -> None:
    """Copy every slab that is not done; `after` hears the bytes of each."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for mip, row in copy.slabs:
            if (mip, row) not in done:
                written = copy.slab(mip, row, pool)
                done.add((mip, row))
                after(written)
