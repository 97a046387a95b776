"""The memory that is asked for is enough, and not much more than enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.needs import registration
from tests.unit.pipeline import registration_support as brains
from tests.unit.pipeline.support import result_of, start

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import StepSpec


def _measured(root: Path, given: StepSpec) -> int:
    assert start(root / "job", given, root).wait(timeout=120) == 0
    return int(result_of(root / "job").metrics["peak_memory_bytes"])


def _is_near(predicted: int, measured: int) -> bool:
    return measured <= predicted <= 2 * measured + 200_000_000


@pytest.mark.parametrize("factor", [1, 5])
def test_memory_of_register_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: int
) -> None:
    """The transform is given, so that a large volume is quick; transformix takes the most."""
    brains.need_elastix()
    large = brains.brain()
    for axis in range(3):
        large = large.repeat(factor, axis=axis)
    brains.write(tmp_path / "in/template.tif", large)
    brains.write(tmp_path / "in/sample.tif", large)
    size = list(reversed(large.shape))
    um = [side / factor for side in brains.box_voxel_um()]
    (tmp_path / "affine").write_text(brains.affine_text(np.eye(3), np.zeros(3), size, um))
    flat = brains.spline_text(np.zeros((3, 8, 8, 8)), [-2.0] * 3, 3.0, size, um)
    (tmp_path / "bspline").write_text(flat)
    copying = f"cp {tmp_path}/$6 $6/TransformParameters.0.txt"
    monkeypatch.setenv("LIGHTSERV_ELASTIX", str(brains.engine(tmp_path / "bin", copying)))
    given = brains.register_spec(
        voxel_um=um, template_voxel_um=um, size=size, template_size=size, least_score=0
    )

    measured = _measured(tmp_path, given)

    assert _is_near(registration.register(given, (2160, 2560)), measured)


@pytest.mark.parametrize("factor", [1, 16])
def test_memory_of_warp_labels_is_predicted(tmp_path: Path, factor: int) -> None:
    brains.need_elastix()
    size, um = [40 * factor, 40 * factor, 12], [100.0, 100.0, 100.0]
    annotation = np.random.default_rng(1).integers(0, 2**32, 300)[
        np.arange(size[0] * size[1] * size[2]) % 300
    ]
    shaped = annotation.astype(np.uint32).reshape(size[::-1])
    brains.write(tmp_path / "in/annotation.tif", shaped)
    brains.write(tmp_path / "in/sample.tif", shaped.astype(np.uint16))
    brains.registration(tmp_path / "in/back", size, um)
    given = brains.spec(
        "warp_labels",
        inputs={"annotation": "in/annotation.tif", "back": "in/back", "volume": "in/sample.tif"},
        out={"labels": "out/result.tif"},
        annotation_voxel_um=um,
        voxel_um=um,
        size=size,
        annotation_size=size,
        axes=["LR", "AP", "DV"],
    )

    measured = _measured(tmp_path, given)

    assert _is_near(registration.warp_labels(given, (2160, 2560)), measured)


def test_without_sizes_a_whole_field_at_the_voxel_size_is_assumed() -> None:
    coarse = registration.register(brains.register_spec(), (2160, 2560))
    fine = registration.register(
        brains.register_spec(voxel_um=[19.2] * 3, template_voxel_um=[25] * 3), (2160, 2560)
    )

    assert coarse < 500_000_000
    assert 3_000_000_000 < fine < 8_000_000_000
