"""Peak memory of blend_sheets, downsize and correct; it does not grow with the number of planes.

Each function takes the spec and the size (y, x) of the planes that the step reads, which after
stitching is that of the merged ones, and returns bytes for the whole process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.contract import Json, StepSpec

_BASE: Final = 90 << 20  # Python, numpy, scipy, tifffile and the codecs, and some slack
_READ_AND_WRITTEN: Final = 8  # bytes a pixel: decoded, and packed in memory before it is written
_TURN: Final = 80 << 20  # the block that is turned, and the one that is written
_SAMPLE: Final = 4  # bytes a pixel for the level of both sheets
_FLAT: Final = 12  # bytes a pixel while a flat field is read or made
_BINS: Final = 2.5  # frequencies along x that a sigma of 1 reaches
_SPECTRUM: Final = 3 * 8  # bytes a frequency and row while wavelets take it apart


def blend_sheets(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak of blending; with a downsized volume, of both."""
    height, width = plane_yx
    pixels = height * width
    sheets = spec.inputs.get("sheets")
    count = len(sheets) if isinstance(sheets, list) else 2
    need = _BASE + spec.threads * pixels * (_READ_AND_WRITTEN + 2 * count)
    if spec.parameters.get("equalize", "none") != "none":
        need += _SAMPLE * pixels
    asked = spec.parameters.get("downsized")
    if isinstance(asked, dict):
        to_voxel = _along_source(asked)
        need += _reducing(spec, plane_yx, to_voxel)
    return need


def downsize(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak of downsizing alone."""
    to_voxel = _along_source({**spec.parameters, "voxel_um": spec.parameters.get("to_voxel_um")})
    reading = spec.threads * plane_yx[0] * plane_yx[1] * _READ_AND_WRITTEN
    return _BASE + reading + _reducing(spec, plane_yx, to_voxel)


def correct(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the peak of flat field and destriping."""
    height, width = plane_yx
    given = spec.parameters.get("sigma", [0, 0])
    sigmas = {_number(item) for item in given} - {0.0} if isinstance(given, list) else {0.0}
    frequencies = sum(min(width / 2 + 1, _BINS * sigma + 2) for sigma in sigmas)
    each = height * (width * (_READ_AND_WRITTEN + 6) + frequencies * _SPECTRUM)
    return int(_BASE + height * width * _FLAT + spec.threads * each)


def _reducing(
    spec: StepSpec, plane_yx: tuple[int, int], to_voxel: tuple[float, float, float]
) -> int:
    """Bytes for the means: rows on their way in each thread, those that wait, and the turn."""
    voxel = _triple(spec.parameters.get("voxel_um"))
    x, y = (
        max(1.0, side * a / b) for side, a, b in zip(plane_yx[::-1], voxel, to_voxel, strict=False)
    )
    rows, small = 8 * y * plane_yx[1], 8 * x * y
    return int(_TURN + spec.threads * (2.5 * rows + 3 * small) + 3 * small)


def _along_source(asked: dict[str, Json]) -> tuple[float, float, float]:
    """The result's voxel size along the axes of the source (x, y, z)."""
    axes, to_axes = asked.get("axes"), asked.get("to_axes")
    size = _triple(asked.get("voxel_um"))
    if not isinstance(axes, list) or not isinstance(to_axes, list):
        return size
    ways = [frozenset(str(way)) for way in to_axes]
    found = [size[ways.index(frozenset(str(way)))] for way in axes if frozenset(str(way)) in ways]
    return (found[0], found[1], found[2]) if len(found) == 3 else size


def _triple(value: Json) -> tuple[float, float, float]:
    if not isinstance(value, list) or len(value) != 3:
        return 1.0, 1.0, 1.0
    x, y, z = (_number(item) or 1.0 for item in value)
    return x, y, z


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
