"""The step precompute on one TIFF volume: the same writer, whatever the type of its voxels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.errors import BadInput
from pipeline.io.tiff_volume import write_volume
from pipeline.io.volume import VolumeWriter
from tests.support import stacks
from tests.unit.pipeline.support import precompute_in, precompute_spec, read_scale, worst_errors

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec


def _spec(name: str = "v1", **parameters: object) -> StepSpec:
    spec = precompute_spec(name, **{"chunk": [16, 16, 16], **parameters})
    spec.inputs.update(folder="in/volume.tif", layout="volume")
    return spec


def _stored(root: Path, volume: np.ndarray) -> Path:
    (root / "in").mkdir(exist_ok=True)
    path = root / "in/volume.tif"
    write_volume(path, volume, shape_zyx=volume.shape, dtype=volume.dtype, voxel_um=(20, 20, 50))
    return path


def _built(root: Path, volume: np.ndarray, **parameters: object) -> tuple[JsonDict, np.ndarray]:
    _stored(root, volume)
    outputs = precompute_in(root, _spec(**parameters))
    return outputs, read_scale(root / "out/volume", 0)


def test_every_voxel_is_kept_and_mips_are_exact_on_anisotropic_voxels(tmp_path: Path) -> None:
    volume = stacks.random_volume((21, 45, 67))

    outputs, _ = _built(tmp_path, volume, voxel_um=[20, 20, 50])

    first, second, *_ = worst_errors(tmp_path / "out/volume", volume)
    assert (first, second <= 0.5) == (0, True)
    assert outputs["scales"][1]["resolution"] == [40000, 40000, 50000]
    assert (outputs["shape"], outputs["absent_planes"]) == ([67, 45, 21], [])


def test_floats_are_rounded_and_clipped_never_wrapped(tmp_path: Path) -> None:
    values = [-3.0, -0.4, 0.5, 1.5, 2.6, 65534.6, 65536.0, 1e30, np.inf, -np.inf]
    volume = np.tile(np.array(values, np.float32), (3, 4, 1))

    _, found = _built(tmp_path, volume)

    assert found[2, 3].tolist() == [0, 0, 0, 2, 3, 65535, 65535, 65535, 65535, 0]


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">u2", "<i4", "<u4", "<i8", "<u8", "<f8"])
def test_every_type_of_voxel_is_limited_to_16_bits(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(dtype)
    low = 0 if kind.kind == "u" else -5
    high = 100 if kind.itemsize == 1 else 30_000 if kind.itemsize == 2 else 70_000
    volume = np.linspace(low, high, 3 * 5 * 7).astype(kind).reshape(3, 5, 7)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(
        tmp_path / "in/volume.tif", volume, byteorder=">" if dtype[0] == ">" else "<",
        photometric="minisblack", metadata=None,
    )  # fmt: skip

    precompute_in(tmp_path, _spec())

    expected = np.clip(np.rint(volume.astype(np.float64)), 0, 65535)
    assert np.array_equal(read_scale(tmp_path / "out/volume", 0), expected)


def test_a_compressed_volume_is_read(tmp_path: Path) -> None:
    volume = stacks.random_volume((5, 17, 19))
    (tmp_path / "in").mkdir()
    tifffile.imwrite(
        tmp_path / "in/volume.tif", volume, compression="zlib", photometric="minisblack"
    )

    precompute_in(tmp_path, _spec())

    assert np.array_equal(read_scale(tmp_path / "out/volume", 0), volume)


def test_blank_and_saturated_volumes_stay_as_they_are(tmp_path: Path) -> None:
    for value in (0, 65535):
        outputs, found = _built(tmp_path, np.full((4, 9, 9), value, np.uint16))

        assert found.min() == found.max() == value
        assert outputs["window"][0] < outputs["window"][1]


def test_values_that_are_no_numbers_are_refused_by_plane(tmp_path: Path) -> None:
    volume = np.zeros((4, 5, 6), np.float32)
    volume[2, 1, 1] = np.nan
    _stored(tmp_path, volume)

    with pytest.raises(BadInput, match=r"Plane 2 of volume\.tif has values that are no numbers"):
        precompute_in(tmp_path, _spec())

    assert not list(tmp_path.glob("out/volume*"))


def test_a_file_that_is_missing_cut_or_no_volume_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"volume\.tif cannot be read"):
        precompute_in(tmp_path, _spec())
    path = _stored(tmp_path, stacks.random_volume((4, 20, 20)))
    os.truncate(path, 2000)
    with pytest.raises(BadInput, match=r"volume\.tif"):
        precompute_in(tmp_path, _spec())
    path.write_text("no TIFF")
    with pytest.raises(BadInput, match=r"volume\.tif"):
        precompute_in(tmp_path, _spec())

    assert not list(tmp_path.glob("out/volume*"))


def test_fewer_planes_than_expected_are_refused(tmp_path: Path) -> None:
    _stored(tmp_path, stacks.random_volume((4, 8, 8)))
    spec = _spec()
    spec.inputs["planes"] = 5

    with pytest.raises(BadInput, match="4 of 5 planes"):
        precompute_in(tmp_path, spec)


def _between_slabs(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    original = VolumeWriter._write_slab

    def changing(self: VolumeWriter, *arguments: object) -> None:
        original(self, *arguments)
        if self.next_plane == 16:
            change()

    monkeypatch.setattr(VolumeWriter, "_write_slab", changing)


def test_a_volume_that_changes_while_it_is_read_is_never_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _stored(tmp_path, stacks.random_volume((40, 8, 8)))
    _between_slabs(monkeypatch, lambda: os.utime(path, ns=(1, 1)))

    with pytest.raises(BadInput, match="changed while it was read"):
        precompute_in(tmp_path, _spec())

    assert not list(tmp_path.glob("out/volume*"))


def test_a_volume_cut_short_in_the_middle_of_reading_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _stored(tmp_path, stacks.random_volume((40, 8, 8)))
    _between_slabs(monkeypatch, lambda: os.truncate(path, 1000))

    with pytest.raises(BadInput, match="shorter than it says"):
        precompute_in(tmp_path, _spec())

    assert not list(tmp_path.glob("out/volume*"))


def test_a_killed_attempt_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = stacks.random_volume((40, 8, 8))
    _stored(tmp_path, volume)

    def crash() -> None:
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        _between_slabs(patch, crash)
        with pytest.raises(RuntimeError):
            precompute_in(tmp_path, _spec("a1", checkpoint_seconds=0))
    precompute_in(tmp_path, _spec("a2", checkpoint_seconds=0))

    assert np.array_equal(read_scale(tmp_path / "out/volume", 0), volume)
