"""The step precompute: every voxel kept, every mip exact, every reader able to read it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, StepSpec
from pipeline.errors import BadInput
from pipeline.io.volume import VolumeWriter
from pipeline.steps import inspect_raw, precompute
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.unit.pipeline.support import (
    contents,
    precompute_in,
    precompute_spec,
    read_info,
    read_scale,
    worst_errors,
)

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = [
    ((40, 100, 130), [5, 5, 10], [64, 64, 64]),
    ((33, 65, 129), [5, 5, 5], [32, 32, 16]),
    ((70, 131, 67), [5, 5, 5], [16, 16, 16]),
    ((150, 200, 33), [4, 4, 2], [16, 32, 32]),
    ((1, 70, 90), [5, 5, 5], [16, 16, 16]),
    ((90, 1, 70), [5, 5, 5], [32, 32, 32]),
    ((3, 5, 7), [1.8, 1.8, 2], [64, 64, 64]),
    ((129, 64, 64), [2, 2, 2], [64, 64, 16]),
]


@pytest.mark.parametrize(("shape", "voxel", "chunk"), SHAPES)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_mip_0_is_equal_and_every_mip_within_half_a_count(
    tmp_path: Path,
    shape: tuple[int, int, int],
    voxel: list[float],
    chunk: list[int],
    compression: str,
) -> None:
    volume = stacks.random_volume(shape)
    stacks.single_planes(tmp_path / "in", volume)

    precompute_in(tmp_path, voxel_um=voxel, chunk=chunk, compression=compression)

    first, *others = worst_errors(tmp_path / "out/volume", volume)
    assert first == 0
    assert all(error <= 0.5 for error in others)


def test_the_volume_reads_the_same_in_cloud_volume(tmp_path: Path) -> None:
    cloudvolume = pytest.importorskip("cloudvolume", reason="cloud-volume is a developer's oracle")
    volume = stacks.random_volume((40, 70, 50))
    stacks.single_planes(tmp_path / "in", volume)

    precompute_in(tmp_path, compression="gzip", chunk=[16, 32, 16])

    for mip in range(len(read_info(tmp_path / "out/volume")["scales"])):
        path = f"precomputed://file://{tmp_path}/out/volume"
        seen = cloudvolume.CloudVolume(path, mip=mip, progress=False)[:, :, :]
        expected = read_scale(tmp_path / "out/volume", mip)
        assert np.array_equal(np.asarray(seen)[..., 0].transpose(2, 1, 0), expected)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd"])
def test_compressed_planes_are_decoded(tmp_path: Path, compression: str) -> None:
    volume = stacks.random_volume((20, 33, 47))
    stacks.single_planes(tmp_path / "in", volume, compression=compression)

    precompute_in(tmp_path)

    assert np.array_equal(read_scale(tmp_path / "out/volume", 0), volume)


def test_horizontal_foci_are_merged_by_maximum(tmp_path: Path) -> None:
    foci = stacks.random_volume((3, 12, 16))
    (tmp_path / "in").mkdir()
    for z in range(2):
        tifffile.imwrite(tmp_path / "in" / f"{z}.tif", foci, photometric="minisblack")

    precompute_in(tmp_path)

    assert np.array_equal(read_scale(tmp_path / "out/volume", 0)[1], foci.max(axis=0))


def test_the_planes_of_one_channel_and_sheet_are_picked_from_a_delivery(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "in", planes=5, filters=(0, 1), sheets=(0, 1))
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="precompute",
        name="a1",
        version=PIPELINE_VERSION,
        inputs={
            "folder": "in",
            "layout": "lavision",
            "channel_index": 1,
            "sheet_code": 1,
            "planes": 5,
        },
        parameters={"voxel_um": [5, 5, 10], "compression": "none"},
        outputs={"volume": "out/volume"},
        threads=1,
    )

    precompute.run(spec, Workspace(tmp_path, "a1", 1))

    name = stacks.plane_name(4, filter_index=1, sheet_code=1)
    with tifffile.TiffFile(tmp_path / "in" / name, is_ome=False) as tiff:
        last = tiff.pages[0].asarray()
    assert np.array_equal(read_scale(tmp_path / "out/volume", 0)[4], last)


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for z in range(12):
        stacks.write_plane(tmp_path / "in" / f"z{z}.tif", np.full((4, 4), z, dtype=np.uint16))

    precompute_in(tmp_path)

    assert read_scale(tmp_path / "out/volume", 0)[:, 0, 0].tolist() == list(range(12))


def test_the_outputs_describe_the_product(tmp_path: Path) -> None:
    volume = stacks.random_volume((20, 30, 40))
    stacks.single_planes(tmp_path / "in", volume)

    outputs = precompute_in(tmp_path, voxel_um=[1.8, 1.8, 2.0])

    files = contents(tmp_path / "out/volume")
    product = json.loads(files.pop("_product.json"))
    assert outputs["shape"] == [40, 30, 20]
    assert outputs["voxel_nm"] == [1800, 1800, 2000]
    assert outputs["range"] == [0, 65535]
    assert outputs["saturated_fraction"] == float((volume == 65535).mean())
    assert outputs["files"] == len(files)
    assert outputs["bytes"] == sum(len(data) for data in files.values())
    assert product["outputs"] == outputs
    assert product["pipeline"] == PIPELINE_VERSION


def test_the_window_holds_all_but_the_brightest_and_darkest(tmp_path: Path) -> None:
    volume = np.full((4, 100, 100), 500, dtype=np.uint16)
    volume[:, :, :3] = 100
    volume[:, :, 50] = 900
    stacks.single_planes(tmp_path / "in", volume)

    outputs = precompute_in(tmp_path, mips=0)

    assert outputs["window"] == [100, 900]


def test_an_even_volume_still_has_a_window(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", np.zeros((3, 8, 8), dtype=np.uint16))

    low, high = precompute_in(tmp_path)["window"]

    assert low < high


def test_the_thumbnail_is_the_middle_plane_in_the_window(tmp_path: Path) -> None:
    volume = np.zeros((9, 300, 520), dtype=np.uint16)
    volume[4, :, 260:] = 1000
    stacks.single_planes(tmp_path / "in", volume)

    precompute_in(tmp_path)

    picture = _png_pixels(tmp_path / "out/volume/thumbnail.png")
    assert max(picture.shape) <= 256
    assert picture[:, : picture.shape[1] // 2 - 2].max() == 0
    assert picture[:, picture.shape[1] // 2 + 2 :].min() == 255


def _png_pixels(path: Path) -> np.ndarray:
    imagecodecs = pytest.importorskip("imagecodecs")
    return imagecodecs.png_decode(path.read_bytes())


def test_the_same_input_gives_the_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    volume = stacks.random_volume((70, 200, 90))
    for threads in (1, 4):
        root = tmp_path / str(threads)
        stacks.single_planes(root / "in", volume)
        for path in (root / "in").iterdir():
            _set_time(path)
        spec = precompute_spec(compression="gzip", chunk=[16, 16, 16])
        precompute.run(spec, Workspace(root, "a1", threads))

    assert contents(tmp_path / "1/out/volume") == contents(tmp_path / "4/out/volume")


def _set_time(path: Path) -> None:
    os.utime(path, ns=(10**18, 10**18))


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
def test_an_unfit_plane_is_named_and_nothing_is_left_behind(
    tmp_path: Path, spoil: object, words: str
) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((6, 12, 16)))
    spoil(tmp_path / "in/plane_0003.tif")

    with pytest.raises(BadInput, match=words) as caught:
        precompute_in(tmp_path)

    assert "plane_0003.tif" in str(caught.value)
    assert not list(tmp_path.glob("out/volume*"))


def test_a_plane_that_cannot_be_decoded_removes_the_draft(tmp_path: Path) -> None:
    stacks.single_planes(tmp_path / "in", stacks.random_volume((40, 12, 16)), compression="zlib")
    damaged = tmp_path / "in/plane_0035.tif"
    raw = bytearray(damaged.read_bytes())
    raw[-200:-100] = bytes(100)
    damaged.write_bytes(raw)

    with pytest.raises(BadInput, match=r"plane_0035\.tif cannot be decoded"):
        precompute_in(tmp_path, chunk=[16, 16, 16])

    assert not list(tmp_path.glob("out/volume*"))


def _while_reading(monkeypatch: pytest.MonkeyPatch, *, slab: int, change: object) -> None:
    """Let something happen to the raw data just before this slab is written."""
    original, seen = VolumeWriter._write_slab, []

    def changing(self: VolumeWriter, *arguments: object) -> None:
        if len(seen) == slab:
            change()
        seen.append(slab)
        original(self, *arguments)

    monkeypatch.setattr(VolumeWriter, "_write_slab", changing)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Forty planes, three slabs at a chunk depth of 16."""
    return stacks.single_planes(tmp_path / "in", stacks.random_volume((40, 12, 16)))


def _rewrite(plane: Path) -> None:
    """The same size, other pixels."""
    stacks.write_plane(plane, np.zeros((12, 16), dtype=np.uint16))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: _rewrite(folder / "plane_0003.tif"), "plane_0003.tif"),
        (lambda folder: _rewrite(folder / "plane_0039.tif"), "plane_0039.tif"),
        (lambda folder: _rewrite(folder / "plane_0040.tif"), "plane_0040.tif"),
        (lambda folder: (folder / "plane_0001.tif").unlink(), "plane_0001.tif"),
        (lambda folder: os.utime(folder / "plane_0002.tif", ns=(1, 1)), "plane_0002.tif"),
    ],
    ids=["read already", "not read yet", "came", "went", "touched"],
)
def test_planes_that_change_while_they_are_read_are_never_published(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch, change: object, named: str
) -> None:
    _while_reading(monkeypatch, slab=1, change=lambda: change(stack))

    with pytest.raises(BadInput, match="The raw data changed while it was read") as caught:
        precompute_in(tmp_path, chunk=[16, 16, 16])

    assert [problem.file for problem in caught.value.problems] == [named]
    assert "Wait until the copy has ended, then retry." in caught.value.message
    assert not list(tmp_path.glob("out/volume*"))


def test_a_plane_cut_short_in_the_middle_of_reading_is_named(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = stack / "plane_0020.tif"
    _while_reading(monkeypatch, slab=1, change=lambda: stacks.truncate(plane))

    with pytest.raises(BadInput, match=r"plane_0020\.tif became shorter while it was read"):
        precompute_in(tmp_path, chunk=[16, 16, 16])

    assert not list(tmp_path.glob("out/volume*"))


def _inspected(root: Path) -> StepSpec:
    """A spec for a delivery in `in`, with the manifest of its inspection."""
    stacks.lavision_delivery(root / "in", planes=4)
    inspection = StepSpec(
        contract=CONTRACT_VERSION,
        step="inspect_raw",
        name="i1",
        version=PIPELINE_VERSION,
        inputs={"folder": "in"},
        parameters={"channels": stacks.expected_delivery().to_json(), "layout": "lavision"},
        outputs={"manifest": "manifest.jsonl"},
        threads=1,
    )
    found = inspect_raw.run(inspection, Workspace(root, "i1", 1))
    spec = precompute_spec()
    spec.inputs.update(
        layout="lavision",
        channel_index=0,
        sheet_code=0,
        planes=4,
        manifest="manifest.jsonl",
        manifest_digest=found["manifest_digest"],
    )
    return spec


def test_planes_as_they_were_inspected_are_accepted(tmp_path: Path) -> None:
    assert precompute_in(tmp_path, _inspected(tmp_path))["shape"] == [16, 12, 4]


def test_another_manifest_than_the_inspection_wrote_is_refused(tmp_path: Path) -> None:
    spec = _inspected(tmp_path)
    with (tmp_path / "manifest.jsonl").open("a") as stream:
        stream.write("{}\n")

    with pytest.raises(BadInput, match="not the one that was written at the inspection"):
        precompute_in(tmp_path, spec)


def test_planes_of_another_size_than_inspected_are_refused(tmp_path: Path) -> None:
    spec = _inspected(tmp_path)
    for z in range(4):
        stacks.change_size(tmp_path / "in" / stacks.plane_name(z))

    with pytest.raises(BadInput, match="4 files changed after the inspection"):
        precompute_in(tmp_path, spec)


@pytest.mark.parametrize("content", [b"\xff", b"[]\n", b'{"name": 1}\n'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    spec = _inspected(tmp_path)
    del spec.inputs["manifest_digest"]
    (tmp_path / "manifest.jsonl").write_bytes(content)

    with pytest.raises(BadInput, match="not one that the inspection writes"):
        precompute_in(tmp_path, spec)


def test_planes_changed_after_the_inspection_are_refused_at_equal_size(tmp_path: Path) -> None:
    spec = _inspected(tmp_path)
    stacks.make_old(tmp_path / "in")

    with pytest.raises(BadInput, match="4 files changed after the inspection"):
        precompute_in(tmp_path, spec)


def _delivered(root: Path, absent: list[int]) -> StepSpec:
    """A spec for a LaVision delivery of 6 planes of which some are absent."""
    stacks.lavision_delivery(root / "in", planes=6)
    spec = precompute_spec()
    spec.inputs.update(layout="lavision", channel_index=0, sheet_code=0, planes=6, absent=absent)
    return spec


def test_waived_planes_become_black_and_are_recorded(tmp_path: Path) -> None:
    spec = _delivered(tmp_path, [0, 3])
    stacks.drop_planes(tmp_path / "in", [0])
    stacks.truncate(tmp_path / "in" / stacks.plane_name(3))

    outputs = precompute_in(tmp_path, spec)

    volume = read_scale(tmp_path / "out/volume", 0)
    assert [z for z in range(6) if not volume[z].any()] == [0, 3]
    assert outputs["absent_planes"] == [0, 3]
    record = json.loads((tmp_path / "out/volume/_product.json").read_text())
    assert record["inputs"]["absent"] == [0, 3]


def test_more_missing_than_waived_still_fails(tmp_path: Path) -> None:
    spec = _delivered(tmp_path, [0])
    stacks.drop_planes(tmp_path / "in", [0, 4])

    with pytest.raises(BadInput, match="5 of 6 planes; plane 4 is missing"):
        precompute_in(tmp_path, spec)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_the_single_tile_of_a_smartspim_channel_becomes_a_volume(
    tmp_path: Path, suffix: str
) -> None:
    folder = stacks.smartspim_delivery(tmp_path / "in", columns=1, rows=1, suffix=suffix)
    last = np.full((8, 10), 7, np.uint16)
    stacks.write_image(stacks.tile_folder(folder, 0, 0) / f"000040{suffix}", last)
    spec = precompute_spec()
    spec.inputs.update(layout="smartspim", planes=3)

    outputs = precompute_in(tmp_path, spec)

    volume = read_scale(tmp_path / "out/volume", 0)
    assert outputs["shape"] == [10, 8, 3]
    assert np.array_equal(volume[2], last)
    assert np.array_equal(volume[0], np.arange(80).reshape(8, 10))


def test_tiles_must_be_stitched_first(tmp_path: Path) -> None:
    stacks.smartspim_delivery(tmp_path / "in", columns=2, rows=1)
    spec = precompute_spec()
    spec.inputs.update(layout="smartspim", planes=3)

    with pytest.raises(BadInput, match="has 2 tiles; stitch them first"):
        precompute_in(tmp_path, spec)


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path, stack: Path) -> None:
    stacks.spoil_name(stack / "plane_0003.tif")

    with pytest.raises(BadInput, match="not valid UTF-8") as caught:
        precompute_in(tmp_path)

    assert caught.value.problems[0].file == r"M\xfcller plane_0003.tif"


def test_a_missing_plane_of_a_delivery_is_named(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "in", planes=6)
    stacks.drop_planes(tmp_path / "in", [2, 3])
    inputs = {
        "folder": "in",
        "layout": "lavision",
        "channel_index": 0,
        "sheet_code": 0,
        "planes": 6,
    }
    spec = precompute_spec()
    spec.inputs.update(inputs)

    with pytest.raises(BadInput, match="4 of 6 planes; planes 2-3 are missing"):
        precompute_in(tmp_path, spec)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    with pytest.raises(BadInput, match="no plane"):
        precompute_in(tmp_path)


@pytest.mark.parametrize(
    "parameters",
    [
        {"voxel_um": [5, 5]},
        {"voxel_um": [5, 5, 0]},
        {"voxel_um": "5"},
        {"compression": "jpeg"},
        {"chunk": [60, 64, 64]},
        {"chunk": [8, 64, 64]},
        {"chunk": [16, 16, 16], "mips": 5},
        {"mips": -1},
        {"mips": True},
    ],
)
def test_a_senseless_parameter_is_refused(tmp_path: Path, parameters: dict[str, object]) -> None:
    volume = np.zeros((600, 4, 4), dtype=np.uint16)
    stacks.single_planes(tmp_path / "in", volume)

    with pytest.raises(BadInput):
        precompute_in(tmp_path, **parameters)
