"""The step transform: another channel in the atlas, by the registration of the first one."""

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

SIZE, UM = [28, 33, 20], [400.0, 400.0, 400.0]


@pytest.fixture(autouse=True)
def elastix() -> None:
    brains.need_elastix()


def _channel() -> np.ndarray:
    """The other channel: darker, other contrast, a pattern of its own."""
    brain = brains.brain().astype(float)
    return np.rint(50 + 0.4 * brain**0.9).astype(np.uint16)


def _transform(
    root: Path, volume: np.ndarray, *, shift: float = 0.0, inputs: JsonDict, **values: object
) -> tuple[np.ndarray, JsonDict]:
    brains.write(root / "in/channel.tif", volume)
    brains.write(root / "in/reference.tif", brains.brain())
    brains.registration(root / "o/elastix", SIZE, UM, shift_mm=np.array([shift, 0, 0]))
    given = brains.spec(
        "transform",
        inputs={"volume": "in/channel.tif", "registration": "o/elastix", **inputs},
        out={"folder": "o/elastix/brain_resized_ch01"},
        **{"voxel_um": UM, "template_voxel_um": UM, "settings": "fast", **values},
    )
    outputs = brains.run_in(root, given)
    return tifffile.imread(root / "o/elastix/brain_resized_ch01/result.tif"), outputs


def test_the_channel_moves_as_the_registration_says(tmp_path: Path) -> None:
    channel = _channel()

    result, outputs = _transform(tmp_path, channel, shift=0.8, inputs={})

    assert result.dtype == np.uint16
    assert np.abs(result[:, :, :24].astype(int) - channel[:, :, 2:26]).max() <= 1
    assert outputs["size"] == SIZE
    assert "to_reference" not in outputs


@pytest.mark.parametrize("dtype", [">u2", "i8", "u8", "f2", "f8"])
def test_a_channel_of_any_type_of_numbers_is_taken(tmp_path: Path, dtype: str) -> None:
    channel = _channel().astype(dtype)

    result, _ = _transform(tmp_path, channel, inputs={})

    assert np.abs(result.astype(float) - channel.astype(float)).max() <= 1


def test_a_channel_of_smaller_voxels_lies_in_the_same_place(tmp_path: Path) -> None:
    channel = _channel()
    fine = channel.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)

    result, _ = _transform(tmp_path, fine, inputs={}, voxel_um=[200.0, 200.0, 200.0])

    assert result.shape == channel.shape
    assert np.corrcoef(result.ravel(), channel.ravel())[0, 1] > 0.97
    for axis in range(3):  # a quarter of a voxel aside would be more like one neighbor
        sides = [np.roll(result, step, axis=axis).ravel() for step in (-1, 1)]
        before, after = (np.corrcoef(side, channel.ravel())[0, 1] for side in sides)
        assert abs(before - after) < 0.01


def test_a_channel_that_lies_aside_is_brought_to_the_reference_first(tmp_path: Path) -> None:
    channel = _channel()
    aside = np.roll(channel, 1, axis=2)

    result, outputs = _transform(tmp_path, aside, inputs={"reference": "in/reference.tif"})

    alone = np.abs(aside.astype(int) - channel).mean()
    assert np.abs(result.astype(int) - channel).mean() < 0.5 * alone
    assert outputs["to_reference"]["used"] is True
    assert (tmp_path / "o/elastix/brain_resized_ch01/sig_to_reg/score.json").exists()
    assert not list(tmp_path.rglob("working"))


def test_an_earlier_registration_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    channel = _channel()
    before, _ = _transform(tmp_path, channel, inputs={})

    after, _ = _transform(tmp_path, channel, shift=0.8, inputs={})

    assert not np.array_equal(before, after)


@pytest.mark.parametrize("value", [0, 1000])
def test_a_blank_channel_is_refused(tmp_path: Path, value: int) -> None:
    with pytest.raises(BadInput, match="blank"):
        _transform(tmp_path, np.full((20, 33, 28), value, np.uint16), inputs={})


def test_another_template_than_the_registration_had_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="400 x 400 x 400 µm; template_voxel_um says 25"):
        _transform(tmp_path, _channel(), inputs={}, template_voxel_um=[25.0, 25.0, 25.0])
