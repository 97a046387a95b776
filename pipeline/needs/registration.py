"""Peak memory of the steps that register, from the sizes in their specifications.

`size` and `template_size` (`annotation_size`) in the parameters say how many voxels there are.
Without them a volume is taken to be as large as the field in which a mouse brain is imaged. The
coefficients were measured with elastix 5.0.1 on volumes of 1 to 10 million voxels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.contract import StepSpec

_FIELD_UM: Final = (12_000.0, 15_000.0, 10_000.0)
# Python with scipy; comparing in small takes so much per voxel of at most so many.
_BASE: Final = 220_000_000
_SMALL: Final = 40
_MOST_SMALL: Final = 4_000_000
# elastix and transformix: images are float32, the coefficients of cubic splines are double.
_ENGINE_BASE: Final = 100_000_000
_MOVING, _FIXED = 14, 8


def register(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return bytes; `plane_yx` says nothing of a downsized volume and is not looked at."""
    fixed = _voxels(spec, "template_size", "template_voxel_um")
    return _registration(fixed, _voxels(spec, "size", "voxel_um"))


def register_back(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return bytes, with the roles exchanged."""
    moving = _voxels(spec, "template_size", "template_voxel_um")
    return _registration(_voxels(spec, "size", "voxel_um"), moving)


def transform(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return bytes; with a reference, whose size is taken to be the channel's, it is more."""
    moving = _voxels(spec, "size", "voxel_um")
    fixed = _voxels(spec, "template_size", "template_voxel_um")
    onto = [fixed, moving] if "reference" in spec.inputs else [fixed]
    return max(_registration(voxels, moving) for voxels in onto)


def warp_labels(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return bytes; ids are 4 bytes and their numbers 4 more, or 8 and 4 where they are wide."""
    atlas = _voxels(spec, "annotation_size", "annotation_voxel_um")
    sample = _voxels(spec, "size", "voxel_um")
    return max(_BASE + 12 * atlas + 6 * sample, _engine(sample, atlas))


def _registration(fixed: int, moving: int) -> int:
    own = _BASE + 2 * (fixed + moving) + 6 * max(fixed, moving)
    return max(own + _SMALL * min(max(fixed, moving), _MOST_SMALL), _engine(fixed, moving))


def _engine(fixed: int, moving: int) -> int:
    return _ENGINE_BASE + _MOVING * moving + _FIXED * fixed


def _voxels(spec: StepSpec, size: str, voxel_um: str) -> int:
    """How many voxels a volume has by the spec, or the field of a mouse brain has at its size."""
    given = spec.parameters.get(size)
    if isinstance(given, list) and len(given) == 3:
        x, y, z = (_number(side) for side in given)
        return round(x * y * z)
    sides = spec.parameters.get(voxel_um)
    assert isinstance(sides, list)
    x, y, z = (field / _number(side) for field, side in zip(_FIELD_UM, sides, strict=True))
    return round(x * y * z)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
