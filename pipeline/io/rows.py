"""Cut a block of rows into chunks, lying one after another as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.io.codec import Codec


class ChunkRow:
    """The chunks of one row along x, for a block of (depth, height, width) voxels.

    Planes are put in one by one; `data` is then every chunk's bytes in x order. The memory is
    kept and used again for the next row.
    """

    def __init__(self, width: int, chunk_width: int) -> None:
        self._width = width
        self._chunk = chunk_width
        self._memory = np.empty(0, dtype="<u2")
        self._whole = self._rest = self._memory.reshape(0, 0, 0, 0)

    def begin(self, depth: int, height: int) -> None:
        """Make room for a block; what was in before is gone."""
        count = depth * height * self._width
        if len(self._memory) < count:
            self._memory = np.empty(count, dtype="<u2")
        chunks, left = divmod(self._width, self._chunk)
        split = chunks * depth * height * self._chunk
        self._whole = self._memory[:split].reshape(chunks, depth, height, self._chunk)
        self._rest = self._memory[split:count].reshape(-1 if left else 0, depth, height, left)

    def put(self, z: int, rows: np.ndarray) -> None:
        """Place plane `z` (y, x) of the block."""
        chunks = len(self._whole)
        split = chunks * self._chunk
        if chunks:
            cut = rows[:, :split].reshape(rows.shape[0], chunks, self._chunk)
            self._whole[:, z] = cut.transpose(1, 0, 2)
        if split < self._width:
            self._rest[0, z] = rows[:, split:]

    def encoded(self, codec: Codec) -> tuple[list[int], memoryview]:
        """Stored sizes of the chunks, and their stored bytes one after another."""
        chunks = [part.data.cast("B") for part in (*self._whole, *self._rest)]
        if codec.encode is None:
            sizes = [chunk.nbytes for chunk in chunks]
            return sizes, self._memory.data.cast("B")[: sum(sizes)]
        packed = [codec.encode(chunk) for chunk in chunks]
        return [len(part) for part in packed], memoryview(b"".join(packed))
