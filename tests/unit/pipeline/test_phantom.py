"""The phantom is a delivery like a real one, and shows left, front and top."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.phantom import mark_position, plane_file, write_delivery
from pipeline.raw.check import Expected, ExpectedChannel, inspect_folder
from tests.unit.pipeline.support import contents

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (40, 66, 58)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "raw"
    write_delivery(folder, shape_zyx=SHAPE, voxel_um_zyx=(200.0, 200.0, 200.0))
    return folder


def _volume(folder: Path, *, filter_index: int, sheet_code: int) -> np.ndarray:
    names = [
        plane_file(z=z, filter_index=filter_index, sheet_code=sheet_code) for z in range(SHAPE[0])
    ]
    return np.stack([tifffile.imread(folder / name, key=0, is_ome=False) for name in names])


def test_it_passes_the_check_of_deliveries(delivery: Path) -> None:
    channels = tuple(
        ExpectedChannel(
            name=name, filter_index=i, left=True, right=True, columns=1, rows=1, planes=40
        )
        for i, name in enumerate(("488", "647"))
    )

    report = inspect_folder(delivery.parent, "raw", Expected(channels))

    assert report.ok
    assert report.plane_shape == SHAPE[1:]


def test_the_mark_is_bright_and_left_front_top(delivery: Path) -> None:
    z, y, x = mark_position(SHAPE).center_zyx
    volume = _volume(delivery, filter_index=0, sheet_code=0)

    assert volume[z, y, x] > 2 * volume[z, y, SHAPE[2] - 1 - x]
    assert np.unravel_index(volume.argmax(), volume.shape)[2] < SHAPE[2] / 2
    assert z < SHAPE[0] / 3
    assert y < SHAPE[1] / 3


def test_each_sheet_is_brighter_on_its_own_side(delivery: Path) -> None:
    left, right = (_volume(delivery, filter_index=0, sheet_code=code)[25] for code in (0, 1))
    middle = SHAPE[2] // 2

    assert left[:, :middle].mean() > right[:, :middle].mean()
    assert left[:, middle:].mean() < right[:, middle:].mean()


def test_cells_are_brighter_than_their_surroundings(delivery: Path) -> None:
    cells = json.loads((delivery.parent / "raw_cells.json").read_text())["cells_zyx"]
    volume = _volume(delivery, filter_index=1, sheet_code=0)

    brightness = [volume[tuple(cell)] for cell in cells]

    assert len(cells) > 20
    assert np.median(brightness) > 3 * np.median(volume)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_delivery(tmp_path / name, shape_zyx=(6, 22, 19), seed=seed, sheets=1)

    assert contents(tmp_path / "a") == contents(tmp_path / "b") != contents(tmp_path / "c")
