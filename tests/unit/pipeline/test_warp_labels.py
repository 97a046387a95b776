"""Labels on the sample: every id is one of the atlas, in its place, and so is every side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.errors import BadInput
from tests.unit.pipeline import registration_support as brains

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict

SIZE, UM = [12, 10, 9], [100.0, 100.0, 100.0]
BIG = 614_454_277


@pytest.fixture(autouse=True)
def elastix() -> None:
    brains.need_elastix()


def _annotation(dtype: type = np.uint32) -> np.ndarray:
    """Ids that float32 would alter, some one apart."""
    rng = np.random.default_rng(5)
    ids = np.array([0, 1, 16_777_217, 16_777_219, BIG, BIG + 1, 4_294_967_295])
    return rng.choice(ids, (9, 10, 12)).astype(dtype)


def _warp(root: Path, annotation: np.ndarray, *, shift: float = 0.0, **values: object) -> JsonDict:
    brains.write(root / "in/annotation.tif", annotation)
    brains.write(root / "in/sample.tif", np.ones((9, 10, 12), np.uint16))
    brains.registration(root / "in/back", SIZE, UM, shift_mm=np.array([shift, 0, 0]))
    given = brains.spec(
        "warp_labels",
        inputs={
            "annotation": "in/annotation.tif",
            "back": "in/back",
            "volume": "in/sample.tif",
        },
        out={"labels": "out/result.tif"},
        **{"annotation_voxel_um": UM, "voxel_um": UM, **values},
    )
    return brains.run_in(root, given)


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_ids_beyond_what_float_holds_come_back_unaltered(tmp_path: Path, dtype: type) -> None:
    annotation = _annotation(dtype)

    outputs = _warp(tmp_path, annotation)

    result = tifffile.imread(tmp_path / "out/result.tif")
    assert result.dtype == np.uint32
    assert np.array_equal(result, annotation)
    assert (outputs["labels"], outputs["labels_found"]) == (6, 6)


def test_labels_move_with_the_transform_and_are_0_outside(tmp_path: Path) -> None:
    annotation = _annotation()

    _warp(tmp_path, annotation, shift=0.3)

    result = tifffile.imread(tmp_path / "out/result.tif")
    assert np.array_equal(result[:, :, :9], annotation[:, :, 3:])
    assert (result[:, :, 9:] == 0).all()


def test_between_two_voxels_is_one_of_the_two_ids(tmp_path: Path) -> None:
    annotation = _annotation()

    _warp(tmp_path, annotation, shift=0.137)

    result = tifffile.imread(tmp_path / "out/result.tif")
    assert np.array_equal(result[:, :, :11], annotation[:, :, 1:])


def test_an_annotation_of_other_voxels_lies_in_the_same_place(tmp_path: Path) -> None:
    coarse = _annotation()[:3, :5, :6]

    _warp(tmp_path, coarse, annotation_voxel_um=[200.0, 200.0, 300.0])

    expected = coarse.repeat(3, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    assert np.array_equal(tifffile.imread(tmp_path / "out/result.tif"), expected)


def test_16_bits_are_enough_for_small_ids(tmp_path: Path) -> None:
    annotation = (_annotation() % 65536).astype(np.uint32)

    _warp(tmp_path, annotation)

    result = tifffile.imread(tmp_path / "out/result.tif")
    assert result.dtype == np.uint16
    assert np.array_equal(result, annotation)


@pytest.mark.parametrize(
    ("axes", "first"),
    [(["LR", "AP", "DV"], 1), (["RL", "AP", "VD"], 2)],
)
def test_sides_are_told_from_the_midline_of_the_atlas(
    tmp_path: Path, axes: list[str], first: int
) -> None:
    outputs = _warp(tmp_path, _annotation(), shift=0.2, axes=axes)

    sides = tifffile.imread(tmp_path / "out/hemispheres.tif")
    assert outputs["hemispheres"] == "hemispheres.tif"
    assert sides.dtype == np.uint8
    assert (sides == np.array([first] * 4 + [3 - first] * 6 + [0] * 2)).all()


def test_sagittal_sides_run_along_z(tmp_path: Path) -> None:
    _warp(tmp_path, _annotation(), axes=["DV", "AP", "LR"])

    sides = tifffile.imread(tmp_path / "out/hemispheres.tif")
    assert (sides[:4] == 1).all()
    assert (sides[5:] == 2).all()


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (np.zeros((9, 10, 12), np.uint32), "no labels"),
        (np.ones((9, 10, 12), np.float32), "whole numbers"),
        (np.full((9, 10, 12), 2**32, np.uint64), "ids may be"),
        (np.full((9, 10, 12), -4, np.int32), "ids may be"),
    ],
)
def test_what_holds_no_ids_is_refused(tmp_path: Path, annotation: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        _warp(tmp_path, annotation)

    assert not (tmp_path / "out/result.tif").exists()


def test_a_registration_of_another_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"another|voxels of"):
        _warp(tmp_path, _annotation(), voxel_um=[90.0, 90.0, 90.0])


def test_a_second_run_returns_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _warp(tmp_path, _annotation(), axes=["LR", "AP", "DV"])
    monkeypatch.setenv("LIGHTSERV_ELASTIX", "/nowhere")
    given = brains.spec(
        "warp_labels",
        "a2",
        inputs={
            "annotation": "in/annotation.tif",
            "back": "in/back",
            "volume": "in/sample.tif",
        },
        out={"labels": "out/result.tif"},
        annotation_voxel_um=UM,
        voxel_um=UM,
        axes=["LR", "AP", "DV"],
    )

    assert brains.run_in(tmp_path, given) == first


def test_sides_of_an_earlier_run_do_not_stay_beside_other_labels(tmp_path: Path) -> None:
    _warp(tmp_path, _annotation(), axes=["LR", "AP", "DV"])
    first = _warp(tmp_path, _annotation(), shift=0.2)
    left = sorted(path.name for path in (tmp_path / "out").glob("hemispheres*"))
    (tmp_path / "out/hemispheres.tif").write_bytes(b"of another time")

    again = _warp(tmp_path, _annotation(), shift=0.2)

    assert left == []
    assert "hemispheres" not in first
    assert again == first
    assert not (tmp_path / "out/hemispheres.tif").exists()
