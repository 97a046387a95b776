"""MetaImage files (.mha), in which elastix gets volumes with their voxel size.

The format: https://itk.org/Wiki/ITK/MetaIO/Documentation. Arrays are numpy (z, y, x); what the
header says of sizes and spacing is (x, y, z).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

_TYPES: Final = {
    "MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "<u2", "MET_SHORT": "<i2",
    "MET_UINT": "<u4", "MET_INT": "<i4", "MET_FLOAT": "<f4", "MET_DOUBLE": "<f8",
}  # fmt: skip
_NAMES: Final = {np.dtype(code): name for name, code in _TYPES.items()}
_LONGEST_HEADER: Final = 4096


@dataclass(frozen=True, slots=True)
class MetaImage:
    """A volume (z, y, x) and its voxel size (x, y, z) in the unit of the file."""

    voxels: np.ndarray
    spacing: tuple[float, float, float]


def write_metaimage(path: Path, voxels: np.ndarray, spacing: tuple[float, float, float]) -> None:
    """Write a volume (z, y, x) with its voxel size (x, y, z); its corner is at the origin.

    The format counts from the center of the first voxel, so that is half a voxel away. Types that
    it has not become single precision, in which elastix computes whatever it gets.
    """
    name = _NAMES.get(voxels.dtype.newbyteorder("<"), "MET_FLOAT")
    z, y, x = voxels.shape
    center = " ".join(repr(side / 2) for side in spacing)
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = {center}\n"
        f"ElementSpacing = {spacing[0]!r} {spacing[1]!r} {spacing[2]!r}\nDimSize = {x} {y} {z}\n"
        f"ElementType = {name}\nElementDataFile = LOCAL\n"
    )
    with path.open("wb") as stream:
        stream.write(header.encode("ascii"))
        for plane in voxels:
            stream.write(np.ascontiguousarray(plane, dtype=_TYPES[name]).data)
        stream.flush()
        os.fsync(stream.fileno())


def read_metaimage(path: Path) -> MetaImage:
    """Map an uncompressed MetaImage; raises BadInput for anything else."""
    try:
        fields, offset = _fields(_head(path))
        x, y, z = (int(word) for word in fields["DimSize"].split())
        a, b, c = (float(word) for word in fields["ElementSpacing"].split())
        kind = _TYPES[fields["ElementType"]]
        if fields["ElementDataFile"] != "LOCAL" or fields.get("CompressedData") == "True":
            raise ValueError("its voxels are compressed or elsewhere")
        voxels = np.memmap(path, dtype=kind, mode="r", offset=offset, shape=(z, y, x))
    except (OSError, KeyError, ValueError) as error:
        raise BadInput(f"{path.name} is no MetaImage that can be read: {error}.") from error
    return MetaImage(voxels, (a, b, c))


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_LONGEST_HEADER)


def _fields(head: bytes) -> tuple[dict[str, str], int]:
    """Return the header's fields and where the voxels begin: after the line on their file."""
    fields: dict[str, str] = {}
    offset = 0
    for line in head.split(b"\n"):
        offset += len(line) + 1
        key, _, value = line.decode("ascii", "replace").partition("=")
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return fields, offset
    raise ValueError("its header has no end")
