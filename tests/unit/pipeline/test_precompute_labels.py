"""The step precompute_labels: every label kept, mips by mode, names, and readers that agree."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile

from pipeline.errors import BadInput
from pipeline.io import segmentation
from tests.unit.pipeline.label_support import TREE, labels_spec, patches, run_in, store
from tests.unit.pipeline.support import contents, read_info, read_scale
from tests.unit.pipeline.test_modes import by_hand

if TYPE_CHECKING:
    from pathlib import Path


def volume_of(root: Path) -> Path:
    return root / "out/volume"


def properties_of(root: Path) -> dict[str, dict[str, object]]:
    """Each property, as label -> value."""
    found = json.loads((volume_of(root) / "segment_properties/info").read_text())["inline"]
    return {
        column["id"]: dict(zip(found["ids"], column["values"], strict=True))
        for column in found["properties"]
    }


@pytest.mark.parametrize(
    ("shape", "voxel"),
    [
        ((70, 65, 130), [5, 5, 5]),
        ((20, 33, 47), [5, 5, 20]),
        ((1, 64, 64), [5, 5, 5]),
        ((3, 5, 7), [2, 2, 2]),
    ],
)
def test_mip_0_is_equal_and_each_mip_is_the_mode_of_the_one_before(
    tmp_path: Path, shape: tuple[int, int, int], voxel: list[float]
) -> None:
    labels = patches(shape)
    store(tmp_path, labels)

    run_in(tmp_path, voxel_um=voxel)

    scales = read_info(volume_of(tmp_path))["scales"]
    expected = labels
    for index, scale in enumerate(scales):
        if index:
            before = scales[index - 1]["resolution"]
            step = tuple(a // b for a, b in zip(scale["resolution"], before, strict=True))
            expected = by_hand(expected, step)
        assert np.array_equal(read_scale(volume_of(tmp_path), index), expected)


def test_cloud_volume_reads_the_same(tmp_path: Path) -> None:
    store(tmp_path, patches((70, 65, 130)))

    run_in(tmp_path)

    cloudvolume = pytest.importorskip("cloudvolume")
    path = f"precomputed://file://{volume_of(tmp_path)}"
    for mip in range(len(read_info(volume_of(tmp_path))["scales"])):
        seen = cloudvolume.CloudVolume(path, mip=mip, progress=False)[:, :, :]
        expected = read_scale(volume_of(tmp_path), mip)
        assert np.array_equal(np.asarray(seen)[..., 0].transpose(2, 1, 0), expected)


def test_an_edge_of_background_before_whole_chunks_of_it_is_read(tmp_path: Path) -> None:
    """Chunks of one label share their bytes only where they have one shape."""
    labels = np.zeros((130, 70, 129), np.uint32)
    labels[:64, :64, :128] = 7
    store(tmp_path, labels)

    run_in(tmp_path)

    assert np.array_equal(read_scale(volume_of(tmp_path), 0), labels)


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"])
def test_labels_of_every_width_stay_whole(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(dtype)
    largest = min(np.iinfo(kind).max, 2**32 - 1)
    labels = np.zeros((4, 9, 11), dtype=kind)
    labels[1:3, 2:6, 3:9] = largest
    labels[3, 8, 10] = 5
    store(tmp_path, labels)

    outputs = run_in(tmp_path)

    assert np.array_equal(read_scale(volume_of(tmp_path), 0), labels.astype(np.uint64))
    assert outputs["window"] == [0, largest]
    assert outputs["labels"] == 2


def test_shards_that_are_many_are_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "_SHARD_BITS", 1)
    labels = patches((130, 140, 150))
    store(tmp_path, labels)

    outputs = run_in(tmp_path)

    assert len(list(volume_of(tmp_path).glob("5000_5000_5000/*.shard"))) > 8
    assert np.array_equal(read_scale(volume_of(tmp_path), 0), labels)
    files = contents(volume_of(tmp_path))
    del files["_product.json"]
    assert outputs["files"] == len(files)
    assert outputs["bytes"] == sum(len(data) for data in files.values())


def test_labels_have_names_colors_and_counts(tmp_path: Path) -> None:
    labels = np.zeros((4, 6, 8), np.uint32)
    labels[0, 0, :3], labels[1, 1, :2], labels[2], labels[3, 0, 0] = 5, 7, 614454277, 12
    store(tmp_path, labels)

    outputs = run_in(tmp_path)

    found = properties_of(tmp_path)
    names = {"5": "CTX: Cortex", "7": "STR: Striatum", "614454277": "SI: Supraoculomotor"}
    assert found["label"] == {**names, "12": "id 12"}
    assert found["voxels"] == {"5": 3, "7": 2, "12": 1, "614454277": 48}
    assert found["depth"] == {"5": 2, "7": 2, "12": 0, "614454277": 1}
    assert found["description"]["5"] == "root / Cerebrum"
    colors = json.loads((volume_of(tmp_path) / "segment_colors.json").read_text())
    assert colors["7"] == "#010203"
    assert colors["5"] == "#b0f0ff"
    assert outputs["unnamed"] == [12]
    assert outputs["type"] == read_info(volume_of(tmp_path))["type"] == "segmentation"
    assert read_info(volume_of(tmp_path))["segment_properties"] == "segment_properties"


def test_without_a_tree_every_label_is_named_by_its_id(tmp_path: Path) -> None:
    store(tmp_path, np.full((2, 3, 4), 9, np.uint16))
    spec = labels_spec()
    del spec.inputs["tree"]

    run_in(tmp_path, spec)

    assert properties_of(tmp_path)["label"] == {"9": "id 9"}


def test_the_thumbnail_is_the_middle_plane_in_the_colors_of_the_tree(tmp_path: Path) -> None:
    labels = np.zeros((9, 300, 520), np.uint16)
    labels[4, :, 260:] = 7
    store(tmp_path, labels)

    run_in(tmp_path, mips=0)

    picture = imagecodecs.png_decode((volume_of(tmp_path) / "thumbnail.png").read_bytes())
    assert max(picture.shape) <= 256
    assert picture[10, 10].tolist() == [0, 0, 0]
    assert picture[10, -10].tolist() == [1, 2, 3]


def test_a_volume_without_labels_is_whole_and_says_so(tmp_path: Path) -> None:
    store(tmp_path, np.zeros((3, 70, 5), np.uint16))

    outputs = run_in(tmp_path)

    assert (outputs["labels"], outputs["window"]) == (0, [0, 1])
    assert read_scale(volume_of(tmp_path), 0).max() == 0


def test_the_same_input_gives_the_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    for threads in (1, 4):
        root = tmp_path / str(threads)
        path = store(root, patches((70, 80, 90)))
        for file in (path, root / "in/tree.json"):
            os.utime(file, ns=(10**18, 10**18))
        run_in(root, replace(labels_spec(), threads=threads))

    first, second = (contents(volume_of(tmp_path / n)) for n in ("1", "4"))
    for files in (first, second):
        del files["_product.json"]
    assert first == second


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.full((2, 3, 4), 2**32, np.uint64), "the label 4294967296; labels go from 0 to"),
        (np.full((2, 3, 4), -1, np.int16), "the label -1; labels go from 0 to"),
        (np.ones((2, 3, 4), np.float32), "holds float32; labels are whole numbers"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: np.ndarray, words: str) -> None:
    store(tmp_path, labels)

    with pytest.raises(BadInput, match=words):
        run_in(tmp_path)

    assert not list(tmp_path.glob("out/volume*"))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ("{", "is no JSON"),
        ("{}", "a JSON list"),
        (json.dumps([*TREE, TREE[0]]), "has id 997 twice"),
        (json.dumps([{"id": 3, "parent": 4}]), "the parent 4, which is not in"),
        (json.dumps([{"id": 3, "parent": 4}, {"id": 4, "parent": 3}]), "is below itself"),
        (json.dumps([{"id": 2**32}]), "ids are from 1 to"),
        (json.dumps([{"id": 3, "color": [1, 2, 999]}]), "color of structure 3"),
    ],
)
def test_a_tree_that_is_none_is_refused(tmp_path: Path, tree: str, words: str) -> None:
    store(tmp_path, np.ones((2, 3, 4), np.uint16))
    (tmp_path / "in/tree.json").write_text(tree)

    with pytest.raises(BadInput, match=words):
        run_in(tmp_path)

    assert not list(tmp_path.glob("out/volume*"))


def test_a_file_that_is_missing_cut_or_no_volume_is_named(tmp_path: Path) -> None:
    path = store(tmp_path, patches((9, 20, 20)))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no TIFF", b""):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"labels\.tif"):
            run_in(tmp_path)
    path.unlink()
    with pytest.raises(BadInput, match=r"labels\.tif cannot be read"):
        run_in(tmp_path)

    assert not list(tmp_path.glob("out/volume*"))


def test_a_compressed_label_volume_is_read(tmp_path: Path) -> None:
    labels = patches((9, 20, 20), np.uint16)
    path = store(tmp_path, labels)
    tifffile.imwrite(path, labels, compression="zlib", photometric="minisblack")

    run_in(tmp_path)

    assert np.array_equal(read_scale(volume_of(tmp_path), 0), labels)
