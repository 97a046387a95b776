"""The step export_zarr: every voxel of every mip in a file that others read."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorstore
import zarr

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.errors import BadInput
from pipeline.io import ome_zarr
from pipeline.needs import results
from pipeline.steps import export_zarr
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.unit.pipeline.support import (
    contents,
    peak_memory,
    precompute_in,
    read_info,
    read_scale,
    start,
)

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (150, 130, 300)


def _spec(name: str = "z1", **parameters: object) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step="export_zarr",
        name=name,
        version=PIPELINE_VERSION,
        inputs={"volume": "out/volume"},
        parameters=dict(parameters),
        outputs={"zarr": "out/brain.zarr"},
        threads=2,
    )


def _export(root: Path, name: str = "z1", **parameters: object) -> JsonDict:
    return export_zarr.run(_spec(name, **parameters), Workspace(root, name, 2))


@pytest.fixture
def brain(tmp_path: Path) -> np.ndarray:
    """A volume of odd sizes with two further mips; its corner is black."""
    volume = stacks.random_volume(SHAPE)
    volume[:70, :, :260] = 0
    stacks.single_planes(tmp_path / "in", volume)
    precompute_in(tmp_path, voxel_um=[1.8, 1.8, 4], chunk=[32, 64, 16], compression="gzip", mips=2)
    return volume


def _by_tensorstore(root: Path, level: int) -> np.ndarray:
    store = {"driver": "file", "path": f"{root / 'out/brain.zarr' / str(level)}/"}
    return tensorstore.open({"driver": "zarr", "kvstore": store}).result().read().result()


@pytest.mark.parametrize("compression", ["blosc", "gzip"])
def test_every_voxel_of_every_mip_is_equal_in_tensorstore_and_zarr(
    tmp_path: Path, brain: np.ndarray, compression: str
) -> None:
    outputs = _export(tmp_path, compression=compression)

    group = zarr.open_group(tmp_path / "out/brain.zarr", mode="r")
    assert np.array_equal(_by_tensorstore(tmp_path, 0)[0], brain)
    assert outputs["levels"] == len(read_info(tmp_path / "out/volume")["scales"]) == 3
    for level in range(3):
        expected = read_scale(tmp_path / "out/volume", level)[None]
        assert np.array_equal(_by_tensorstore(tmp_path, level), expected)
        assert np.array_equal(group[str(level)][:], expected)


def test_the_metadata_is_as_version_0_4_wants_it(tmp_path: Path, brain: np.ndarray) -> None:
    _export(tmp_path, channel="647", color="#ff8000")

    root = tmp_path / "out/brain.zarr"
    said = json.loads((root / ".zattrs").read_text())
    (image,) = said["multiscales"]
    assert image["version"] == "0.4"
    assert [axis["name"] for axis in image["axes"]] == ["c", "z", "y", "x"]
    assert [axis["type"] for axis in image["axes"]] == ["channel", "space", "space", "space"]
    assert {axis.get("unit") for axis in image["axes"][1:]} == {"micrometer"}
    assert [level["path"] for level in image["datasets"]] == ["0", "1", "2"]
    scales = read_info(tmp_path / "out/volume")["scales"]
    for number, (level, scale) in enumerate(zip(image["datasets"], scales, strict=True)):
        first, *others = level["coordinateTransformations"]
        size = [nm / 1000 for nm in scale["resolution"][::-1]]
        assert first == {"type": "scale", "scale": pytest.approx([1, *size])}
        assert len(others) == min(number, 1)
        if others:  # the middle of the first coarse voxel, from the middle of the first fine one
            shift = [(a - b) / 2 for a, b in zip(size, (4, 1.8, 1.8), strict=True)]
            assert others[0]["translation"] == pytest.approx([0, *shift])
        array = json.loads((root / level["path"] / ".zarray").read_text())
        assert (array["zarr_format"], array["dtype"], array["order"]) == (2, "<u2", "C")
        assert array["dimension_separator"] == "/"
    (channel,) = said["omero"]["channels"]
    window = json.loads((tmp_path / "out/volume/_product.json").read_text())["outputs"]["window"]
    assert (channel["label"], channel["color"]) == ("647", "FF8000")
    assert channel["window"] == {"min": 0, "max": 65535, "start": window[0], "end": window[1]}
    assert json.loads((root / ".zgroup").read_text()) == {"zarr_format": 2}


def test_the_outputs_count_the_files(tmp_path: Path, brain: np.ndarray) -> None:
    outputs = _export(tmp_path)

    files = contents(tmp_path / "out/brain.zarr")
    files.pop("_product.json")
    assert outputs["files"] == len(files)
    assert outputs["bytes"] == sum(len(data) for data in files.values())
    assert "checkpoint.json" not in files


@pytest.mark.parametrize("slabs", [0, 1, 3])
def test_a_retry_goes_on_where_the_dead_attempt_was(
    tmp_path: Path, brain: np.ndarray, monkeypatch: pytest.MonkeyPatch, slabs: int
) -> None:
    _export(tmp_path)
    whole = contents(tmp_path / "out/brain.zarr")
    (tmp_path / "out/brain.zarr").rename(tmp_path / "whole")
    original, done = ome_zarr.Copy.slab, []

    def dying(self: ome_zarr.Copy, mip: int, row: int, pool: object) -> int:
        if len(done) == slabs and "died" not in done:
            done.append("died")
            raise RuntimeError("crash")
        done.append((mip, row))
        return original(self, mip, row, pool)

    monkeypatch.setattr(ome_zarr.Copy, "slab", dying)
    with pytest.raises(RuntimeError):
        _export(tmp_path)

    _export(tmp_path, "z2")

    assert len(set(done)) == len(done)
    assert contents(tmp_path / "out/brain.zarr") == whole


@pytest.mark.alone
def test_kill_9_and_resume_give_the_same_bytes(tmp_path: Path, brain: np.ndarray) -> None:
    _export(tmp_path)
    whole = contents(tmp_path / "out/brain.zarr")
    (tmp_path / "out/brain.zarr").rename(tmp_path / "whole")

    killed = start(tmp_path / "job1", _spec("k1"), tmp_path)
    while killed.poll() is None and not list(tmp_path.glob("out/*/checkpoint.json")):
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    assert start(tmp_path / "job2", _spec("k2"), tmp_path).wait() == 0
    assert contents(tmp_path / "out/brain.zarr") == whole
    assert [path.name for path in tmp_path.glob("out/brain*")] == ["brain.zarr"]


def test_a_second_run_returns_at_once_and_another_color_does_not(
    tmp_path: Path, brain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    _export(tmp_path, color="00ff00")
    first = _export(tmp_path)
    monkeypatch.setattr(ome_zarr.Copy, "slab", None)

    assert _export(tmp_path, "z2") == first


def test_a_volume_cut_short_is_named_and_nothing_is_left(tmp_path: Path, brain: np.ndarray) -> None:
    shard = next((tmp_path / "out/volume").glob("*/*.shard"))
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])

    with pytest.raises(BadInput, match=r"\.shard is shorter"):
        _export(tmp_path)

    assert not list(tmp_path.glob("out/brain*"))


def test_a_volume_that_changes_meanwhile_is_never_published(
    tmp_path: Path, brain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ome_zarr.Copy.slab

    def changing(self: ome_zarr.Copy, mip: int, row: int, pool: object) -> int:
        (tmp_path / "out/volume/info").touch()
        return original(self, mip, row, pool)

    monkeypatch.setattr(ome_zarr.Copy, "slab", changing)

    with pytest.raises(BadInput, match="changed while it was read: info"):
        _export(tmp_path)


@pytest.mark.parametrize("change", [{"data_type": "uint8"}, {"scales": []}, {"num_channels": 2}])
def test_a_volume_of_another_kind_is_refused(
    tmp_path: Path, brain: np.ndarray, change: dict[str, object]
) -> None:
    info = read_info(tmp_path / "out/volume") | change
    (tmp_path / "out/volume/info").write_text(json.dumps(info))

    with pytest.raises(BadInput, match="no volume that this pipeline made"):
        _export(tmp_path)


def test_no_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out/volume").mkdir(parents=True)

    with pytest.raises(BadInput, match="no volume that can be read"):
        _export(tmp_path)


@pytest.mark.alone
def test_the_memory_is_what_is_predicted(tmp_path: Path, brain: np.ndarray) -> None:
    measured = peak_memory(tmp_path / "job", _spec(), tmp_path)

    predicted = results.export_zarr(_spec(), SHAPE[1:])
    assert measured <= predicted <= 2 * measured + 200_000_000
