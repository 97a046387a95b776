"""Which steps exist, where their code is and which names they take; nothing is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Signature:
    """The names in a spec: those a step needs and those it also takes."""

    inputs: frozenset[str]
    parameters: frozenset[str]
    outputs: frozenset[str]
    optional_inputs: frozenset[str] = frozenset()
    optional_parameters: frozenset[str] = frozenset()


STEPS: Final[dict[str, str]] = {
    "inspect_raw": "pipeline.steps.inspect_raw:run",
    "precompute": "pipeline.steps.precompute:run",
    "verify_raw": "pipeline.steps.verify_raw:run",
}

SIGNATURES: Final[dict[str, Signature]] = {
    "inspect_raw": Signature(
        inputs=frozenset({"folder"}),
        parameters=frozenset({"channels", "layout"}),
        outputs=frozenset({"manifest"}),
        optional_inputs=frozenset({"manifest_digest"}),
        optional_parameters=frozenset({"waived", "on_problem"}),
    ),
    "precompute": Signature(
        inputs=frozenset({"folder", "layout"}),
        parameters=frozenset({"voxel_um", "compression"}),
        outputs=frozenset({"volume"}),
        optional_inputs=frozenset(
            {"channel_index", "sheet_code", "planes", "manifest", "manifest_digest", "absent"}
        ),
        optional_parameters=frozenset({"mips", "chunk", "channel", "color", "checkpoint_seconds"}),
    ),
    "verify_raw": Signature(
        inputs=frozenset({"folder", "layout", "manifest"}),
        parameters=frozenset(),
        outputs=frozenset(),
        optional_inputs=frozenset({"manifest_digest"}),
        optional_parameters=frozenset({"on_problem"}),
    ),
}

# What `python -m pipeline check` must find installed, beyond the standard library.
PACKAGES: Final[tuple[str, ...]] = ("numpy", "tifffile", "imagecodecs")
OPTIONAL_PACKAGES: Final[tuple[str, ...]] = ("isal",)
