"""Where chunks are: the grid of a scale, compressed Morton codes, and the spread over shard files.

Everything here is (x, y, z), as the precomputed format counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from pipeline.contract import JsonDict

Triple: TypeAlias = tuple[int, int, int]

# Few files for the file system, small indexes for the reader: about 1 GB per shard unless that
# would make too many, and about 256 chunks (6 KB of index) per minishard.
_SHARD_BYTES = 1 << 30
_MOST_SHARD_BITS = 10
_PRESHIFT_BITS = 8


@dataclass(frozen=True, slots=True)
class ChunkGrid:
    """The chunks of one scale: `size` voxels cut into chunks of `chunk` voxels."""

    size: Triple
    chunk: Triple

    @property
    def shape(self) -> Triple:
        x, y, z = (-(-size // chunk) for size, chunk in zip(self.size, self.chunk, strict=True))
        return x, y, z

    def extent(self, axis: int, index: int) -> tuple[int, int]:
        """First and one past the last voxel of chunk `index` along `axis`; the last may be cut."""
        start = index * self.chunk[axis]
        return start, min(start + self.chunk[axis], self.size[axis])

    def chunk_shape(self, cell: Triple) -> Triple:
        """Voxels (x, y, z) in the chunk at `cell`; raise IndexError outside the grid."""
        if any(not 0 <= c < n for c, n in zip(cell, self.shape, strict=True)):
            raise IndexError(f"chunk {cell} is outside the grid {self.shape}")
        spans = (self.extent(axis, index) for axis, index in enumerate(cell))
        x, y, z = (stop - start for start, stop in spans)
        return x, y, z


def axis_bits(shape: Triple) -> list[list[int]]:
    """For each axis, which bit of the compressed Morton code its bits 0, 1, 2, ... go to."""
    places: list[list[int]] = [[], [], []]
    place = 0
    for bit in range(max(n.bit_length() for n in shape)):
        for axis in range(3):
            if (1 << bit) < shape[axis]:
                places[axis].append(place)
                place += 1
    return places


def morton_parts(shape: Triple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per axis, the share of each coordinate in the code; a cell's code is the sum of three."""
    parts = []
    for axis, places in enumerate(axis_bits(shape)):
        coordinates = np.arange(shape[axis], dtype=np.uint64)
        code = np.zeros(shape[axis], dtype=np.uint64)
        for bit, place in enumerate(places):
            code |= ((coordinates >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
        parts.append(code)
    return parts[0], parts[1], parts[2]


@dataclass(frozen=True, slots=True)
class Sharding:
    """How chunk ids spread over files, in the words of `neuroglancer_uint64_sharded_v1`."""

    preshift_bits: int
    minishard_bits: int
    shard_bits: int
    is_gzip: bool

    def to_json(self) -> JsonDict:
        return {
            "@type": "neuroglancer_uint64_sharded_v1",
            "preshift_bits": self.preshift_bits,
            "hash": "identity",
            "minishard_bits": self.minishard_bits,
            "shard_bits": self.shard_bits,
            "minishard_index_encoding": "gzip",
            "data_encoding": "gzip" if self.is_gzip else "raw",
        }

    @classmethod
    def from_json(cls, document: JsonDict) -> Sharding:
        """Read the `sharding` member of a scale; raise ValueError for what we cannot read."""
        numbers = [document[key] for key in ("preshift_bits", "minishard_bits", "shard_bits")]
        if document.get("hash") != "identity" or not all(type(n) is int for n in numbers):
            raise ValueError("only shards with the identity hash can be read")
        preshift, minishard, shard = (n for n in numbers if isinstance(n, int))
        return cls(preshift, minishard, shard, document.get("data_encoding") == "gzip")

    @property
    def index_bytes(self) -> int:
        return 16 << self.minishard_bits

    def shard_of(self, code: int) -> int:
        return (code >> (self.preshift_bits + self.minishard_bits)) & ((1 << self.shard_bits) - 1)

    def minishard_of(self, code: int) -> int:
        return (code >> self.preshift_bits) & ((1 << self.minishard_bits) - 1)

    def file_name(self, shard: int) -> str:
        return f"{shard:0{-(-self.shard_bits // 4)}x}.shard" if self.shard_bits else "0.shard"


def choose_sharding(grid: ChunkGrid, *, bytes_per_voxel: int, is_gzip: bool) -> Sharding:
    """Pick the bits so that files are few and indexes small."""
    code_bits = sum(len(places) for places in axis_bits(grid.shape))
    chunk_bytes = math.prod(grid.chunk) * bytes_per_voxel
    in_shard = max(0, int(math.log2(_SHARD_BYTES / chunk_bytes)))
    in_shard = min(code_bits, max(in_shard, code_bits - _MOST_SHARD_BITS))
    preshift = min(in_shard, _PRESHIFT_BITS)
    return Sharding(
        preshift_bits=preshift,
        minishard_bits=in_shard - preshift,
        shard_bits=code_bits - in_shard,
        is_gzip=is_gzip,
    )
