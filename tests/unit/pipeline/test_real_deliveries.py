"""Deliveries in both layouts made of real planes, whole or spoiled in one way."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.phantom_metadata import Acquisition, ome_xml
from pipeline.raw import manifest
from pipeline.raw.check import DeliveryReport, Expected, inspect_folder
from pipeline.raw.session import read_session
from pipeline.steps import inspect_raw
from pipeline.workspace import Workspace
from tests.support import stacks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.realdata

PLANES = 12
SHAPE = (193, 271)
COLUMNS, ROWS = 4, 6
SMARTSPIM = "Ex_488_Em_0"


def _real_planes(real_data: Path) -> list[bytes]:
    folder = real_data / "real_brain" / "brain_planes"
    paths = sorted(folder.glob("image_*.tif"))[100 : 100 + PLANES]
    return [path.read_bytes() for path in paths]


def _file(index: int, code: int) -> str:
    return stacks.plane_name(0, filter_index=index, sheet_code=code)


@pytest.fixture
def lavision(tmp_path: Path, real_data: Path) -> Path:
    """Two channels and sheets of a real brain, with metadata in the first plane."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for z, data in enumerate(_real_planes(real_data)):
        for index, code in ((0, 0), (0, 1), (1, 0), (1, 1)):
            name = stacks.plane_name(z, filter_index=index, sheet_code=code)
            (folder / name).write_bytes(data)
    acquired = Acquisition((PLANES, *SHAPE), (50.0, 40.0, 40.0), ("488", "555"), 2)
    stacks.describe(folder / stacks.plane_name(0), ome_xml(acquired, _file))
    return folder


LAVISION = stacks.expected_delivery(
    planes=PLANES, filters=(0, 1), right=True, z_step_um=50.0, pixel_um=40.0
)


@pytest.fixture
def session(real_data: Path) -> JsonDict:
    """The session of a real SmartSPIM, as the vendor's notes were read by others."""
    path = real_data / "smartspim_metadata" / "example_metadata.py"
    spec = importlib.util.spec_from_file_location("example_metadata", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: JsonDict = module.example_metadata_info
    return found


@pytest.fixture
def smartspim(tmp_path: Path, real_data: Path, session: JsonDict) -> Path:
    """The tiles that the real session lists for 488 nm, each with planes of the real brain."""
    planes = _real_planes(real_data)
    for tile in session["tile_config"].values():
        if tile["Laser"] == "488":
            place = tmp_path / SMARTSPIM / tile["X"] / f"{tile['X']}_{tile['Y']}"
            place.mkdir(parents=True)
            for z, data in enumerate(planes):
                (place / f"{20 * z:06d}.tif").write_bytes(data)
    (tmp_path / "metadata.json").write_text(json.dumps(session))
    return tmp_path / SMARTSPIM


TILED = stacks.expected_smartspim(
    columns=COLUMNS, rows=ROWS, planes=PLANES, z_step_um=2.0, pixel_um=1.8
)


def _inspect(folder: Path, expected: Expected) -> DeliveryReport:
    return inspect_folder(folder.parent, folder.name, expected)


def _codes(report: DeliveryReport) -> set[str]:
    return {problem.code for problem in report.problems}


def test_a_whole_lavision_delivery_is_right(lavision: Path) -> None:
    report = _inspect(lavision, LAVISION)

    assert report.problems == ()
    assert report.plane_shape == SHAPE


def test_a_real_session_is_understood(session: JsonDict) -> None:
    notes = read_session(json.dumps(session).encode(), "488", "x")

    assert (notes.columns, notes.rows, notes.planes) == (COLUMNS, ROWS, 3338)
    assert (notes.pixel_um, notes.z_step_um, notes.lasers) == (1.8, 2.0, (488, 561, 639))


def test_a_real_table_of_tiles_in_another_form_tells_the_same(real_data: Path) -> None:
    data = (real_data / "smartspim_metadata" / "expected_acquisition.json").read_bytes()

    notes = read_session(data, "488", "x")

    assert (notes.columns, notes.rows) == (COLUMNS, ROWS)
    assert (notes.pixel_um, notes.z_step_um) == (1.8, 2.0)
    assert notes.ended_at == "2025-04-23T18:46:00-07:00"


def test_a_smartspim_delivery_differs_from_its_session_in_the_planes_alone(
    smartspim: Path,
) -> None:
    report = _inspect(smartspim, TILED)

    assert _codes(report) == {"metadata_planes"}
    assert report.files == COLUMNS * ROWS * PLANES
    waived = [problem.key for problem in report.problems]
    assert inspect_folder(smartspim.parent, SMARTSPIM, TILED, waived=waived).ok


def test_a_plane_missing_in_the_middle_is_named(lavision: Path, smartspim: Path) -> None:
    stacks.drop_planes(lavision, [6], filter_index=1, sheet_code=1)
    tile = next(path for path in smartspim.glob("*/*"))
    (tile / "000120.tif").unlink()

    words = [
        problem.what
        for report in (_inspect(lavision, LAVISION), _inspect(smartspim, TILED))
        for problem in report.problems
        if problem.code == "missing"
    ]

    assert words == [
        "Channel 555, right sheet has 11 of 12 planes; plane 6 is missing.",
        f"Channel 488, tile {tile.name} has 11 of 12 planes; plane 6 is missing.",
    ]


def test_swapped_sheets_are_named(lavision: Path) -> None:
    for z in range(PLANES):
        for index in (0, 1):
            left = lavision / stacks.plane_name(z, filter_index=index)
            right = lavision / stacks.plane_name(z, filter_index=index, sheet_code=1)
            left.rename(lavision / "swap")
            right.rename(left)
            (lavision / "swap").rename(right)
    acquired = Acquisition((PLANES, *SHAPE), (50.0, 40.0, 40.0), ("488", "555"), 2)
    swapped = ome_xml(acquired, lambda index, code: _file(index, 1 - code))
    stacks.describe(lavision / stacks.plane_name(0), swapped)

    assert _codes(_inspect(lavision, LAVISION)) == {"metadata_sheet"}


def test_a_channel_index_that_does_not_exist_has_no_planes(lavision: Path) -> None:
    expected = stacks.expected_delivery(planes=PLANES, filters=(0, 3), right=True)

    report = _inspect(lavision, expected)

    assert {"empty_group", "stray_channel"} <= _codes(report)
    assert "24 files belong to Filter0001" in "".join(p.what for p in report.problems)


def test_a_link_out_of_the_storage_is_refused_in_both_layouts(
    lavision: Path, smartspim: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(lavision / stacks.plane_name(4), outside / "plane.tif")
    stacks.link_out(lavision / stacks.plane_name(4), outside / "plane.tif")
    stacks.move_out(next(smartspim.glob("*/*")), outside / "tile")

    assert "link_out" in _codes(_inspect(lavision, LAVISION))
    assert "link_out" in _codes(_inspect(smartspim, TILED))


def test_unreadable_files_are_named_in_both_layouts(lavision: Path, smartspim: Path) -> None:
    stacks.make_unreadable(lavision / stacks.plane_name(4))
    stacks.make_unreadable(next(smartspim.glob("*/*/000040.tif")))

    assert _codes(_inspect(lavision, LAVISION)) == {"unreadable"}
    assert "unreadable" in _codes(_inspect(smartspim, TILED))


@pytest.mark.parametrize("layout", ["lavision", "smartspim"])
def test_a_folder_that_changes_during_the_check_leaves_no_manifest(
    layout: str, lavision: Path, smartspim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, expected = {
        "lavision": (lavision, LAVISION),
        "smartspim": (smartspim, TILED),
    }[layout]
    path = max(folder.rglob("*.tif"))
    real = manifest.digest_of_file

    def meanwhile(read: Path) -> str:
        os.utime(path, (1, 1))
        return real(read)

    monkeypatch.setattr(manifest, "digest_of_file", meanwhile)
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="inspect_raw",
        name="a1",
        version=PIPELINE_VERSION,
        inputs={"folder": folder.name},
        parameters={"channels": expected.to_json(), "layout": layout, "on_problem": "report"},
        outputs={"manifest": "manifest"},
        threads=2,
    )

    outputs = inspect_raw.run(spec, Workspace(folder.parent, "a1", 2))

    assert outputs["manifest"] == ""
    assert "changed" in {problem["code"] for problem in outputs["report"]["problems"]}
