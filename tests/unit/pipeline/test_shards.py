"""The sharded format: codes, files, indexes, and reading one chunk back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.io.grid import ChunkGrid, axis_bits, choose_sharding, morton_parts
from pipeline.io.sharded import read_chunk
from tests.support import stacks
from tests.unit.pipeline.support import precompute_in, read_info

if TYPE_CHECKING:
    from pathlib import Path


def test_codes_interleave_bits_and_leave_out_those_that_are_always_zero() -> None:
    assert axis_bits((5, 2, 1)) == [[0, 2, 3], [1], []]


def test_codes_of_a_grid_are_all_different_and_dense() -> None:
    x, y, z = morton_parts((4, 8, 2))

    codes = x[None, None, :] + y[None, :, None] + z[:, None, None]

    assert sorted(codes.ravel().tolist()) == list(range(64))


@pytest.mark.parametrize(
    ("size", "chunk"),
    [
        ((2048, 2048, 256), (64, 64, 32)),
        ((10_000, 10_000, 3000), (128, 128, 16)),
        ((30_000, 30_000, 5000), (64, 64, 32)),
    ],
)
def test_shards_are_few_and_their_indexes_small(
    size: tuple[int, int, int], chunk: tuple[int, int, int]
) -> None:
    grid = ChunkGrid(size, chunk)

    sharding = choose_sharding(grid, bytes_per_voxel=2, is_gzip=False)

    gigabytes = 2 * size[0] * size[1] * size[2] / 2**30
    assert 2**sharding.shard_bits <= max(4 * gigabytes, 2)
    assert sharding.shard_bits <= 10
    assert sharding.preshift_bits <= 8


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_one_chunk_can_be_read_through_range_requests(tmp_path: Path, compression: str) -> None:
    volume = stacks.random_volume((40, 70, 50))
    stacks.single_planes(tmp_path / "in", volume)
    precompute_in(tmp_path, compression=compression, chunk=[32, 32, 16])
    asked: list[tuple[str, int, int | None]] = []

    def read(key: str, offset: int, count: int | None) -> bytes:
        asked.append((key, offset, count))
        data = (tmp_path / "out/volume" / key).read_bytes()[offset:]
        return data if count is None else data[:count]

    chunk = read_chunk(read, read_info(tmp_path / "out/volume"), 0, (1, 2, 2))

    assert np.array_equal(chunk, volume[32:40, 64:70, 32:50])
    assert len(asked) == 3


def test_a_chunk_outside_the_grid_is_an_index_error(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((4, 8, 8)))
    precompute_in(tmp_path)

    with pytest.raises(IndexError):
        read_chunk(lambda *_: b"", read_info(tmp_path / "out/volume"), 0, (0, 1, 0))
