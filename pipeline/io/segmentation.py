"""Write a label volume as a Neuroglancer segmentation: compressed_segmentation, sharded, uint32.

cloud-volume makes the info document, encodes and decodes the chunks and puts shards together;
reading and writing files stays with us. (Its own file layer takes locks below the home folder,
starts threads, and writes no file by rename.) A shard is written whole, under its name only once it
is on the disk: what is there after a crash can be kept. Volumes are numpy (z, y, x).
"""

from __future__ import annotations

import gzip
import importlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from pipeline.io.codec import choose_codec
from pipeline.io.grid import ChunkGrid, Sharding, Triple, axis_bits, morton_parts
from pipeline.io.modes import mode_of_blocks
from pipeline.io.sharded import locate
from pipeline.workspace import write_durably

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from pipeline.contract import JsonDict
    from pipeline.io.label_source import Boxes, Span
    from pipeline.io.pyramid import Scale

CHUNK: Final[Triple] = (64, 64, 64)
_BLOCK: Final = (8, 8, 8)
_ENCODING: Final = "compressed_segmentation"
# 256 chunks of 64 x 64 x 64 in a shard: files stay few, and a crash costs seconds.
_SHARD_BITS: Final = 8
_HOME_SETTINGS: Final = ("CLOUD_VOLUME_DIR", "CLOUD_FILES_DIR")


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard file: its number and its chunks, from cell `first` to before cell `last`."""

    number: int
    first: Triple
    last: Triple

    def rows(self) -> Iterator[tuple[int, int]]:
        """Yield (cell z, cell y) of each row of chunks."""
        yield from product(range(self.first[2], self.last[2]), range(self.first[1], self.last[1]))


class LabelScale:
    """One scale of the segmentation: where its chunks and shards are."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.scale = scale
        self.folder = folder / scale.key
        self.grid = ChunkGrid(scale.size, CHUNK)
        code_bits = sum(len(places) for places in axis_bits(self.grid.shape))
        inside = min(_SHARD_BITS, code_bits)
        self.sharding = Sharding(inside, 0, code_bits - inside, is_gzip=True)
        self._parts = morton_parts(self.grid.shape)

    @property
    def chunks(self) -> int:
        x, y, z = self.grid.shape
        return x * y * z

    def code(self, cell: Triple) -> int:
        """Return the compressed Morton code of a chunk."""
        return int(sum(part[place] for part, place in zip(self._parts, cell, strict=True)))

    def path(self, number: int) -> Path:
        return self.folder / self.sharding.file_name(number)

    def shards(self) -> Iterator[Shard]:
        """Yield every shard; its chunks are a box, as the low bits of the code are theirs."""
        inside = self.sharding.preshift_bits
        x, y, z = (1 << sum(p < inside for p in places) for places in axis_bits(self.grid.shape))
        shape = self.grid.shape
        for cz, cy, cx in product(
            range(0, shape[2], z), range(0, shape[1], y), range(0, shape[0], x)
        ):
            last = (min(cx + x, shape[0]), min(cy + y, shape[1]), min(cz + z, shape[2]))
            yield Shard(self.sharding.shard_of(self.code((cx, cy, cz))), (cx, cy, cz), last)

    def spans(self, cell: Triple) -> tuple[Span, Span, Span]:
        """Return the voxels (z, y, x) of a chunk."""
        x, y, z = (self.grid.extent(axis, place) for axis, place in enumerate(cell))
        return z, y, x


class LabelCodec:
    """Chunks and shards as cloud-volume makes them. Needs a folder that it may keep things in."""

    def __init__(self, home: Path) -> None:
        cloudvolume = _quiet_cloudvolume(home)
        self._chunks = cloudvolume.chunks
        self._create_info = cloudvolume.CloudVolume.create_new_info
        sharding = importlib.import_module("cloudvolume.datasource.precomputed.sharding")
        self._specification = sharding.ShardingSpecification
        self._gzip = choose_codec("gzip")
        self._even: dict[tuple[tuple[int, ...], int], bytes] = {}

    @property
    def name(self) -> str:
        return self._gzip.name

    def encode(self, labels: np.ndarray) -> bytes:
        """Encode a chunk (z, y, x) uint32. One of a single label is encoded once for its shape."""
        first = int(labels.flat[0])
        if not (labels == first).all():
            return self._encoded(labels)
        key = (labels.shape, first)
        if key not in self._even:
            self._even[key] = self._encoded(labels)
        return self._even[key]

    def decode(self, data: bytes, shape_zyx: Sequence[int]) -> np.ndarray:
        z, y, x = shape_zyx
        found = self._chunks.decode(
            gzip.decompress(data), _ENCODING, shape=(x, y, z, 1), dtype=np.uint32, block_size=_BLOCK
        )
        return np.asarray(found)[..., 0].T

    def shard(self, sharding: Sharding, chunks: dict[int, bytes]) -> bytes:
        """Put the encoded chunks, by their codes, together as a shard file."""
        document = {**sharding.to_json(), "data_encoding": "raw"}  # they are compressed already
        made = self._specification.from_dict(document).synthesize_shard(chunks, progress=False)
        return cast("bytes", made)

    def info(self, scales: Sequence[LabelScale]) -> JsonDict:
        """Return the info document of the volume."""
        infos = [self._scale_info(scale) for scale in scales]
        first = infos[0]
        first["scales"] = [info["scales"][0] for info in infos]
        return cast("JsonDict", first)

    def _scale_info(self, scale: LabelScale) -> dict[str, list[JsonDict]]:
        info = self._create_info(
            num_channels=1,
            layer_type="segmentation",
            data_type="uint32",
            encoding=_ENCODING,
            resolution=list(scale.scale.resolution_nm),
            voxel_offset=[0, 0, 0],
            volume_size=list(scale.scale.size),
            chunk_size=list(CHUNK),
            compressed_segmentation_block_size=list(_BLOCK),
        )
        info["scales"][0].update(key=scale.scale.key, sharding=scale.sharding.to_json())
        info["@type"] = "neuroglancer_multiscale_volume"
        return cast("dict[str, list[JsonDict]]", info)

    def _encoded(self, labels: np.ndarray) -> bytes:
        voxels = np.ascontiguousarray(labels, dtype=np.uint32).T[..., None]
        data = self._chunks.encode(voxels, _ENCODING, block_size=_BLOCK)
        assert self._gzip.encode is not None
        return self._gzip.encode(memoryview(data))


class ScaleLabels:
    """A scale that has been written, as the source of the next one."""

    def __init__(self, codec: LabelCodec, scale: LabelScale) -> None:
        self._codec = codec
        self._scale = scale
        self.shape: Triple = scale.scale.size[::-1]

    def box(self, z: Span, y: Span, x: Span) -> np.ndarray:
        spans = (z, y, x)
        found = np.empty([stop - start for start, stop in spans], dtype=np.uint32)
        cells = [
            range(start // side, -(-stop // side))
            for (start, stop), side in zip(spans, CHUNK[::-1], strict=True)
        ]
        for cz, cy, cx in product(*cells):
            inside = self._scale.spans((cx, cy, cz))
            pairs = list(zip(spans, inside, strict=True))
            target = tuple(slice(max(a, c) - a, min(b, d) - a) for (a, b), (c, d) in pairs)
            part = tuple(slice(max(a, c) - c, min(b, d) - c) for (a, b), (c, d) in pairs)
            found[target] = self._chunk((cx, cy, cz), inside)[part]
        return found

    def _chunk(self, cell: Triple, spans: Sequence[Span]) -> np.ndarray:
        code, sharding = self._scale.code(cell), self._scale.sharding
        path = self._scale.path(sharding.shard_of(code))
        with path.open("rb") as stream:

            def read(_key: str, offset: int, count: int | None) -> bytes:
                stream.seek(offset)
                return stream.read(-1 if count is None else count)

            data = read("", *locate(read, path.name, sharding, code))
        return self._codec.decode(data, [stop - start for start, stop in spans])


class SegmentationWriter:
    """Writes the shards of all scales that are not there yet, each scale from the one before."""

    def __init__(self, codec: LabelCodec, scales: Sequence[LabelScale], threads: int) -> None:
        self._codec = codec
        self._scales = scales
        self._threads = threads
        self.done = 0
        self.total = sum(scale.chunks for scale in scales)

    def write(self, labels: Boxes, after_row: Callable[[], None]) -> None:
        """Write everything, calling `after_row` often; `done` counts chunks."""
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            source: Boxes = labels
            for number, scale in enumerate(self._scales):
                scale.folder.mkdir(exist_ok=True)
                if number:
                    below = self._scales[number - 1]
                    source = _Modes(ScaleLabels(self._codec, below), scale.scale.step)
                for shard in scale.shards():
                    self._write_shard(scale, shard, source, pool, after_row)

    def _write_shard(
        self,
        scale: LabelScale,
        shard: Shard,
        source: Boxes,
        pool: ThreadPoolExecutor,
        after_row: Callable[[], None],
    ) -> None:
        path = scale.path(shard.number)
        width = shard.last[0] - shard.first[0]
        if path.exists():
            self.done += width * len(list(shard.rows()))
            return
        chunks: dict[int, bytes] = {}
        try:
            made = pool.map(lambda row: self._row(scale, shard, source, *row), shard.rows())
            for row in made:
                chunks.update(row)
                self.done += width
                after_row()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        _write_whole(path, self._codec.shard(scale.sharding, chunks))

    def _row(
        self, scale: LabelScale, shard: Shard, source: Boxes, cz: int, cy: int
    ) -> dict[int, bytes]:
        """Encode one row of chunks along x."""
        first, last = shard.first[0], shard.last[0]
        z, y, (start, _) = scale.spans((first, cy, cz))
        stop = scale.spans((last - 1, cy, cz))[2][1]
        labels = source.box(z, y, (start, stop))
        row = {}
        for cx in range(first, last):
            _, _, (left, right) = scale.spans((cx, cy, cz))
            part = labels[:, :, left - start : right - start]
            row[scale.code((cx, cy, cz))] = self._codec.encode(part)
        return row


class _Modes:
    """Boxes of a scale, made from the one before, one chunk at a time."""

    def __init__(self, below: ScaleLabels, step: Triple) -> None:
        self._below = below
        self._step = step[::-1]

    def box(self, z: Span, y: Span, x: Span) -> np.ndarray:
        width = CHUNK[0]
        parts = [self._part(z, y, (start, min(start + width, x[1]))) for start in range(*x, width)]
        return np.concatenate(parts, axis=2)

    def _part(self, *spans: Span) -> np.ndarray:
        wanted = [
            (start * s, min(stop * s, n))
            for (start, stop), s, n in zip(spans, self._step, self._below.shape, strict=True)
        ]
        z, y, x = wanted
        step = (self._step[2], self._step[1], self._step[0])
        return mode_of_blocks(self._below.box(z, y, x), step)


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".writing")
    try:
        write_durably(temporary, data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)  # on a full disk half a shard is only in the way
        raise


def _quiet_cloudvolume(home: Path) -> ModuleType:
    """Import cloud-volume so that it makes and looks up its folders in `home`, not in the user's.

    Which folders these are is settled by its first import in a process.
    """
    before = {name: os.environ.get(name) for name in _HOME_SETTINGS}
    os.environ.update(dict.fromkeys(_HOME_SETTINGS, str(home)))
    try:
        return importlib.import_module("cloudvolume")
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
