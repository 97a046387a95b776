"""What a viewer wants to know of a volume: brightness range, display window, a small picture."""

from __future__ import annotations

import struct
import threading
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.io.pyramid import Scale

_GREY_LEVELS = 1 << 16
_BRIGHTEST = _GREY_LEVELS - 1
_LOW_PERCENT, _HIGH_PERCENT = 1.0, 99.8
_HISTOGRAM_MIP = 2
_THUMBNAIL_PIXELS = 256


@dataclass(slots=True)
class Survey:
    """Filled while the volume is written, by several threads; their order does not matter."""

    histogram_mip: int
    thumbnail_mip: int
    picture: np.ndarray  # (y, x) of the thumbnail's mip
    middle: int  # its z
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(_GREY_LEVELS, dtype=np.int64))
    lowest: int = _BRIGHTEST
    highest: int = 0
    saturated: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def plan(cls, scales: Sequence[Scale]) -> Survey:
        """Choose a mip that is coarse enough to be cheap and fine enough to tell."""
        thumbnail = _thumbnail_mip(scales)
        width, height, depth = scales[thumbnail].size
        return cls(
            histogram_mip=min(_HISTOGRAM_MIP, len(scales) - 1),
            thumbnail_mip=thumbnail,
            picture=np.zeros((height, width), dtype=np.uint16),
            middle=depth // 2,
        )

    def see_raw(self, rows: np.ndarray) -> tuple[int, int, int]:
        """Lowest, highest and number of saturated values of some rows of mip 0."""
        highest = int(rows.max())
        saturated = int(np.count_nonzero(rows == _BRIGHTEST)) if highest == _BRIGHTEST else 0
        return int(rows.min()), highest, saturated

    def add_raw(self, seen: Sequence[tuple[int, int, int]]) -> None:
        """Take over what `see_raw` said about many pieces."""
        with self._lock:
            self.lowest = min(self.lowest, *(low for low, _, _ in seen))
            self.highest = max(self.highest, *(high for _, high, _ in seen))
            self.saturated += sum(count for _, _, count in seen)

    def see(self, mip: int, z: int, y: int, values: np.ndarray) -> None:
        """Look at a finished block (z, y, x) of a mip that spans all columns, at plane z, row y."""
        if mip == self.histogram_mip:
            counts = np.bincount(values.ravel(), minlength=_GREY_LEVELS)
            with self._lock:
                self.histogram += counts
        if mip == self.thumbnail_mip and z <= self.middle < z + len(values):
            self.picture[y : y + values.shape[1]] = values[self.middle - z]

    def wants(self, mip: int) -> bool:
        return mip in (self.histogram_mip, self.thumbnail_mip)

    def window(self) -> tuple[int, int]:
        """The 1st and 99.8th percentile; never empty, so that a viewer can use it as it is."""
        totals = np.cumsum(self.histogram)
        low, high = (
            int(np.searchsorted(totals, np.ceil(totals[-1] * percent / 100)))
            for percent in (_LOW_PERCENT, _HIGH_PERCENT)
        )
        return (low, high) if high > low else (max(0, low - 1), max(1, low))

    def thumbnail(self) -> bytes:
        """The middle plane as an 8-bit PNG of at most 256 x 256 pixels, in the display window."""
        small = _reduced(self.picture, _THUMBNAIL_PIXELS)
        low, high = self.window()
        grey = np.clip((small - low) * (255.0 / (high - low)), 0, 255)
        return png(np.round(grey).astype(np.uint8))

    def state(self) -> dict[str, np.ndarray]:
        numbers = np.array([self.lowest, self.highest, self.saturated], dtype=np.int64)
        return {"histogram": self.histogram, "picture": self.picture, "numbers": numbers}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.histogram, self.picture = state["histogram"], state["picture"]
        self.lowest, self.highest, self.saturated = (int(number) for number in state["numbers"])


def _thumbnail_mip(scales: Sequence[Scale]) -> int:
    large = [mip for mip, s in enumerate(scales) if max(s.size[:2]) >= _THUMBNAIL_PIXELS]
    return large[-1] if large else 0


def _reduced(picture: np.ndarray, most: int) -> np.ndarray:
    """Mean over square blocks so that neither side exceeds `most`; a remainder is cut off."""
    block = -(-max(picture.shape) // most)
    rows, columns = (max(1, n // block) for n in picture.shape)
    height, width = (min(n, m * block) for n, m in zip(picture.shape, (rows, columns), strict=True))
    part = picture[:height, :width].astype(np.float64)
    sums = np.add.reduceat(part, np.arange(0, height, block), axis=0)
    sums = np.add.reduceat(sums, np.arange(0, width, block), axis=1)
    return np.asarray(sums / (min(block, height) * min(block, width)))


def png(grey: np.ndarray) -> bytes:
    """Encode a (y, x) uint8 picture."""
    height, width = grey.shape
    lines = np.zeros((height, width + 1), dtype=np.uint8)  # each line begins with filter type 0
    lines[:, 1:] = grey
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*part) for part in parts)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
