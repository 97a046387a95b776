"""The step downsize: area means of true boxes, the last included, turned as wanted."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline import downsizing
from pipeline.errors import BadInput
from tests.support import stacks
from tests.unit.pipeline.plane_steps import (
    AXES,
    area_means,
    downsize_spec,
    planes_in,
    run,
    volume_in,
)

if TYPE_CHECKING:
    from pathlib import Path

DIRECTIONS = [("LR", "RL"), ("AP", "PA"), ("DV", "VD")]
EVERY_AXES = [
    list(chosen)
    for order in itertools.permutations(DIRECTIONS)
    for chosen in itertools.product(*order)
]


def downsized(tmp_path: Path, volume: np.ndarray, **parameters: object) -> np.ndarray:
    stacks.single_planes(tmp_path / "in", volume)
    run(tmp_path, downsize_spec(**parameters))
    return volume_in(tmp_path / "out/small.tif")


@pytest.mark.parametrize(
    ("shape", "voxel", "to_voxel"),
    [
        ((20, 30, 41), [5, 5, 10], [20, 20, 20]),
        ((23, 37, 29), [5, 5, 10], [19.23, 19.23, 19.23]),
        ((7, 150, 11), [1.866, 1.866, 2], [7.7, 3, 13.1]),
        ((9, 1, 40), [5.909091, 5.909091, 10], [25, 25, 25]),
        ((4, 5, 6), [5, 5, 10], [500, 500, 500]),
        ((6, 9, 7), [5, 5, 10], [5, 5, 10]),
    ],
)
def test_every_voxel_is_the_mean_of_the_area_that_it_covers(
    tmp_path: Path,
    shape: tuple[int, int, int],
    voxel: list[float],
    to_voxel: list[float],
) -> None:
    volume = stacks.random_volume(shape)

    found = downsized(tmp_path, volume, voxel_um=voxel, to_voxel_um=to_voxel)

    ratios = tuple(b / a for a, b in zip(voxel[::-1], to_voxel[::-1], strict=True))
    expected = area_means(volume, ratios)
    assert found.dtype == np.uint16
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


def test_finer_voxels_are_interpolated_between_centers(tmp_path: Path) -> None:
    volume = np.tile(np.array([100, 200, 400], np.uint16)[:, None, None], (1, 4, 4))

    found = downsized(tmp_path, volume, voxel_um=[5, 5, 10], to_voxel_um=[5, 5, 5])

    assert found[:, 0, 0].tolist() == [100, 125, 175, 250, 350, 400]


# All of them are measured by tests/verify; these name every direction at every place.
@pytest.mark.parametrize("to_axes", EVERY_AXES[::5], ids="-".join)
def test_the_result_lies_as_its_axes_say(tmp_path: Path, to_axes: list[str]) -> None:
    volume = np.full((8, 12, 16), 10, np.uint16)
    volume[:2, :4, :8] = 1000  # dorsal, anterior, left

    found = downsized(
        tmp_path, volume, voxel_um=[10, 10, 10], to_voxel_um=[20, 20, 20], to_axes=to_axes
    )

    low = {"LR": 4, "AP": 2, "DV": 1}
    size = {"LR": 8, "AP": 6, "DV": 4}
    expected = np.full([size[_plain(way)] for way in to_axes[::-1]], 10)
    places = tuple(
        slice(0, low[way]) if way in low else slice(size[_plain(way)] - low[_plain(way)], None)
        for way in to_axes[::-1]
    )
    expected[places] = 1000
    assert np.array_equal(found, expected)


def _plain(direction: str) -> str:
    return direction if direction in ("LR", "AP", "DV") else direction[::-1]


def test_a_turned_volume_has_its_voxel_size_along_its_own_axes(tmp_path: Path) -> None:
    volume = stacks.random_volume((10, 20, 30))
    to_axes = ["DV", "AP", "LR"]  # what was z, y, x

    found = downsized(
        tmp_path, volume, voxel_um=[5, 5, 10], to_voxel_um=[20, 10, 15], to_axes=to_axes
    )

    assert np.abs(found.transpose(2, 1, 0) - area_means(volume, (2, 2, 3))).max() <= 0.5 + 1e-6
    with tifffile.TiffFile(tmp_path / "out/small.tif") as tiff:
        assert tiff.imagej_metadata["spacing"] == 15


def test_blocks_of_the_turn_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = stacks.random_volume((10, 9, 11))
    monkeypatch.setattr(downsizing, "_BLOCK_BYTES", 400)
    given = {"voxel_um": [5, 5, 5], "to_voxel_um": [5, 5, 5]}

    for number, to_axes in enumerate((["VD", "PA", "RL"], ["AP", "VD", "RL"], ["LR", "VD", "PA"])):
        found = downsized(tmp_path / str(number), volume, to_axes=to_axes, **given)
        order = {"x": 2, "y": 1, "z": 0}
        names = {"LR": "x", "RL": "x", "AP": "y", "PA": "y", "DV": "z", "VD": "z"}
        expected = volume.transpose([order[names[way]] for way in to_axes[::-1]])
        flips = [axis for axis, way in enumerate(to_axes[::-1]) if way not in AXES]
        assert np.array_equal(found, np.flip(expected, flips))


def test_absent_planes_are_left_out_of_the_means(tmp_path: Path) -> None:
    volume = np.full((8, 4, 4), 600, np.uint16)
    volume[[1, 4, 5]] = 0

    found = downsized(tmp_path, volume, to_voxel_um=[20, 20, 20], absent=[1, 4, 5])

    assert found[:, 0, 0].tolist() == [600, 600, 0, 600]


def test_the_outputs_describe_the_volume(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((9, 10, 11)))

    outputs = run(tmp_path, downsize_spec(to_axes=["DV", "AP", "LR"]))

    found = volume_in(tmp_path / "out/small.tif")
    assert outputs == {
        "shape": [5, 3, 3],
        "dtype": "uint16",
        "voxel_um": [20, 20, 20],
        "axes": ["DV", "AP", "LR"],
        "absent_planes": [],
        "range": [int(found.min()), int(found.max())],
        "bytes": (tmp_path / "out/small.tif").stat().st_size,
    }
    assert found.shape == (3, 3, 5)


def test_a_second_run_returns_at_once_and_changed_planes_are_used(tmp_path: Path) -> None:
    folder = stacks.single_planes(tmp_path / "in", np.full((4, 4, 4), 9, np.uint16))
    first = run(tmp_path, downsize_spec(name="a1"))
    written = (tmp_path / "out/small.tif").stat().st_mtime_ns

    assert run(tmp_path, downsize_spec(name="a2")) == first
    assert (tmp_path / "out/small.tif").stat().st_mtime_ns == written
    for path in folder.glob("*.tif"):
        stacks.write_plane(path, np.zeros((4, 4), np.uint16))
    run(tmp_path, downsize_spec(name="a3"))
    assert volume_in(tmp_path / "out/small.tif").max() == 0


def test_nothing_but_the_volume_is_left(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((4, 4, 4)))

    run(tmp_path, downsize_spec())

    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"small.tif", "small.tif_product.json", ".small.tif.lock"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (stacks.truncate, "truncated"),
        (stacks.make_8_bit, "8-bit"),
        (stacks.change_size, "18 x 10 pixels"),
        (stacks.replace_by_text, "not a TIFF"),
        (stacks.make_unreadable, "cannot be read"),
    ],
)
def test_an_unfit_plane_is_named(tmp_path: Path, spoil: object, words: str) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((6, 12, 16)))
    spoil(tmp_path / "in/plane_0003.tif")

    with pytest.raises(BadInput, match=words) as caught:
        run(tmp_path, downsize_spec())

    assert "plane_0003.tif" in str(caught.value)
    assert not list(tmp_path.glob("out/small*"))


def test_planes_that_change_meanwhile_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stacks.single_planes(tmp_path / "in", stacks.random_volume((6, 12, 16)))
    reduce = downsizing.PlaneReducer.__call__

    def touching(self: object, plane: np.ndarray) -> np.ndarray:
        os.utime(folder / "plane_0005.tif", ns=(1, 1))
        return reduce(self, plane)

    monkeypatch.setattr(downsizing.PlaneReducer, "__call__", touching)
    with pytest.raises(BadInput, match=r"changed while it was read: plane_0005\.tif"):
        run(tmp_path, downsize_spec())

    assert not list(tmp_path.glob("out/small*"))


@pytest.mark.parametrize(
    "parameters",
    [
        {"voxel_um": [5, 5]},
        {"to_voxel_um": [0, 5, 5]},
        {"to_voxel_um": [0.01, 0.01, 0.01]},
        {"axes": ["LR", "AP", "RL"]},
        {"to_axes": ["LR", "AP"]},
        {"absent": [6]},
        {"absent": [-1]},
    ],
)
def test_a_senseless_parameter_is_refused(tmp_path: Path, parameters: dict[str, object]) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((6, 12, 16)))

    with pytest.raises(BadInput):
        run(tmp_path, downsize_spec(**parameters))

    assert not list(tmp_path.glob("out/small*"))


def test_threads_do_not_change_the_result(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((30, 21, 17)), compression="zlib")
    found = []
    for threads in (1, 4):
        spec = downsize_spec(to_voxel_um=[13, 17, 23])
        spec.outputs["volume"] = f"out/{threads}.tif"
        object.__setattr__(spec, "threads", threads)
        run(tmp_path, spec)
        found.append((tmp_path / f"out/{threads}.tif").read_bytes())

    assert found[0] == found[1]
    assert len(planes_in(tmp_path / "in")) == 30
