"""Read the volumes of an atlas: TIFF or NIfTI, as numpy (z, y, x) with what the file says of them.

The only importer of nibabel.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel
import numpy as np
import tifffile

from pipeline.errors import BadInput
from pipeline.io.tiff_volume import open_volume
from pipeline.orientation import Axes

Um = tuple[float, float, float]

_NIFTI: Final = (".nii", ".nii.gz")
_TIFF: Final = (".tif", ".tiff")
# The end of each axis that grows, as nibabel names it, and our name of the direction.
_DIRECTIONS: Final = {"L": "RL", "R": "LR", "A": "PA", "P": "AP", "S": "VD", "I": "DV"}
_UM_PER: Final = {"mm": 1000.0, "meter": 1e6, "micron": 1.0}
_MOST: Final = 65535
# What the side of a voxel can be: from a nanometre, in which viewers count, to a metre.
LEAST_UM, MOST_UM = 0.001, 1e6


@dataclass(frozen=True, slots=True)
class FoundVolume:
    """Voxels (z, y, x); voxel size along (x, y, z) and axes where the file tells them."""

    path: Path
    voxels: np.ndarray
    voxel_um: Um | None = None
    axes: Axes | None = None


def read(path: Path) -> FoundVolume:
    """Read a volume. Raises BadInput naming the file."""
    name = path.name.lower()
    if not path.is_file():
        raise BadInput(f"There is no file {path}. Check its name, then try again.")
    if name.endswith(_NIFTI):
        return _nifti(path)
    if name.endswith(_TIFF):
        return FoundVolume(path, open_volume(path), _tiff_voxel_um(path))
    raise BadInput(f"{path.name} is neither TIFF nor NIfTI ({', '.join(_TIFF + _NIFTI)}).")


def as_template(found: FoundVolume) -> tuple[np.ndarray, list[str]]:
    """Return the template as uint16 with remarks. Raises BadInput for one that shows nothing."""
    values = found.voxels
    if values.dtype.kind not in "uif":
        raise BadInput(f"{found.path.name} holds {values.dtype}; a template has grey values.")
    _require_voxels(found)
    lowest, highest = float(values.min()), float(values.max())
    if not np.isfinite([lowest, highest]).all():
        raise BadInput(f"{found.path.name} has values that are no numbers. Export it again.")
    if lowest == highest:
        raise BadInput(
            f"{found.path.name} is blank: every voxel is {lowest:g}. Give the template that goes "
            "with the annotation."
        )
    if lowest >= 0 and highest <= _MOST and _is_whole(values):
        return values.astype(np.uint16), []
    bottom = min(0.0, lowest)
    factor = _MOST / (highest - bottom)
    if not 0 < factor < math.inf:
        raise BadInput(
            f"{found.path.name} goes from {lowest:g} to {highest:g}, which cannot be brought to 16 "
            "bits. Export it again."
        )
    scaled = (values.astype(np.float64) - bottom) * factor
    remark = (
        f"{found.path.name}: {bottom:g} to {highest:g} became 0 to {_MOST}, since templates are "
        "16-bit."
    )
    return np.rint(scaled).astype(np.uint16), [remark]


def as_labels(found: FoundVolume) -> np.ndarray:
    """Return the annotation as uint16, or uint32 where ids need it. Raises BadInput."""
    values, name = found.voxels, found.path.name
    _require_voxels(found)
    if values.dtype.kind not in "uif" or not _is_whole(values):
        raise BadInput(f"{name} holds {values.dtype} and no ids; an annotation has whole numbers.")
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest > 0xFFFFFFFF:
        worst = lowest if lowest < 0 else highest
        raise BadInput(
            f"{name} has the id {worst}; ids go from 0 to {0xFFFFFFFF} (32 bits). Number the "
            "structures anew, in the ontology too."
        )
    if highest == 0:
        raise BadInput(f"{name} has no region: every voxel is 0. Give the annotation volume.")
    return values.astype(np.uint16 if highest <= _MOST else np.uint32)


def in_um(x: float, y: float, z: float) -> Um | None:
    """Return the sides of a voxel, or None if no voxel has these."""
    return (x, y, z) if all(LEAST_UM <= side <= MOST_UM for side in (x, y, z)) else None


def _require_voxels(found: FoundVolume) -> None:
    if found.voxels.size == 0:
        raise BadInput(f"{found.path.name} has no voxel. Export it again.")


def _is_whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "ui" or all(
        bool((np.isfinite(plane) & (plane == np.rint(plane))).all()) for plane in values
    )


def _nifti(path: Path) -> FoundVolume:
    try:
        image: Any = nibabel.load(path)
        voxels = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel raises whatever its parts do
        raise BadInput(f"{path.name} is no NIfTI that can be read: {error}.") from error
    voxels = (
        voxels.reshape(voxels.shape[:3]) if voxels.size == np.prod(voxels.shape[:3]) else voxels
    )
    if voxels.ndim != 3:
        raise BadInput(f"{path.name} has {voxels.ndim} dimensions; a volume has 3.")
    header = image.header
    x, y, z = (float(side) * _unit_um(header) for side in header.get_zooms()[:3])
    is_placed = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    axes = _axes(image.affine) if is_placed else None
    return FoundVolume(path, voxels.T, in_um(x, y, z), axes)


def _unit_um(header: Any) -> float:
    """Where the file names no unit, it is a millimetre, as NIfTI programs take it."""
    try:
        return _UM_PER.get(header.get_xyzt_units()[0], 1000.0)
    except KeyError:  # a code that means nothing
        return 1000.0


def _axes(affine: np.ndarray) -> Axes | None:
    try:
        codes: tuple[Any, ...] = nibabel.aff2axcodes(affine)  # type: ignore[no-untyped-call]
    except (ValueError, np.linalg.LinAlgError):  # numbers that place nothing
        return None
    if any(code not in _DIRECTIONS for code in codes):
        return None
    x, y, z = (_DIRECTIONS[code] for code in codes)
    return x, y, z


def _tiff_voxel_um(path: Path) -> Um | None:
    """What a TIFF in ImageJ's manner says, where its unit is a micrometre."""
    with tifffile.TiffFile(path, is_ome=False) as tiff:
        stated = tiff.imagej_metadata or {}
        tags = tiff.pages.first.tags
        if stated.get("unit") not in ("micron", "um", "µm", "\\u00B5m"):
            return None
        try:
            per = [tags[name].value for name in ("XResolution", "YResolution")]
            factor = {1: 1.0, 2: 25400.0, 3: 10000.0}[int(tags["ResolutionUnit"].value)]
            x, y = (denominator / count * factor for count, denominator in per)
            z = float(stated["spacing"])
        except (KeyError, ValueError, ZeroDivisionError, TypeError, OverflowError):
            return None
    return in_um(x, y, z)
