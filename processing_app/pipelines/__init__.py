"""Pipelines as data: which steps a run has, built from plain values. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from processing_app.choices import Chosen
from processing_app.pipelines.parts import (
    LONGEST_KEY,
    MERGED_SHEETS,
    READABLE,
    Channel,
    Delivery,
    Json,
    PlannedStep,
    dashed,
    key_of,
    manifest_of,
    raw_folder,
)
from processing_app.pipelines.plan import Reference, Wanted, Wish
from processing_app.pipelines.processing import (
    CORRECTION,
    LIGHTSHEET,
    STITCHING,
    Correction,
    Corrections,
    correction_steps,
    lightsheet_steps,
    stitching_steps,
)
from processing_app.pipelines.raw import (
    CHECK,
    OF_DELIVERIES,
    RAW,
    VERIFY,
    check_steps,
    raw_steps,
    verify_steps,
)

__all__ = [
    "BY_ITSELF", "CHECK", "CORRECTION", "LIGHTSHEET", "LONGEST_KEY", "MERGED_SHEETS",
    "OF_DELIVERIES", "PLANNERS", "RAW", "READABLE", "READ_BY", "STARTED", "STITCHING", "VERIFY",
    "Channel", "Correction", "Corrections", "Delivery", "Json", "PlannedStep", "Reference",
    "Wanted", "Wish", "check_steps", "correction_steps", "dashed", "key_of", "lightsheet_steps",
    "manifest_of", "raw_folder", "raw_steps", "stitching_steps", "verify_steps",
]  # fmt: skip

Planner = Callable[[str, Sequence[Delivery], Chosen | None], list[PlannedStep]]
# Those that need nothing but what was delivered; the others need a round of processing.
PLANNERS: Final[Mapping[str, Planner]] = {
    RAW: raw_steps,
    CHECK: check_steps,
    VERIFY: verify_steps,
    STITCHING: stitching_steps,
}
# What an objective calls its pipeline, and the pipeline that a person starts for it.
STARTED: Final[Mapping[str, str]] = {"lightsheet": LIGHTSHEET, "smartspim": CORRECTION}
# What begins by itself when a sample is imaged.
BY_ITSELF: Final = (RAW, STITCHING)
# Those that read the planes which another one makes; it does not make them anew meanwhile.
READ_BY: Final[Mapping[str, tuple[str, ...]]] = {STITCHING: (CORRECTION,)}
