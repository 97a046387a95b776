"""The step count_regions: every voxel and every cell is counted once, in its region and above."""

from __future__ import annotations

import csv
import itertools
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.cells import table
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.errors import BadInput
from pipeline.io.tiff_volume import write_volume
from pipeline.needs import results
from pipeline.steps import count_regions
from pipeline.workspace import Workspace
from tests.unit.pipeline.support import contents, peak_memory

if TYPE_CHECKING:
    from pathlib import Path

IDS = [1, 10, 11, 12, 20, 21, 4_000_000_000]
PARENTS = {1: None, 10: 1, 11: 10, 12: 10, 20: 1, 21: 20, 4_000_000_000: 21}
SHAPE = (9, 11, 13)
VOXEL = (20.0, 25.0, 30.0)
AXES = ["LR", "AP", "DV"]


def _write(path: Path, volume: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, volume, shape_zyx=volume.shape, dtype=volume.dtype, voxel_um=VOXEL)


def _cells(folder: Path, places_um: np.ndarray, size_um: list[float]) -> None:
    folder.mkdir(parents=True)
    rows = np.zeros((len(places_um), 6))
    rows[:, :3] = places_um
    table.write_cells(folder / "cells.csv", rows)
    (folder / "cells.json").write_text(json.dumps({"size_um": size_um}))


def _tree(root: Path, names: dict[int, str] | None = None) -> None:
    tree = [
        {"id": id, "acronym": f"R{id}", "name": (names or {}).get(id, f"Region {id}"),
         "parent": PARENTS[id], "color": None}
        for id in IDS
    ]  # fmt: skip
    (root / "tree.json").write_text(json.dumps(tree))


@pytest.fixture
def sample(tmp_path: Path) -> dict[str, np.ndarray]:
    """Random labels, two channels, and cells all over and beyond."""
    rng = np.random.default_rng(4)
    labels = rng.choice(np.array([0, *IDS], dtype=np.uint32), SHAPE)
    a, b = (rng.integers(0, 65536, SHAPE, dtype=np.uint16) for _ in range(2))
    size = np.array(SHAPE[::-1]) * VOXEL
    places = np.round(rng.uniform(-20, size + 20, (900, 3)), 2)
    for name, volume in (("labels", labels), ("a", a), ("b", b)):
        _write(tmp_path / f"{name}.tif", volume)
    _cells(tmp_path / "cells", places, size.tolist())
    _tree(tmp_path)
    return {"labels": labels, "a": a, "b": b, "places": places}


def _spec(name: str = "a1", **parameters: object) -> StepSpec:
    volumes = [{"channel": "488", "volume": "a.tif"}, {"channel": "647", "volume": "b.tif"}]
    return StepSpec(
        contract=CONTRACT_VERSION,
        step="count_regions",
        name=name,
        version=PIPELINE_VERSION,
        inputs={
            "labels": "labels.tif",
            "volumes": volumes,
            "cells": [{"channel": "647", "folder": "cells"}],
            "tree": "tree.json",
        },
        parameters={"voxel_um": list(VOXEL), "axes": AXES, "cells_axes": AXES, **parameters},
        outputs={"table": "out/regions"},
        threads=2,
    )


def _count(root: Path, spec: StepSpec | None = None) -> JsonDict:
    spec = spec or _spec()
    return count_regions.run(spec, Workspace(root, spec.name, spec.threads))


def _rows(root: Path) -> dict[int, dict[str, object]]:
    document = json.loads((root / "out/regions/regions.json").read_text())
    return {row["id"]: row for row in document["rows"]}


def _below(id: int) -> set[int]:
    """The id and all below it, by walking up from each."""
    found = set()
    for other in IDS:
        above: int | None = other
        while above is not None:
            if above == id:
                found.add(other)
            above = PARENTS[above]
    return found


def _label_of(place: np.ndarray, labels: np.ndarray) -> int:
    """One cell at a time, in plain Python."""
    x, y, z = (int(np.floor(um / voxel)) for um, voxel in zip(place, VOXEL, strict=True))
    if 0 <= z < SHAPE[0] and 0 <= y < SHAPE[1] and 0 <= x < SHAPE[2]:
        return int(labels[z, y, x])
    return 0


def test_every_figure_is_what_counting_by_hand_gives(
    tmp_path: Path, sample: dict[str, np.ndarray]
) -> None:
    outputs = _count(tmp_path)

    rows, labels = _rows(tmp_path), sample["labels"]
    of_cells = [_label_of(place, labels) for place in sample["places"]]
    for id in IDS:
        inside = np.isin(labels, list(_below(id)))
        row = rows[id]
        assert row["voxels"] == inside.sum()
        assert row["volume_mm3"] == pytest.approx(inside.sum() * 20 * 25 * 30 / 1e9)
        assert row["share"] == pytest.approx(inside.sum() / (labels > 0).sum())
        assert row["mean_488"] == pytest.approx(sample["a"][inside].mean(), abs=1e-3)
        assert row["mean_647"] == pytest.approx(sample["b"][inside].mean(), abs=1e-3)
        assert row["cells_647"] == sum(label in _below(id) for label in of_cells)
        assert row["own_cells_647"] == of_cells.count(id)
        density = row["cells_647"] / (inside.sum() * 15e-6)
        assert row["cells_per_mm3_647"] == pytest.approx(density, abs=1e-3)
    assert outputs["outside"]["cells"] == {"647": of_cells.count(0)}
    assert outputs["cells"] == {"647": 900}
    assert [rows[id]["level"] for id in IDS] == [0, 1, 2, 2, 1, 2, 3]


def test_the_root_has_all_that_the_regions_have_of_their_own(
    tmp_path: Path, sample: dict[str, np.ndarray]
) -> None:
    outputs = _count(tmp_path)

    rows = _rows(tmp_path)
    assert rows[1]["voxels"] == sum(row["own_voxels"] for row in rows.values())
    assert rows[1]["cells_647"] == sum(row["own_cells_647"] for row in rows.values())
    assert rows[1]["voxels"] + outputs["outside"]["voxels"] == np.prod(SHAPE)
    assert rows[1]["cells_647"] + outputs["outside"]["cells"]["647"] == 900


@pytest.mark.parametrize("cells_axes", [
    ["RL", "AP", "VD"], ["DV", "PA", "LR"], ["AP", "VD", "RL"], ["LR", "AP", "DV"],
])  # fmt: skip
def test_cells_in_other_axes_come_to_the_same_regions(
    tmp_path: Path, sample: dict[str, np.ndarray], cells_axes: list[str]
) -> None:
    """Each direction is followed by hand: where it runs back, from the other end of the grid."""
    size = dict(zip(AXES, np.array(SHAPE[::-1]) * VOXEL, strict=True))
    ends = {"LR": 0, "RL": 0, "AP": 1, "PA": 1, "DV": 2, "VD": 2}
    (tmp_path / "cells/cells.csv").unlink()
    (tmp_path / "cells/cells.json").unlink()
    (tmp_path / "cells").rmdir()
    turned = np.empty_like(sample["places"])
    for place, direction in enumerate(cells_axes):
        along = sample["places"][:, ends[direction]]
        back = direction not in size
        turned[:, place] = size[direction[::-1]] - along if back else along
    lengths = [size.get(d, size.get(d[::-1])) for d in cells_axes]
    _cells(tmp_path / "cells", turned, lengths)

    _count(tmp_path, _spec(cells_axes=cells_axes))

    of_cells = [_label_of(place, sample["labels"]) for place in sample["places"]]
    found = _rows(tmp_path)
    exact = cells_axes == AXES
    for id in IDS:  # a place exactly between two voxels may fall on either side when turned
        assert abs(found[id]["own_cells_647"] - of_cells.count(id)) <= (0 if exact else 4)


def test_left_and_right_are_told_apart_by_a_volume_of_hemispheres(
    tmp_path: Path, sample: dict[str, np.ndarray]
) -> None:
    sides = np.random.default_rng(9).integers(0, 3, SHAPE).astype(np.uint8)
    _write(tmp_path / "sides.tif", sides)
    spec = _spec()
    spec.inputs["hemispheres"] = "sides.tif"

    _count(tmp_path, spec)

    for id, (side, word) in itertools.product(IDS, [(1, "left"), (2, "right")]):
        inside = np.isin(sample["labels"], list(_below(id))) & (sides == side)
        row = _rows(tmp_path)[id]
        assert row[f"{word}_volume_mm3"] == pytest.approx(inside.sum() * 15e-6)
        assert row[f"{word}_mean_488"] == pytest.approx(sample["a"][inside].mean(), abs=1e-3)
        places = [tuple(int(np.floor(a / b)) for a, b in zip(p, VOXEL, strict=True))
                  for p in sample["places"]]  # fmt: skip
        within = [p for p in places if all(0 <= a < n for a, n in zip(p, SHAPE[::-1], strict=True))]
        assert row[f"{word}_cells_647"] == sum(bool(inside[z, y, x]) for x, y, z in within)


@pytest.mark.parametrize(("axes", "left"), [
    (["LR", "AP", "DV"], np.s_[:, :, :6]), (["RL", "AP", "VD"], np.s_[:, :, 6:]),
    (["AP", "LR", "DV"], np.s_[:, :5, :]), (["DV", "AP", "RL"], np.s_[4:, :, :]),
])  # fmt: skip
def test_left_and_right_are_told_apart_by_a_midline(
    tmp_path: Path, sample: dict[str, np.ndarray], axes: list[str], left: tuple[slice, ...]
) -> None:
    place = next(n for n, direction in enumerate(axes) if direction in ("LR", "RL"))
    middle = (120.0, 125.0, 120.0)[place]

    _count(tmp_path, _spec(axes=axes, cells_axes=axes, midline=middle))

    row = _rows(tmp_path)[1]
    assert row["left_volume_mm3"] == pytest.approx((sample["labels"][left] > 0).sum() * 15e-6)


def test_texts_that_a_spreadsheet_would_run_are_harmless(
    tmp_path: Path, sample: dict[str, np.ndarray]
) -> None:
    names = {10: '=HYPERLINK("x")', 11: "+1", 12: "-1", 20: "@a", 21: 'quoted "a", b\nc'}
    _tree(tmp_path, names)

    _count(tmp_path)

    with (tmp_path / "out/regions/regions.csv").open(encoding="utf-8-sig", newline="") as stream:
        read = {int(row["id"]): row["name"] for row in csv.DictReader(stream)}
    for id, name in names.items():
        assert read[id] == (name if id == 21 else f"'{name}")


def test_the_csv_says_what_the_json_says(tmp_path: Path, sample: dict[str, np.ndarray]) -> None:
    _count(tmp_path)

    with (tmp_path / "out/regions/regions.csv").open(encoding="utf-8-sig", newline="") as stream:
        read = {int(row["id"]): row for row in csv.DictReader(stream)}
    for id, row in _rows(tmp_path).items():
        assert read[id] == {key: "" if v is None else str(v) for key, v in row.items()}


def test_a_label_that_the_tree_does_not_know_is_named(
    tmp_path: Path, sample: dict[str, np.ndarray]
) -> None:
    sample["labels"][2, 3, 4] = 77
    _write(tmp_path / "labels.tif", sample["labels"])

    with pytest.raises(BadInput, match="does not know: 77"):
        _count(tmp_path)


def test_planes_of_another_size_than_the_labels_are_refused(
    tmp_path: Path, sample: dict[str, np.ndarray]
) -> None:
    (tmp_path / "cells/cells.json").write_text(json.dumps({"size_um": [260, 275, 520]}))

    with pytest.raises(BadInput, match="Check voxel_um, axes and cells_axes"):
        _count(tmp_path)


def test_a_volume_on_another_grid_is_refused(tmp_path: Path, sample: dict[str, np.ndarray]) -> None:
    _write(tmp_path / "b.tif", sample["b"][:, :, 1:])

    with pytest.raises(BadInput, match=r"b\.tif has"):
        _count(tmp_path)


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (np.nan, np.float32, "647 has values that are no numbers"),
        (np.inf, np.float32, "647 has values that are no numbers"),
        (1j, np.complex64, r"b\.tif holds complex64; grey values"),
    ],
)
def test_a_volume_of_what_has_no_mean_is_refused(
    tmp_path: Path, sample: dict[str, np.ndarray], value: complex, dtype: type, words: str
) -> None:
    volume = sample["b"].astype(dtype)
    volume[1, 2, 3] = value
    _write(tmp_path / "b.tif", volume)

    with pytest.raises(BadInput, match=words):
        _count(tmp_path)


@pytest.mark.parametrize("text", ["x,y\n1,2\n", f"{','.join(table.NAMES)}\n1,2,3\n", ""])
def test_a_table_that_is_none_is_refused(
    tmp_path: Path, sample: dict[str, np.ndarray], text: str
) -> None:
    (tmp_path / "cells/cells.csv").write_text(text)

    with pytest.raises(BadInput, match="no table of cells"):
        _count(tmp_path)


def test_a_second_run_returns_at_once_and_changed_cells_are_counted_again(
    tmp_path: Path, sample: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _count(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(count_regions, "_report", None)
        assert _count(tmp_path) == first
    table.write_cells(tmp_path / "cells/cells.csv", np.full((3, 6), 40.0))

    assert _count(tmp_path)["cells"] == {"647": 3}


def test_labels_that_change_while_they_are_read_are_never_published(
    tmp_path: Path, sample: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = count_regions._report

    def changing(*arguments: object) -> object:
        report = original(*arguments)
        _write(tmp_path / "labels.tif", np.zeros(SHAPE, dtype=np.uint32))
        return report

    monkeypatch.setattr(count_regions, "_report", changing)

    with pytest.raises(BadInput, match=r"changed while it was read: labels\.tif"):
        _count(tmp_path)

    assert not (tmp_path / "out/regions").exists()


def test_no_cells_and_no_volumes_still_make_a_table(
    tmp_path: Path, sample: dict[str, np.ndarray]
) -> None:
    spec = _spec()
    spec.inputs.update(volumes=[], cells=[])

    assert _count(tmp_path, spec)["regions"] == len(IDS)
    assert sorted(contents(tmp_path / "out/regions")) == [
        "_product.json", "regions.csv", "regions.json",
    ]  # fmt: skip


@pytest.mark.alone
def test_the_memory_is_what_is_predicted(tmp_path: Path, sample: dict[str, np.ndarray]) -> None:
    measured = peak_memory(tmp_path / "job", _spec(), tmp_path)

    predicted = results.count_regions(_spec(), (41, 49))
    assert measured <= predicted <= 2 * measured + 200_000_000
