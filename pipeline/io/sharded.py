"""Write `neuroglancer_uint64_sharded_v1` shards by appending, and read one chunk back.

A shard file is: the shard index (fixed size, written last), chunk data in the order it came, then
one index per minishard. Only the indexes are kept in memory.
"""

from __future__ import annotations

import gzip
import itertools
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from pipeline.io.grid import ChunkGrid, Sharding, Triple, morton_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.contract import JsonDict

    # read(key, first byte, number of bytes or None for the rest) -> bytes
    ReadRange: TypeAlias = Callable[[str, int, int | None], bytes]

_ENTRY = 3  # chunk id, offset from the file's start, bytes


@dataclass(slots=True)
class _Shard:
    """One open shard file: where its end is and which chunks it holds."""

    path: Path
    descriptor: int
    end: int
    entries: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Placement:
    """Room reserved in one shard for chunks `first` to `last` (exclusive) of a row."""

    shard: int
    offset: int
    first: int
    last: int


class ShardWriter:
    """All shards of one scale. `reserve` is called in a fixed order; `write` may run anywhere."""

    def __init__(self, folder: Path, grid: ChunkGrid, sharding: Sharding) -> None:
        self.grid = grid
        self.sharding = sharding
        self._folder = folder
        self._parts = morton_parts(grid.shape)
        self._shards: dict[int, _Shard] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def reserve(self, cell_y: int, cell_z: int, sizes: Sequence[int]) -> list[Placement]:
        """Place the encoded chunks of one row along x, `sizes` bytes each, at the shards' ends."""
        x, y, z = self._parts
        codes = x + y[cell_y] + z[cell_z]
        placements = []
        for shard, first, last in self._runs(codes):
            offset = self._take(shard, codes[first:last], sizes[first:last])
            placements.append(Placement(shard, offset, first, last))
        return placements

    def write(self, placement: Placement, data: memoryview) -> None:
        """Write reserved bytes; raises OSError if there is no room."""
        _write_all(self._shards[placement.shard].descriptor, data, placement.offset)

    def finish(self) -> int:
        """Write every index, bring all to the disk, close the files and return all their bytes."""
        for shard in self._shards.values():
            self._write_indexes(shard)
        self.sync()
        total = sum(shard.end for shard in self._shards.values())
        self.close()
        return total

    def sync(self) -> None:
        """Bring what is written to the disk itself."""
        for shard in self._shards.values():
            os.fdatasync(shard.descriptor)

    def close(self) -> None:
        for shard in self._shards.values():
            os.close(shard.descriptor)
        self._shards.clear()

    def state(self) -> np.ndarray:
        """Everything needed to go on after a crash: rows of (shard, chunk id, offset, bytes)."""
        rows = [
            np.column_stack((np.full(len(part), number, dtype=np.uint64), part))
            for number, shard in sorted(self._shards.items())
            for part in shard.entries
        ]
        return np.concatenate(rows) if rows else np.empty((0, _ENTRY + 1), dtype=np.uint64)

    def restore(self, state: np.ndarray) -> None:
        """Go back to a former `state`: later bytes are cut off, later shards removed."""
        self.close()
        for path in self._folder.glob("*.shard"):
            if not (state[:, 0] == int(path.stem, 16)).any():
                path.unlink()
        for number in np.unique(state[:, 0]):
            entries = np.ascontiguousarray(state[state[:, 0] == number][:, 1:])
            shard = self._open(int(number))
            shard.entries.append(entries)
            shard.end = int((entries[:, 1] + entries[:, 2]).max())
            os.ftruncate(shard.descriptor, shard.end)

    def _runs(self, codes: np.ndarray) -> Iterator[tuple[int, int, int]]:
        """Neighbors along x that share a shard: (shard, first, one past the last)."""
        shift = self.sharding.preshift_bits + self.sharding.minishard_bits
        shards = codes >> np.uint64(shift)
        edges = [0, *(np.flatnonzero(np.diff(shards)) + 1).tolist(), len(codes)]
        for first, last in itertools.pairwise(edges):
            yield int(shards[first]), first, last

    def _take(self, number: int, codes: np.ndarray, sizes: Sequence[int]) -> int:
        shard = self._shards.get(number) or self._open(number)
        entries = np.empty((len(codes), _ENTRY), dtype=np.uint64)
        entries[:, 0] = codes
        entries[:, 2] = sizes
        ends = np.cumsum(entries[:, 2])
        start = shard.end
        entries[:, 1] = ends - entries[:, 2] + np.uint64(start)
        shard.entries.append(entries)
        shard.end = start + int(ends[-1])
        return start

    def _open(self, number: int) -> _Shard:
        path = self._folder / self.sharding.file_name(number)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        shard = _Shard(path, descriptor, self.sharding.index_bytes)
        self._shards[number] = shard
        return shard

    def _write_indexes(self, shard: _Shard) -> None:
        entries = np.concatenate(shard.entries)
        entries = entries[np.argsort(entries[:, 0], kind="stable")]
        owners = entries[:, 0] >> np.uint64(self.sharding.preshift_bits)
        owners &= np.uint64((1 << self.sharding.minishard_bits) - 1)
        index = np.zeros((1 << self.sharding.minishard_bits, 2), dtype="<u8")
        base = self.sharding.index_bytes
        for minishard in np.unique(owners):
            packed = minishard_index(entries[owners == minishard], base)
            _write_all(shard.descriptor, memoryview(packed), shard.end)
            index[int(minishard)] = (shard.end - base, shard.end - base + len(packed))
            shard.end += len(packed)
        _write_all(shard.descriptor, memoryview(index.tobytes()), 0)


def minishard_index(entries: np.ndarray, base: int) -> bytes:
    """Delta-coded ids, starts and sizes. Starts may go backwards: readers add modulo 2**64."""
    ids, starts, sizes = entries[:, 0], entries[:, 1] - np.uint64(base), entries[:, 2]
    table = np.zeros((3, len(entries)), dtype="<u8")
    table[0] = np.diff(ids, prepend=np.uint64(0))
    table[1, 0] = starts[0]
    table[1, 1:] = starts[1:] - (starts[:-1] + sizes[:-1])
    table[2] = sizes
    return gzip.compress(table.tobytes(), compresslevel=6, mtime=0)


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    left = data.cast("B") if data.format != "B" else data
    while left.nbytes:
        count = os.pwrite(descriptor, left, offset)
        left, offset = left[count:], offset + count


def read_chunk(read: ReadRange, info: JsonDict, scale_index: int, cell: Triple) -> np.ndarray:
    """Fetch one chunk as a (z, y, x) array of uint16.

    `read(key, offset, count)` returns bytes of a file below the volume, as a range request would;
    count None means to the end. Raises IndexError outside the grid, ValueError for a volume that
    this code does not write.
    """
    scale = cast("JsonDict", cast("list[object]", info["scales"])[scale_index])
    grid = ChunkGrid(
        cast("Triple", tuple(cast("list[int]", scale["size"]))),
        cast("Triple", tuple(cast("list[list[int]]", scale["chunk_sizes"])[0])),
    )
    if info["data_type"] != "uint16" or scale["encoding"] != "raw":
        raise ValueError("only raw uint16 volumes can be read")
    shape = grid.chunk_shape(cell)
    sharding = Sharding.from_json(cast("JsonDict", scale["sharding"]))
    code = int(sum(part[index] for part, index in zip(morton_parts(grid.shape), cell, strict=True)))
    key = f"{scale['key']}/{sharding.file_name(sharding.shard_of(code))}"
    offset, count = locate(read, key, sharding, code)
    data = read(key, offset, count)
    voxels = np.frombuffer(gzip.decompress(data) if sharding.is_gzip else data, dtype="<u2")
    return voxels.reshape(shape[::-1])


def locate(read: ReadRange, key: str, sharding: Sharding, code: int) -> tuple[int, int]:
    """Return where the chunk with this code begins in its shard file `key`, and its bytes."""
    pair = np.frombuffer(read(key, 16 * sharding.minishard_of(code), 16), dtype="<u8")
    start, end = (int(value) for value in pair)
    packed = read(key, sharding.index_bytes + start, end - start)
    table = np.frombuffer(gzip.decompress(packed), dtype="<u8").reshape(3, -1)
    found = np.flatnonzero(np.cumsum(table[0]) == np.uint64(code))
    if len(found) != 1:
        raise ValueError(f"chunk {code} is not in {key}")
    place = int(found[0])
    steps = table[1].copy()
    steps[1:] += table[2, :-1]
    return sharding.index_bytes + int(np.cumsum(steps)[place]), int(table[2, place])
