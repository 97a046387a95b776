"""Write a whole multi-scale volume in one pass over its planes.

A slab of as many planes as a chunk is deep is cut into strips of rows. A thread takes a strip,
reads it plane by plane, sorts the pixels into chunks, carries exact sums up the pyramid and appends
the finished chunks to the shards. Mips wait in buffers one chunk deep until these are full.
"""

from __future__ import annotations

import os
import threading
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.io.grid import ChunkGrid, Sharding, Triple, choose_sharding
from pipeline.io.ordering import Turns
from pipeline.io.pyramid import RowSums, Scale, coverage, divide, next_sums
from pipeline.io.rows import ChunkRow
from pipeline.io.sharded import ShardWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipeline.contract import JsonDict
    from pipeline.io.codec import Codec
    from pipeline.io.survey import Survey
    from pipeline.io.tiff import PlaneStack, Slab
    from pipeline.io.volume_file import VolumeSlab, VolumeStack

_BYTES_PER_VOXEL = 2


class _SlabSums:
    """Collects the sums of mip 1 over the planes of a slab."""

    def __init__(self, mips: Sequence[Mip], depth: int) -> None:
        self._step = mips[1].scale.step[2] if len(mips) > 1 else 1
        self._depth = -(-depth // self._step)
        self.total: np.ndarray | None = None

    def add(self, z: int, sums: np.ndarray) -> None:
        if self.total is None:
            self.total = np.empty((self._depth, *sums.shape), dtype=np.uint32)
        if z % self._step == 0:
            self.total[z // self._step] = sums
        else:
            self.total[z // self._step] += sums


class Mip:
    """One scale being written. From mip 1 on, finished planes wait in `buffer` (z, y, x)."""

    def __init__(
        self, number: int, scale: Scale, chunk: Triple, folder: Path, codec: Codec
    ) -> None:
        grid = ChunkGrid(scale.size, chunk)
        is_gzip = codec.encode is not None
        self.number = number
        self.scale = scale
        self.sharding = choose_sharding(grid, bytes_per_voxel=_BYTES_PER_VOXEL, is_gzip=is_gzip)
        self.writer = ShardWriter(folder / scale.key, grid, self.sharding)
        self.turns = Turns()
        self.tickets = 0
        depth = min(chunk[2], scale.size[2]) if number else 0
        self.buffer = np.empty((depth, scale.size[1], scale.size[0]), dtype="<u2")
        self.filled = 0

    def take_ticket(self) -> int:
        self.tickets += 1
        return self.tickets - 1

    def append(self, ticket: int, row: tuple[int, int], sizes: list[int], data: memoryview) -> None:
        """Store one row of chunks at (cell y, cell z) when the ticket's turn comes."""
        with self.turns.turn(ticket):
            placements = self.writer.reserve(*row, sizes)
        ends = np.cumsum([0, *sizes]).tolist()
        for place in placements:
            self.writer.write(place, data[ends[place.first] : ends[place.last]])


@dataclass(slots=True)
class _Memory:
    """What one thread works in."""

    row: ChunkRow
    sums: RowSums | None
    scratch: np.ndarray
    mip_rows: dict[int, ChunkRow]


class VolumeWriter:
    """Turns a stack of planes into the scales of a precomputed volume below `folder`."""

    def __init__(
        self, folder: Path, scales: Sequence[Scale], chunk: Triple, codec: Codec, survey: Survey
    ) -> None:
        self.chunk = chunk
        self.next_plane = 0
        self._codec = codec
        self._survey = survey
        self.mips = [Mip(n, scale, chunk, folder, codec) for n, scale in enumerate(scales)]
        self._local = threading.local()

    def write(
        self, stack: PlaneStack | VolumeStack, *, threads: int, after_slab: Callable[[], None]
    ) -> None:
        """Write what is left of the stack, calling `after_slab` whenever a slab is complete."""
        with ThreadPoolExecutor(max_workers=threads) as pool:
            try:
                while self.next_plane < stack.shape[0]:
                    self._write_slab(stack, pool)
                    after_slab()
            except BaseException:
                self._abandon()
                pool.shutdown(cancel_futures=True)
                raise

    def finish(self) -> int:
        """Write the indexes; return the bytes of all shard files."""
        return sum(mip.writer.finish() for mip in self.mips)

    def close(self) -> None:
        for mip in self.mips:
            mip.writer.close()

    def _write_slab(self, stack: PlaneStack | VolumeStack, pool: ThreadPoolExecutor) -> None:
        start = self.next_plane
        stop = min(start + self.chunk[2], stack.shape[0])
        with stack.slab(start, stop, pool) as slab:
            ahead = pool.submit(stack.prefetch, stop, stop + self.chunk[2])
            strips = _spread(range(-(-stack.shape[1] // self.chunk[1])))
            self._all(pool.submit(self._strip, slab, strip, self._ticket(0)) for strip in strips)
            ahead.result()
        self.next_plane = stop
        for mip in self.mips[1:]:
            mip.filled += -(-stop // mip.scale.factor[2]) - start // mip.scale.factor[2]
            if mip.filled == len(mip.buffer) or stop == stack.shape[0]:
                self._flush(mip, pool)

    def _ticket(self, mip: int) -> int:
        return self.mips[mip].take_ticket()

    def _all(self, tasks: Iterable[Future[None]]) -> None:
        """Wait for the tasks in the order of their tickets; so the first error is the cause."""
        futures = list(tasks)
        try:
            for future in futures:
                future.result()
        except BaseException:
            self._abandon()
            for future in futures:
                future.cancel()
            wait(futures)  # nobody may still read the planes when they are closed
            raise

    def _abandon(self) -> None:
        for mip in self.mips:
            mip.turns.abandon()

    def _memory(self) -> _Memory:
        found: _Memory | None = getattr(self._local, "memory", None)
        if found is None:
            width = self.mips[0].scale.size[0]
            step = self.mips[1].scale.step if len(self.mips) > 1 else None
            found = self._local.memory = _Memory(
                row=ChunkRow(width, self.chunk[0]),
                sums=RowSums(width, step) if step else None,
                scratch=np.empty((self.chunk[1], width), dtype="<u2"),
                mip_rows={},
            )
        return found

    def _strip(self, slab: Slab | VolumeSlab, strip: int, ticket: int) -> None:
        """Mip 0 of one strip of rows is stored, its share of the other mips put into buffers."""
        memory = self._memory()
        start, stop = self.mips[0].writer.grid.extent(1, strip)
        memory.row.begin(slab.depth, stop - start)
        seen, sums = [], _SlabSums(self.mips, slab.depth)
        for z in range(slab.depth):
            rows = slab.rows(z, start, stop, memory.scratch)
            memory.row.put(z, rows)
            seen.append(self._survey.see_raw(rows))
            if memory.sums is not None:
                sums.add(z, memory.sums.plane_sums(rows))
            if self._survey.wants(0):
                self._survey.see(0, self.next_plane + z, start, rows[None])
        self._survey.add_raw(seen)
        self._carry_up(sums.total, start)
        cell_z = self.next_plane // self.chunk[2]
        self.mips[0].append(ticket, (strip, cell_z), *memory.row.encoded(self._codec))

    def _carry_up(self, sums: np.ndarray | None, start: int) -> None:
        """Divide the sums of each mip into its buffer and add them up for the next one."""
        for mip in self.mips[1:]:
            assert sums is not None
            if mip.number > 1:
                below = self.mips[mip.number - 1].scale.factor
                sums = next_sums(sums, mip.scale.step, below[0] * below[1] * below[2])
            y, z = start // mip.scale.factor[1], self.next_plane // mip.scale.factor[2]
            covered = coverage(self.mips[0].scale, mip.scale, (z, y, 0), sums.shape)
            means = divide(sums, covered)
            mip.buffer[mip.filled : mip.filled + len(means), y : y + means.shape[1]] = means
            if self._survey.wants(mip.number):
                self._survey.see(mip.number, z, y, means)

    def _flush(self, mip: Mip, pool: ThreadPoolExecutor) -> None:
        """Store the layer of chunks that waits in the mip's buffer."""
        last = -(-self.next_plane // mip.scale.factor[2])
        cell_z = (last - 1) // self.chunk[2]
        rows = range(mip.writer.grid.shape[1])
        self._all(pool.submit(self._mip_row, mip, (row, cell_z), mip.take_ticket()) for row in rows)
        mip.filled = 0

    def _mip_row(self, mip: Mip, row: tuple[int, int], ticket: int) -> None:
        chunks = self._memory().mip_rows
        if mip.number not in chunks:
            chunks[mip.number] = ChunkRow(mip.scale.size[0], self.chunk[0])
        start, stop = mip.writer.grid.extent(1, row[0])
        chunks[mip.number].begin(mip.filled, stop - start)
        for z in range(mip.filled):
            chunks[mip.number].put(z, mip.buffer[z, start:stop])
        mip.append(ticket, row, *chunks[mip.number].encoded(self._codec))

    def save(self, path: Path) -> None:
        """Write a checkpoint after a slab, atomically; all it refers to is on the disk by then."""
        arrays = {f"survey_{name}": array for name, array in self._survey.state().items()}
        arrays["next_plane"] = np.array(self.next_plane)
        for mip in self.mips:
            mip.writer.sync()
            arrays[f"index_{mip.number}"] = mip.writer.state()
            arrays[f"buffer_{mip.number}"] = mip.buffer[: mip.filled]
        temporary = path.with_suffix(".writing")
        try:
            with temporary.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **arrays)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)  # on a full disk half a checkpoint is only in the way
            raise

    def restore(self, path: Path) -> bool:
        """Go back to a checkpoint; False if there is none that can be read."""
        saved = _load(path)
        if saved is None:
            for mip in self.mips:
                mip.writer.restore(np.empty((0, 4), dtype=np.uint64))
            return False
        self.next_plane = int(saved["next_plane"])
        names = ("histogram", "picture", "numbers")
        self._survey.restore({name: saved[f"survey_{name}"] for name in names})
        for mip in self.mips:
            mip.writer.restore(saved[f"index_{mip.number}"])
            waiting = saved[f"buffer_{mip.number}"]
            mip.filled = len(waiting)
            mip.buffer[: mip.filled] = waiting
        return True

    def info(self) -> JsonDict:
        """The `info` document of the volume."""
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": "image",
            "data_type": "uint16",
            "num_channels": 1,
            "scales": [_scale_info(mip.scale, self.chunk, mip.sharding) for mip in self.mips],
        }


def _scale_info(scale: Scale, chunk: Triple, sharding: Sharding) -> JsonDict:
    return {
        "key": scale.key,
        "size": list(scale.size),
        "resolution": list(scale.resolution_nm),
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [list(chunk)],
        "encoding": "raw",
        "sharding": sharding.to_json(),
    }


def _spread(strips: range) -> list[int]:
    """Alternate between the halves: strips far apart go to different shards, and two threads that
    append to the same file wait for each other in the kernel."""
    half = -(-len(strips) // 2)
    pairs = [pair for first in range(half) for pair in (first, first + half)]
    return [strips[index] for index in pairs if index < len(strips)]


def _load(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
