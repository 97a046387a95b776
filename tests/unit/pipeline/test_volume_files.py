"""Planes and volumes as files that other tools read, and products that are one file."""

import os
import resource

import numpy as np
import pytest
import tifffile

from pipeline import products
from pipeline.errors import BadInput, named_failure
from pipeline.io.metaimage import read_metaimage, write_metaimage
from pipeline.io.planes import PlaneFolder
from pipeline.io.tiff_volume import open_volume, write_volume


@pytest.fixture
def volume():
    return np.random.default_rng(5).integers(0, 60_000, (5, 7, 9), dtype=np.uint16)


# Planes.


def test_planes_are_named_by_their_number_and_come_back(tmp_path, volume):
    folder = PlaneFolder(tmp_path / "brain_ch00", "brain_C00")

    for z, plane in enumerate(volume):
        folder.write(z, plane)

    assert min(path.name for path in (tmp_path / "brain_ch00").iterdir()) == "brain_C00_Z0000.tif"
    assert np.array_equal([tifffile.imread(folder.path(z)) for z in range(len(volume))], volume)


def test_what_is_missing_is_known_after_a_crash(tmp_path, volume):
    folder = PlaneFolder(tmp_path, "a")
    folder.write(1, volume[1])
    folder.write(3, volume[3])
    (tmp_path / "a_Z0002.writing").write_bytes(b"half")

    assert PlaneFolder(tmp_path, "a").missing(5) == [0, 2, 4]


def test_a_plane_that_cannot_be_written_leaves_nothing(tmp_path, volume, monkeypatch):
    folder = PlaneFolder(tmp_path / "planes", "a")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write(0, volume[0])

    assert list(folder.folder.iterdir()) == []


# Volumes.


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.uint32])
def test_a_volume_is_mapped_not_loaded(tmp_path, volume, dtype):
    path = tmp_path / "volume.tif"
    size = write_volume(
        path, iter(volume), shape_zyx=volume.shape, dtype=dtype, voxel_um=(20.0, 20.0, 50.0)
    )

    found = open_volume(path)

    assert isinstance(found, np.memmap)
    assert found.dtype == dtype
    assert np.array_equal(found, volume)
    assert path.stat().st_size == size


def test_a_volume_says_its_voxel_size_to_other_tools(tmp_path, volume):
    path = tmp_path / "volume.tif"
    write_volume(path, volume, shape_zyx=volume.shape, dtype=np.uint16, voxel_um=(20.0, 25.0, 50.0))

    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        per_cm = [a / b for a, b in (tags["XResolution"].value, tags["YResolution"].value)]
        assert per_cm == pytest.approx([500, 400])
        assert tiff.imagej_metadata["spacing"] == 50
        assert tiff.imagej_metadata["slices"] == 5
        assert tiff.series[0].shape == volume.shape


def test_a_compressed_volume_of_another_tool_is_read(tmp_path, volume):
    path = tmp_path / "volume.tif"
    tifffile.imwrite(path, volume, compression="zlib", photometric="minisblack")

    assert np.array_equal(open_volume(path), volume)


@pytest.mark.parametrize("content", [b"", b"no TIFF at all", None])
def test_a_file_that_is_no_volume_is_named(tmp_path, content):
    path = tmp_path / "volume.tif"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadInput, match=r"volume\.tif"):
        open_volume(path)


def test_a_plane_of_another_size_is_a_mistake(tmp_path, volume):
    with pytest.raises(ValueError, match="plane"):
        write_volume(
            tmp_path / "v.tif", iter(volume[:, 1:]), shape_zyx=volume.shape, dtype=np.uint16,
            voxel_um=(1, 1, 1),
        )  # fmt: skip


@pytest.mark.parametrize("side", [32, 100])
def test_no_room_for_a_volume_is_a_full_disk(tmp_path, side):
    planes = np.ones((12, side, side), dtype=np.uint16)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_volume(
                tmp_path / "v.tif", iter(planes), shape_zyx=planes.shape, dtype=np.uint16,
                voxel_um=(1, 1, 1),
            )  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert named_failure(caught.value).reason == "DISK_FULL"


# MetaImage.


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i2", "<u4", "<f4", "<f8"])
def test_a_metaimage_comes_back_with_its_voxel_size(tmp_path, volume, dtype):
    path = tmp_path / "volume.mha"
    written = (volume % 100).astype(dtype)

    write_metaimage(path, written.transpose(2, 1, 0), (0.025, 0.05, 0.1))
    found = read_metaimage(path)

    assert found.spacing == (0.025, 0.05, 0.1)
    assert found.voxels.dtype == np.dtype(dtype)
    assert np.array_equal(found.voxels, written.transpose(2, 1, 0))


@pytest.mark.parametrize(
    "content", [b"", b"NDims = 3\n", b"DimSize = 1 1 1\nElementSpacing = 1 1 1\n"]
)
def test_what_is_no_metaimage_is_named(tmp_path, content):
    path = tmp_path / "volume.mha"
    path.write_bytes(content)

    with pytest.raises(BadInput, match=r"volume\.mha"):
        read_metaimage(path)


# Products that are one file.


def publish(tmp_path, text, identity):
    temporary = tmp_path / ".volume.tif.a1"
    temporary.write_text(text)
    record = {"step": "downsize", "outputs": {"text": text}}
    return products.publish_file(temporary, tmp_path / "volume.tif", record, identity=identity)


def test_a_product_of_one_file_is_known_by_its_record(tmp_path):
    outputs = publish(tmp_path, "first", "one")

    assert products.file_published(tmp_path / "volume.tif", "one") == outputs == {"text": "first"}
    assert products.file_published(tmp_path / "volume.tif", "two") is None


def test_a_product_of_one_file_is_replaced(tmp_path):
    publish(tmp_path, "first", "one")
    publish(tmp_path, "second", "two")

    assert (tmp_path / "volume.tif").read_text() == "second"
    assert products.file_published(tmp_path / "volume.tif", "one") is None


def test_a_record_without_its_file_is_no_product(tmp_path):
    publish(tmp_path, "first", "one")
    (tmp_path / "volume.tif").unlink()

    assert products.file_published(tmp_path / "volume.tif", "one") is None


def test_a_crash_before_the_record_leaves_no_false_claim(tmp_path, monkeypatch):
    publish(tmp_path, "first", "one")

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(products, "write_atomically", crash)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, "second", "two")

    assert products.file_published(tmp_path / "volume.tif", "one") is None
    assert products.file_published(tmp_path / "volume.tif", "two") is None
