"""The step detect_cells: every cell once, no others, in a table and in a layer that opens."""

from __future__ import annotations

import json
import resource
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.cells import detecting, finding, table
from pipeline.cells.plan import plan
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.errors import BadInput, named_failure
from pipeline.needs import results
from pipeline.steps import detect_cells
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.support.cells import precision_and_recall, scattered, tissue, with_neighbors
from tests.unit.pipeline.support import contents, peak_memory, start

if TYPE_CHECKING:
    from pathlib import Path

VOXEL = [2.0, 2.0, 4.0]
SHAPE = (40, 120, 140)
EXTENT = (280.0, 240.0, 160.0)


def _spec(name: str = "a1", **parameters: object) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step="detect_cells",
        name=name,
        version=PIPELINE_VERSION,
        inputs={"folder": "in"},
        parameters={"voxel_um": VOXEL, "diameter_um": 12, **parameters},
        outputs={"cells": "out/cells"},
        threads=2,
    )


def _detect(root: Path, **parameters: object) -> JsonDict:
    return detect_cells.run(_spec(**parameters), Workspace(root, "a1", 2))


def _found(root: Path) -> np.ndarray:
    """What the table says, read by numpy."""
    path = root / "out/cells/cells.csv"
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2).reshape(-1, 6)


def test_touching_cells_in_fading_uneven_tissue_are_each_found_once(tmp_path: Path) -> None:
    places = scattered(EXTENT, count=60, apart_um=22)
    places = with_neighbors(places, count=8, apart_um=12)
    brain = tissue(places, shape=SHAPE, is_hard=True)
    stacks.single_planes(tmp_path / "in", brain.planes)

    outputs = _detect(tmp_path)

    precision, recall = precision_and_recall(_found(tmp_path)[:, :3], places, (4, 4, 8))
    assert precision >= 0.97
    assert recall >= 0.95
    assert outputs["count"] == len(_found(tmp_path))


def test_places_are_in_microns_from_the_corner_and_finer_than_a_voxel(tmp_path: Path) -> None:
    places = np.array([[41.3, 62.9, 50.6], [150.0, 100.0, 82.0], [211.7, 180.1, 99.5]])
    stacks.single_planes(tmp_path / "in", tissue(places, shape=SHAPE).planes)

    _detect(tmp_path)

    found = _found(tmp_path)
    assert np.abs(found[:, :3] - places).max() < 0.6
    assert found[:, 4] == pytest.approx(12, rel=0.3)
    assert found[:, 3] == pytest.approx(1000, rel=0.15)
    assert (found[:, 5] > 8).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_cell_at_any_distance_from_a_border_is_found_once(axis: int) -> None:
    """Slabs and tiles as small as they get; a cell is moved across their border by half voxels."""
    cut = plan((36, 70, 70), (4, 2, 2), 12)
    border = cut.depth if axis == 0 else 35
    for shift in (-2, -1, -0.5, 0, 0.5, 1):
        at = np.array([72.0, 70.0, 72.0])
        at[axis] = (border + shift) * cut.voxel_um[axis]
        brain = tissue(at[None, ::-1], shape=(36, 70, 70))

        parts = [_part(brain.planes, cut, axis, ends) for ends in ((0, border), (border, 70))]

        assert sum(len(part) for part in parts) == 1, shift


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("is_far", [False, True])
def test_a_cell_cut_by_the_border_of_the_stack_is_found_in_its_voxels(
    axis: int, *, is_far: bool
) -> None:
    """Its strongest voxel has no neighbor beyond; the table says a place that is in the stack."""
    shape = (40, 60, 60)
    cut = plan(shape, (4, 2, 2), 12)
    length = shape[axis] * cut.voxel_um[axis]
    for depth_um in (0, 1, 2, 3, 4, 5, 8):
        at = np.array([80.0, 60.0, 60.0])
        at[axis] = length - depth_um if is_far else depth_um
        planes = tissue(at[None, ::-1], shape=shape, seed=2).planes

        (cell,) = finding.find_cells(_whole(planes), cut, 8)

        assert 0 < cell[2 - axis] < length
        assert abs(cell[2 - axis] - at[axis]) < cut.voxel_um[axis]


def _whole(planes: np.ndarray) -> finding.Tile:
    return finding.Tile(planes, (0, 0, 0), tuple((0, n) for n in planes.shape))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 40), (2, 2, 2)])
def test_a_stack_of_hardly_a_voxel_has_no_cells(shape: tuple[int, int, int]) -> None:
    planes = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)

    assert len(finding.find_cells(_whole(planes), plan(shape, (4, 2, 2), 12), 8)) == 0


def _part(planes: np.ndarray, cut: object, axis: int, ends: tuple[int, int]) -> np.ndarray:
    """The cells of one side of a border, seen with no more than the halo beyond it."""
    core = [(0, n) for n in planes.shape]
    core[axis] = (ends[0], min(ends[1], planes.shape[axis]))
    origin = [max(0, a - h) for (a, _), h in zip(core, cut.halo, strict=True)]
    seen = tuple(slice(o, b + h) for o, (_, b), h in zip(origin, core, cut.halo, strict=True))
    return finding.find_cells(finding.Tile(planes[seen], tuple(origin), tuple(core)), cut, 8)


def test_slabs_and_tiles_change_nothing() -> None:
    """A border that loses or doubles cells, or sees other values than its neighbor, shows here."""
    places = scattered((520, 130, 180), count=90, apart_um=18, seed=3)
    brain = tissue(places, shape=(45, 65, 260), is_hard=True)
    cut = plan(brain.planes.shape, brain.voxel_um, 12)
    assert len(cut.slabs) > 1 and len(cut.tiles) > 1

    found = []
    for z in cut.slabs:
        for y, x in cut.tiles:
            core = (z, y, x)
            low = [max(0, a - h) for (a, _), h in zip(core, cut.halo, strict=True)]
            seen = tuple(slice(o, b + h) for o, (_, b), h in zip(low, core, cut.halo, strict=True))
            tile = finding.Tile(brain.planes[seen], tuple(low), core)
            found.append(finding.find_cells(tile, cut, 8))
    at_once = finding.find_cells(_whole(brain.planes), cut, 8)

    apart = {tuple(np.round(cell[:3], 3)) for part in found for cell in part}
    assert sum(len(part) for part in found) == len(apart)
    assert apart == {tuple(np.round(cell[:3], 3)) for cell in at_once}


@pytest.mark.parametrize("value", [0, 300, 65535])
def test_planes_without_a_picture_have_no_cells_and_a_layer_that_opens(
    tmp_path: Path, value: int
) -> None:
    stacks.single_planes(tmp_path / "in", np.full((20, 64, 64), value, dtype=np.uint16))

    outputs = _detect(tmp_path)

    assert outputs["count"] == 0
    assert (tmp_path / "out/cells/cells.csv").read_text() == ",".join(table.NAMES) + "\n"
    assert list(_reader(tmp_path).get_within_spatial_bounds()) == []


@pytest.mark.parametrize("value", [0, 65535])
def test_single_blank_and_saturated_planes_are_no_flood(tmp_path: Path, value: int) -> None:
    places = np.array([[100.0, 100.0, 40.0], [180.0, 140.0, 120.0]])
    planes = tissue(places, shape=SHAPE).planes
    planes[20] = value
    planes[:, 100:, :40] = value
    stacks.single_planes(tmp_path / "in", planes)

    _detect(tmp_path)

    found = _found(tmp_path)[:, :3]
    assert precision_and_recall(found, places, (4, 4, 8))[1] == 1
    assert len(found) <= 4


def test_edges_and_fibers_are_no_cells(tmp_path: Path) -> None:
    planes = tissue(np.empty((0, 3)), shape=SHAPE).planes
    planes[:, :, :60] -= 250  # the edge of the tissue
    planes[18:22, :, 100:106] += 400  # a fiber
    stacks.single_planes(tmp_path / "in", planes)

    assert _detect(tmp_path)["count"] <= 2


def test_a_threshold_that_finds_noise_is_refused_with_the_density(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", tissue(np.empty((0, 3)), shape=SHAPE).planes)

    with pytest.raises(BadInput, match=r"threshold 1\.5 is too low: .* per mm³"):
        _detect(tmp_path, threshold=1.5)

    assert not list(tmp_path.glob("out/cells*"))


def test_cells_smaller_than_two_pixels_are_refused(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", np.zeros((4, 16, 16), dtype=np.uint16))

    with pytest.raises(BadInput, match="Cells of 12 µm cannot be found at 8 µm a pixel"):
        _detect(tmp_path, voxel_um=[8, 8, 4])


def _reader(root: Path) -> object:
    """Neuroglancer's own reader, by tensorstore."""
    reading = pytest.importorskip("neuroglancer.read_precomputed_annotations")
    return reading.AnnotationReader(f"file://{root / 'out/cells'}/")


def test_neuroglancer_reads_back_every_cell_by_place_and_by_id(tmp_path: Path) -> None:
    places = scattered(EXTENT, count=40, apart_um=24)
    stacks.single_planes(tmp_path / "in", tissue(places, shape=SHAPE).planes)

    _detect(tmp_path)

    found, reader = _found(tmp_path), _reader(tmp_path)
    seen = {int(point.id): point for point in reader.get_within_spatial_bounds()}
    assert sorted(seen) == list(range(len(found))) and len(found) >= 40
    for number, row in enumerate(found):
        for point in (seen[number], reader.by_id[number]):
            assert np.abs(point.point * VOXEL - row[:3]).max() < 0.01
            assert point.props == pytest.approx([row[5], row[4]], abs=0.01)
    assert reader.coordinate_space.to_json() == {
        "x": [2e-6, "m"],
        "y": [2e-6, "m"],
        "z": [4e-6, "m"],
    }
    assert reader.upper_bound == (140, 120, 40)


def test_a_second_run_returns_at_once_and_another_threshold_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks.single_planes(tmp_path / "in", tissue(np.array([[100.0, 100, 60]]), shape=SHAPE).planes)
    first = _detect(tmp_path)
    assert _detect(tmp_path, threshold=9)["threshold"] == 9
    assert _detect(tmp_path) == first
    monkeypatch.setattr(detecting.Detector, "run", None)

    assert _detect(tmp_path) == first


def test_the_same_cells_whatever_the_threads(tmp_path: Path) -> None:
    places = scattered((520, 240, 160), count=30, apart_um=24)
    planes = tissue(places, shape=(40, 120, 260)).planes
    stacks.single_planes(tmp_path / "in", planes)
    for threads in (1, 3):
        spec = _spec(f"a{threads}")
        spec.outputs["cells"] = f"out/{threads}"
        detect_cells.run(spec, Workspace(tmp_path, spec.name, threads))

    assert contents(tmp_path / "out/1") == contents(tmp_path / "out/3")


def test_a_retry_goes_on_where_the_dead_attempt_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = scattered(EXTENT, count=20, apart_um=24)
    stacks.single_planes(tmp_path / "in", tissue(places, shape=SHAPE).planes)
    _detect(tmp_path)
    whole = contents(tmp_path / "out/cells")
    (tmp_path / "out/cells").rename(tmp_path / "whole")
    original, done = detecting.Detector._slab, []

    def dying(
        self: detecting.Detector, held: object, first: int, last: int, pool: object
    ) -> object:
        if len(done) == 1:
            done.append(-1)
            raise RuntimeError("crash")
        done.append(first)
        return original(self, held, first, last, pool)

    monkeypatch.setattr(detecting.Detector, "_slab", dying)
    with pytest.raises(RuntimeError):
        _detect(tmp_path)

    detect_cells.run(_spec("a2"), Workspace(tmp_path, "a2", 2))

    assert sorted(set(done)) == sorted(done)  # no slab twice
    assert contents(tmp_path / "out/cells") == whole


@pytest.mark.alone
def test_kill_9_and_resume_give_the_same_bytes(tmp_path: Path) -> None:
    places = scattered((120, 120, 320), count=20, apart_um=24)
    stacks.single_planes(tmp_path / "in", tissue(places, shape=(80, 60, 60)).planes)
    assert start(tmp_path / "job", _spec(), tmp_path).wait() == 0
    whole = contents(tmp_path / "out/cells")
    (tmp_path / "out/cells").rename(tmp_path / "whole")

    killed = start(tmp_path / "job1", _spec("a1"), tmp_path)
    while killed.poll() is None and not list(tmp_path.glob("out/*/found/*.npy")):
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL

    assert start(tmp_path / "job2", _spec("a2"), tmp_path).wait() == 0
    assert contents(tmp_path / "out/cells") == whole
    assert [path.name for path in tmp_path.glob("out/cells*")] == ["cells"]


def test_planes_that_change_while_they_are_read_are_never_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks.single_planes(tmp_path / "in", tissue(np.array([[100.0, 100, 60]]), shape=SHAPE).planes)
    original = detecting.Detector._all

    def changing(self: detecting.Detector) -> np.ndarray:
        stacks.write_plane(tmp_path / "in/plane_0003.tif", np.zeros(SHAPE[1:], dtype=np.uint16))
        return original(self)

    monkeypatch.setattr(detecting.Detector, "_all", changing)

    with pytest.raises(BadInput, match=r"changed while it was read: plane_0003\.tif"):
        _detect(tmp_path)

    assert not list(tmp_path.glob("out/cells*"))


@pytest.mark.parametrize(
    ("spoil", "words"), [(stacks.truncate, "truncated"), (stacks.change_size, "pixels")]
)
def test_an_unfit_plane_is_named(tmp_path: Path, spoil: object, words: str) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((6, 12, 16)))
    spoil(tmp_path / "in/plane_0003.tif")

    with pytest.raises(BadInput, match=words) as caught:
        _detect(tmp_path)

    assert "plane_0003.tif" in str(caught.value)


def test_no_room_for_a_file_is_a_full_disk(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", tissue(np.array([[100.0, 100, 60]]), shape=SHAPE).planes)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            _detect(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert not (tmp_path / "out/cells").exists()
    assert _detect(tmp_path)["count"] == 1


def test_no_room_for_the_cells_of_a_slab_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((6, 24, 24)))
    many = np.zeros((150, finding.COLUMNS))
    monkeypatch.setattr(detecting, "find_cells", lambda *_: many)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            _detect(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert named_failure(caught.value).reason == "DISK_FULL"


@pytest.mark.alone
def test_the_memory_is_what_is_predicted(tmp_path: Path) -> None:
    for number, shape in enumerate([(12, 100, 100), (50, 500, 520)]):
        root = tmp_path / str(number)
        stacks.single_planes(root / "in", tissue(np.array([[90.0, 90, 20]]), shape=shape).planes)
        spec = _spec()

        measured = peak_memory(root / "job", spec, root)

        predicted = results.detect_cells(spec, shape[1:])
        assert measured <= predicted <= 2 * measured + 200_000_000


def test_the_document_says_what_was_looked_for(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", tissue(np.array([[100.0, 100, 60]]), shape=SHAPE).planes)

    outputs = _detect(tmp_path, channel="647", color="#ff0000")

    said = json.loads((tmp_path / "out/cells/cells.json").read_text())
    assert (said["channel"], said["color"], said["count"]) == ("647", "#ff0000", 1)
    assert (said["diameter_um"], said["threshold"], said["size_um"]) == (12, 8, [280, 240, 160])
    of_a_product = {"bytes", "dtype", "window", "type", "info_digest"}
    assert {key: said[key] for key in outputs.keys() - of_a_product} == {
        key: value for key, value in outputs.items() if key not in of_a_product
    }


@pytest.mark.parametrize("side", [0.0004, 1e-9, 5e-324])
def test_voxels_below_a_nanometre_are_refused(tmp_path: Path, side: float) -> None:
    stacks.single_planes(tmp_path / "in", np.zeros((4, 16, 16), dtype=np.uint16))

    with pytest.raises(BadInput, match="whole nanometres"):
        _detect(tmp_path, voxel_um=[2, 2, side])
