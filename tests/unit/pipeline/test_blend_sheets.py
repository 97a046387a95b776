"""The step blend_sheets: each side from its sheet, nothing lost where one is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline import blending
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, StepSpec
from pipeline.errors import BadInput
from pipeline.io.planes import PlaneFolder
from pipeline.steps import inspect_raw
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.unit.pipeline.plane_steps import (
    AXES,
    area_means,
    blend_spec,
    planes_in,
    run,
    sheet,
    volume_in,
)

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"voxel_um": [20, 20, 20], "axes": AXES, "to_axes": AXES}


def blended(
    tmp_path: Path, left: np.ndarray, right: np.ndarray, **parameters: object
) -> np.ndarray:
    stacks.single_planes(tmp_path / "left", left)
    stacks.single_planes(tmp_path / "right", right)
    run(tmp_path, blend_spec(**parameters))
    return planes_in(tmp_path / "out/planes")


def expected_blend(left: np.ndarray, right: np.ndarray, slope: float) -> np.ndarray:
    weight = 1 / (1 + np.exp(-np.linspace(-slope, slope, left.shape[-1])))
    return left * (1 - weight) + right * weight


@pytest.mark.parametrize("slope", [10, 4, 2.5])
def test_every_pixel_is_weighted_by_the_logistic_curve(tmp_path: Path, slope: float) -> None:
    left, right = stacks.random_volume((3, 300, 41)), stacks.random_volume((3, 300, 41), seed=1)

    found = blended(tmp_path, left, right, slope=slope)

    assert found.dtype == np.uint16
    assert np.abs(found - expected_blend(left, right, slope)).max() <= 0.505


def test_equal_sheets_come_back_bit_equal(tmp_path: Path) -> None:
    volume = stacks.random_volume((3, 40, 57))
    volume[0, :9] = 65535

    assert np.array_equal(blended(tmp_path, volume, volume, equalize="median"), volume)


def test_one_sheet_passes_unchanged(tmp_path: Path) -> None:
    volume = stacks.random_volume((4, 11, 13))
    stacks.single_planes(tmp_path / "right", volume)

    outputs = run(tmp_path, blend_spec(sheet("right"), equalize="mean"))

    assert np.array_equal(planes_in(tmp_path / "out/planes"), volume)
    assert outputs["shape"] == [13, 11, 4]
    assert outputs["gains"] == {"left": 1, "right": 1}


def test_where_one_sheet_lacks_a_plane_the_other_stands_and_without_both_it_is_black(
    tmp_path: Path,
) -> None:
    left, right = stacks.random_volume((5, 8, 9)), stacks.random_volume((5, 8, 9), seed=1)
    stacks.single_planes(tmp_path / "left", left)
    stacks.single_planes(tmp_path / "right", right)
    spec = blend_spec(sheet("left", absent=[1, 3]), sheet("right", absent=[2, 3]), downsized=SMALL)

    outputs = run(tmp_path, spec)

    found = planes_in(tmp_path / "out/planes")
    assert np.array_equal(found[1], right[1])
    assert np.array_equal(found[2], left[2])
    assert not found[3].any()
    assert np.abs(found[4] - expected_blend(left[4], right[4], 10)).max() <= 0.505
    assert outputs["absent_planes"] == [3]
    assert outputs["absent_in_sheets"] == {"left": [1, 3], "right": [2, 3]}
    small = volume_in(tmp_path / "out/small.tif")
    assert np.abs(small[1] - area_means(found[2], (4, 4))).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("level", ["median", "mean"])
def test_the_brighter_sheet_is_lowered_by_one_factor_for_the_whole_volume(
    tmp_path: Path, level: str
) -> None:
    volume = np.random.default_rng(1).integers(2000, 30_000, (6, 40, 40)).astype(np.uint16)
    volume[0] //= 7  # one dim plane must not get a factor of its own

    found = blended(tmp_path, volume, volume * 2, equalize=level)

    assert np.abs(found.astype(int) - volume).max() <= 1
    record = json.loads((tmp_path / "out/planes/_product.json").read_text())
    assert record["outputs"]["gains"] == {"left": 1, "right": 0.5}


def test_equalizing_clips_neither_bright_nor_dark_pixels(tmp_path: Path) -> None:
    left = np.full((2, 20, 20), 100, np.uint16)
    right = np.full((2, 20, 20), 60_000, np.uint16)
    left[:, 1, 1], right[:, 1, 1], right[:, 2, 18] = 65_535, 65_535, 0

    found = blended(tmp_path, left, right, equalize="median")

    assert found[0, 1, 1] == 65_535 - round((65_535 - 109) * 1 / (1 + np.exp(10 - 20 / 19)))
    assert found.min() <= 1
    assert found[0, 10, 10] == 100


def test_a_black_sheet_has_no_level(tmp_path: Path) -> None:
    volume = stacks.random_volume((2, 9, 9))

    found = blended(tmp_path, volume, np.zeros_like(volume), equalize="mean")

    assert np.abs(found - expected_blend(volume, volume * 0, 10)).max() <= 0.505


def test_the_sheets_of_a_raw_delivery_are_picked_by_their_codes(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "raw", planes=3, filters=(0, 1), sheets=(0, 1))
    raw = {"layout": "lavision", "planes": 3, "channel_index": 1}
    sides = [
        sheet(side, "raw", **raw, sheet_code=code) for code, side in enumerate(("left", "right"))
    ]

    run(tmp_path, blend_spec(*sides))

    files = [
        [tmp_path / "raw" / stacks.plane_name(z, filter_index=1, sheet_code=code) for z in range(3)]
        for code in (0, 1)
    ]
    left, right = (np.stack([_pixels(path) for path in paths]) for paths in files)
    found = planes_in(tmp_path / "out/planes")
    assert np.abs(found - expected_blend(left, right, 10)).max() <= 0.505


def _pixels(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path, is_ome=False) as tiff:
        return tiff.pages[0].asarray()


def test_the_single_tile_of_a_smartspim_channel_is_taken(tmp_path: Path) -> None:
    stacks.smartspim_delivery(tmp_path / "raw", columns=1, rows=1)

    outputs = run(tmp_path, blend_spec(sheet("left", "raw", layout="smartspim", planes=3)))

    assert outputs["shape"] == [10, 8, 3]
    found = planes_in(tmp_path / "out/planes")
    assert np.array_equal(found, np.tile(np.arange(80).reshape(8, 10), (3, 1, 1)))


def test_planes_changed_after_the_inspection_are_refused(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "raw", planes=4)
    inspection = StepSpec(
        contract=CONTRACT_VERSION,
        step="inspect_raw",
        name="i1",
        version=PIPELINE_VERSION,
        inputs={"folder": "raw"},
        parameters={"channels": stacks.expected_delivery().to_json(), "layout": "lavision"},
        outputs={"manifest": "manifest.jsonl"},
        threads=1,
    )
    found = inspect_raw.run(inspection, Workspace(tmp_path, "i1", 1))
    raw = {
        "layout": "lavision",
        "planes": 4,
        "channel_index": 0,
        "sheet_code": 0,
        "manifest": "manifest.jsonl",
        "manifest_digest": found["manifest_digest"],
    }
    spec = blend_spec(sheet("left", "raw", **raw))
    assert run(tmp_path, spec)["shape"] == [16, 12, 4]
    stacks.make_old(tmp_path / "raw")

    with pytest.raises(BadInput, match="4 files changed after the inspection"):
        run(tmp_path, spec)


# The volume of the same pass.


def test_the_volume_of_the_same_pass_is_that_of_the_blended_planes(tmp_path: Path) -> None:
    left, right = stacks.random_volume((9, 22, 26)), stacks.random_volume((9, 22, 26), seed=1)

    found = blended(tmp_path, left, right, downsized=SMALL)

    small = volume_in(tmp_path / "out/small.tif")
    assert np.abs(small - area_means(found, (2, 4, 4))).max() <= 0.5 + 1e-6


def test_a_volume_asked_for_later_is_made_of_the_planes_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = stacks.random_volume((5, 9, 9)), stacks.random_volume((5, 9, 9), seed=1)
    found = blended(tmp_path, left, right)
    monkeypatch.setattr(PlaneFolder, "write", None)

    outputs = run(tmp_path, blend_spec(name="a2", downsized=SMALL))

    small = volume_in(tmp_path / "out/small.tif")
    assert np.abs(small - area_means(found, (2, 4, 4))).max() <= 0.5 + 1e-6
    assert outputs["downsized"]["shape"] == [3, 3, 3]
    assert run(tmp_path, blend_spec(name="a3", downsized=SMALL)) == outputs


def test_a_second_run_returns_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = stacks.random_volume((3, 9, 9))
    blended(tmp_path, volume, volume, downsized=SMALL)
    monkeypatch.setattr(blending.Blender, "blend", None)

    outputs = run(tmp_path, blend_spec(name="a2", downsized=SMALL))

    assert outputs["shape"] == [9, 9, 3]
    assert outputs["downsized"]["shape"] == [3, 3, 2]


# What is wrong is named.


@pytest.mark.parametrize(
    ("shape", "words"),
    [((3, 12, 16), "4 planes, the right one 3"), ((4, 12, 15), "16 x 12 pixels, the right one 15")],
)
def test_unlike_sheets_are_refused(tmp_path: Path, shape: tuple[int, int, int], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        blended(tmp_path, stacks.random_volume((4, 12, 16)), stacks.random_volume(shape))

    assert not list(tmp_path.glob("out/planes*"))


@pytest.mark.parametrize(
    "spoil", [stacks.truncate, stacks.make_8_bit, stacks.replace_by_text, stacks.make_unreadable]
)
def test_an_unfit_plane_is_named_and_nothing_is_left(tmp_path: Path, spoil: object) -> None:
    volume = stacks.random_volume((5, 12, 16))
    stacks.single_planes(tmp_path / "left", volume)
    stacks.single_planes(tmp_path / "right", volume)
    spoil(tmp_path / "right/plane_0002.tif")

    with pytest.raises(BadInput, match=r"plane_0002\.tif"):
        run(tmp_path, blend_spec(downsized=SMALL))

    assert not [*tmp_path.glob("out/planes*"), *tmp_path.glob("out/small*")]


def test_a_plane_that_cannot_be_decoded_removes_the_drafts(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "left", stacks.random_volume((9, 12, 16)), compression="zlib")
    damaged = tmp_path / "left/plane_0007.tif"
    raw = bytearray(damaged.read_bytes())
    raw[-200:-100] = bytes(100)
    damaged.write_bytes(raw)

    with pytest.raises(BadInput, match=r"plane_0007\.tif cannot be decoded"):
        run(tmp_path, blend_spec(sheet("left"), downsized=SMALL))

    assert not [*tmp_path.glob("out/planes*"), *tmp_path.glob("out/small*")]


def test_planes_that_change_meanwhile_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = PlaneFolder.write

    def touching(self: PlaneFolder, z: int, plane: np.ndarray) -> int:
        stacks.write_plane(tmp_path / "right/plane_0000.tif", np.zeros((8, 8), np.uint16))
        return write(self, z, plane)

    monkeypatch.setattr(PlaneFolder, "write", touching)
    volume = stacks.random_volume((5, 8, 8))
    with pytest.raises(BadInput, match=r"changed while it was read: plane_0000\.tif"):
        blended(tmp_path, volume, volume, downsized=SMALL)

    assert not [*tmp_path.glob("out/planes*"), *tmp_path.glob("out/small*")]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (blend_spec(sheet("left"), sheet("left")), "one must be left, one right"),
        (blend_spec(sheet("top", "left")), "side must be one of"),
        (blend_spec(sheet("left"), sheet("right"), sheet("left")), "one or two"),
        (blend_spec(slope=0), "slope"),
        (blend_spec(equalize="mode"), "equalize"),
        (blend_spec(downsized={"voxel_um": [20, 20, 20], "axes": AXES}), "to_axes"),
        (blend_spec(downsized=[20, 20, 20]), "needs both"),
        (blend_spec(sheet("left", absent=[9])), "Plane 9 is named as absent"),
        (blend_spec(sheet("left", planes=5)), "4 of 5 planes"),
        (blend_spec(sheet("left", "gone")), "cannot be read"),
        (blend_spec(sheet("left", "../left")), "may not climb"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_senseless_specs_are_refused(tmp_path: Path, spec: StepSpec, words: str) -> None:
    volume = stacks.random_volume((4, 8, 8))
    stacks.single_planes(tmp_path / "left", volume)
    stacks.single_planes(tmp_path / "right", volume)

    with pytest.raises(BadInput, match=words):
        run(tmp_path, spec)

    assert not list(tmp_path.glob("out/*.tif"))


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a\nb"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    stacks.single_planes(tmp_path / "left", stacks.random_volume((2, 8, 8)))
    spec = blend_spec(sheet("left"))
    spec.parameters["name"] = name

    with pytest.raises(BadInput, match="begin the names of files"):
        run(tmp_path, spec)
