"""Write a small index of any keys as one shard, `neuroglancer_uint64_sharded_v1`.

Where ShardWriter appends the chunks of a whole grid, this takes values for whatever keys there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.io.grid import Sharding
from pipeline.io.sharded import minishard_index
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.contract import JsonDict

_IN_MINISHARD: Final = 8  # bits: some 256 values (6 KB of index) are looked up at once


def write_one_shard(
    folder: Path, keys: np.ndarray, sizes: Sequence[int] | np.ndarray, data: bytes
) -> JsonDict:
    """Write `data`, values of these sizes one after another, and return the member `sharding`.

    Keys are different unsigned whole numbers; reading one takes two small look-ups. The file is on
    the disk when this returns.
    """
    bits = int(keys.max()).bit_length() if len(keys) else 0
    minishard = min(bits, (len(keys) >> _IN_MINISHARD).bit_length())
    sharding = Sharding(bits - minishard, minishard, 0, is_gzip=False)
    base = sharding.index_bytes
    ends = np.cumsum(np.asarray(sizes, dtype=np.uint64), dtype=np.uint64)
    entries = np.empty((len(keys), 3), dtype=np.uint64)
    entries[:, 0] = keys
    entries[:, 2] = sizes
    entries[:, 1] = ends - entries[:, 2] + np.uint64(base)
    entries = entries[np.argsort(entries[:, 0])]
    index, tables = _indexes(entries, sharding, end=len(data))
    folder.mkdir(exist_ok=True)
    write_durably(folder / sharding.file_name(0), index + data + tables)
    return sharding.to_json()


def _indexes(entries: np.ndarray, sharding: Sharding, *, end: int) -> tuple[bytes, bytes]:
    """Return the shard index and the minishard indexes, which begin at `end`."""
    owners = entries[:, 0] >> np.uint64(sharding.preshift_bits)
    index = np.zeros((1 << sharding.minishard_bits, 2), dtype="<u8")
    edges = np.searchsorted(owners, np.arange(len(index) + 1, dtype=np.uint64))
    tables = bytearray()
    for minishard in np.unique(owners):
        first, last = edges[int(minishard)], edges[int(minishard) + 1]
        packed = minishard_index(entries[first:last], sharding.index_bytes)
        start = end + len(tables)
        index[int(minishard)] = (start, start + len(packed))
        tables += packed
    return index.tobytes(), bytes(tables)
