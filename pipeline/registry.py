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
    optional_outputs: frozenset[str] = frozenset()


STEPS: Final[dict[str, str]] = {
    "blend_sheets": "pipeline.steps.blend_sheets:run",
    "correct": "pipeline.steps.correct:run",
    "downsize": "pipeline.steps.downsize:run",
    "assess": "pipeline.steps.assess:run",
    "count_regions": "pipeline.steps.count_regions:run",
    "detect_cells": "pipeline.steps.detect_cells:run",
    "export_zarr": "pipeline.steps.export_zarr:run",
    "inspect_raw": "pipeline.steps.inspect_raw:run",
    "merge_tiles": "pipeline.steps.merge_tiles:run",
    "place_tiles": "pipeline.steps.place_tiles:run",
    "precompute": "pipeline.steps.precompute:run",
    "precompute_labels": "pipeline.steps.precompute_labels:run",
    "register": "pipeline.steps.register:run",
    "register_back": "pipeline.steps.register:run_back",
    "script": "pipeline.steps.script:run",
    "transform": "pipeline.steps.transform:run",
    "verify_raw": "pipeline.steps.verify_raw:run",
    "warp_labels": "pipeline.steps.warp_labels:run",
}

_REGISTRATION: Final = Signature(
    inputs=frozenset({"volume", "template"}),
    parameters=frozenset({"voxel_um", "template_voxel_um"}),
    outputs=frozenset({"folder"}),
    optional_parameters=frozenset({"settings", "least_score", "size", "template_size"}),
)

SIGNATURES: Final[dict[str, Signature]] = {
    "blend_sheets": Signature(
        inputs=frozenset({"sheets"}),
        parameters=frozenset({"voxel_um", "name"}),
        outputs=frozenset({"planes"}),
        optional_parameters=frozenset({"slope", "equalize", "downsized"}),
        optional_outputs=frozenset({"downsized"}),
    ),
    "correct": Signature(
        inputs=frozenset({"folder"}),
        parameters=frozenset({"name"}),
        outputs=frozenset({"planes"}),
        optional_inputs=frozenset({"flat"}),
        optional_parameters=frozenset(
            {"dark", "sigma", "wavelet", "level", "crossover", "flat_from"}
        ),
    ),
    "downsize": Signature(
        inputs=frozenset({"folder"}),
        parameters=frozenset({"voxel_um", "to_voxel_um", "axes", "to_axes"}),
        outputs=frozenset({"volume"}),
        optional_parameters=frozenset({"absent"}),
    ),
    "assess": Signature(
        inputs=frozenset({"channels"}),
        parameters=frozenset({"voxel_um"}),
        outputs=frozenset({"sheet"}),
        optional_inputs=frozenset({"placements", "registration"}),
        optional_parameters=frozenset({"planes", "limits"}),
    ),
    "count_regions": Signature(
        inputs=frozenset({"labels", "volumes", "cells", "tree"}),
        parameters=frozenset({"voxel_um", "axes", "cells_axes"}),
        outputs=frozenset({"table"}),
        optional_inputs=frozenset({"hemispheres"}),
        optional_parameters=frozenset({"midline"}),
    ),
    "detect_cells": Signature(
        inputs=frozenset({"folder"}),
        parameters=frozenset({"voxel_um"}),
        outputs=frozenset({"cells"}),
        optional_inputs=frozenset({"planes"}),
        optional_parameters=frozenset(
            {"diameter_um", "threshold", "most_per_mm3", "channel", "color"}
        ),
    ),
    "export_zarr": Signature(
        inputs=frozenset({"volume"}),
        parameters=frozenset(),
        outputs=frozenset({"zarr"}),
        optional_parameters=frozenset({"channel", "color", "compression"}),
    ),
    "inspect_raw": Signature(
        inputs=frozenset({"folder"}),
        parameters=frozenset({"channels", "layout"}),
        outputs=frozenset({"manifest"}),
        optional_inputs=frozenset({"manifest_digest"}),
        optional_parameters=frozenset({"waived", "on_problem"}),
    ),
    "merge_tiles": Signature(
        inputs=frozenset({"folder", "layout", "columns", "rows", "planes", "placements"}),
        parameters=frozenset({"voxel_um", "name"}),
        outputs=frozenset({"planes"}),
        optional_inputs=frozenset(
            {"channel_index", "sheet_code", "absent", "manifest", "manifest_digest"}
        ),
        optional_parameters=frozenset({"equalize"}),
    ),
    "place_tiles": Signature(
        inputs=frozenset({"folder", "layout", "columns", "rows", "planes"}),
        parameters=frozenset({"voxel_um", "overlap"}),
        outputs=frozenset({"placements"}),
        optional_inputs=frozenset(
            {"channel_index", "sheet_codes", "absent", "manifest", "manifest_digest"}
        ),
        optional_parameters=frozenset({"search_um", "least_correlation"}),
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
    "precompute_labels": Signature(
        inputs=frozenset({"labels"}),
        parameters=frozenset({"voxel_um"}),
        outputs=frozenset({"volume"}),
        optional_inputs=frozenset({"tree", "like"}),
        optional_parameters=frozenset({"onto", "mips", "channel", "color"}),
    ),
    "register": _REGISTRATION,
    "register_back": _REGISTRATION,
    "script": Signature(
        inputs=frozenset({"folder", "channels", "layout"}),
        parameters=frozenset({"command", "unit", "values", "version"}),
        outputs=frozenset({"folder"}),
        optional_inputs=frozenset({"before", "manifest", "manifest_digest"}),
    ),
    "transform": Signature(
        inputs=frozenset({"volume", "registration"}),
        parameters=frozenset({"voxel_um", "template_voxel_um"}),
        outputs=frozenset({"folder"}),
        optional_inputs=frozenset({"reference"}),
        optional_parameters=frozenset({"reference_voxel_um", "settings", "size", "template_size"}),
    ),
    "verify_raw": Signature(
        inputs=frozenset({"folder", "layout", "manifest"}),
        parameters=frozenset(),
        outputs=frozenset(),
        optional_inputs=frozenset({"manifest_digest"}),
        optional_parameters=frozenset({"on_problem"}),
    ),
    "warp_labels": Signature(
        inputs=frozenset({"annotation", "back", "volume"}),
        parameters=frozenset({"annotation_voxel_um", "voxel_um"}),
        outputs=frozenset({"labels"}),
        optional_inputs=frozenset({"tree"}),
        optional_parameters=frozenset({"axes", "size", "annotation_size"}),
    ),
}

# Steps that can be run in parts. After the tasks of one that makes planes comes the same step as a
# whole: it takes over what they wrote, makes what is missing, and publishes.
TASKED: Final[frozenset[str]] = frozenset({"blend_sheets", "correct", "merge_tiles", "script"})

# What `python -m pipeline check` must find installed, beyond the standard library.
PACKAGES: Final[tuple[str, ...]] = (
    "numpy", "tifffile", "imagecodecs", "scipy", "scikit-image", "PyWavelets", "cloud-volume",
    "zarr",
)  # fmt: skip
OPTIONAL_PACKAGES: Final[tuple[str, ...]] = ("isal",)
