"""How much memory each step takes at its peak, from its spec and the size of a raw plane alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.contract import StepSpec

# Which module knows it. Steps that are not named take little, or are not ours.
_MODULES: Final[Mapping[str, str]] = {
    "assess": "results",
    "blend_sheets": "planes",
    "correct": "planes",
    "count_regions": "results",
    "detect_cells": "results",
    "downsize": "planes",
    "export_zarr": "results",
    "merge_tiles": "stitching",
    "place_tiles": "stitching",
    "precompute_labels": "labels",
    "register": "registration",
    "register_back": "registration",
    "transform": "registration",
    "warp_labels": "registration",
}


def is_known(step: str) -> bool:
    """Return True if the peak of this step can be told beforehand."""
    return step in _MODULES


def peak_bytes(spec: StepSpec, plane_yx: tuple[int, int]) -> int:
    """Return the most memory that the step and its programs take at once, in bytes.

    `plane_yx` is the size of the planes that it reads: raw ones, or merged ones after stitching.
    Raises KeyError for a step of which it is not known.
    """
    module = import_module(f"pipeline.needs.{_MODULES[spec.step]}")
    return int(getattr(module, spec.step)(spec, plane_yx))
