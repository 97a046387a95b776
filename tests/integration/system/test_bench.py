"""`make bench SIZE=small` works from end to end; how long anything takes is not judged here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import measure, run
from tests.support import services

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benchmark with its files here, and without igneous and itk-elastix."""
    services.program("mariadbd", service="mariadb", package="mariadb-server")
    monkeypatch.setattr(measure, "WORK", tmp_path / "work")
    monkeypatch.setattr(measure, "_VENV", tmp_path / "no-venv")
    monkeypatch.setattr(measure, "_ITK_VENV", tmp_path / "no-itk")
    monkeypatch.setattr(run, "_FOLDER", tmp_path)
    return tmp_path


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_the_small_benchmark_measures_every_target_and_names_what_it_leaves_out(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--size", "small"]) == 0

    rows = {
        row["name"]: row for row in json.loads((place / "bench_small.json").read_text())["rows"]
    }
    left_out = [name for name, row in rows.items() if row["ratio"] is None]
    known = [
        "1", "1b", "1c", "1d", "2", "2b", "3", "4", "5", "6", "7", "7b", "8", "9", "9b", "10", "13",
        "14",
    ]  # fmt: skip
    assert sorted({name.split()[0] for name in rows}) == sorted(known)
    assert [name.split()[0] for name in left_out] == ["1c", "1d", "6", "7b", "7b", "8"]
    assert all(rows[name]["reference"].startswith("left out") for name in left_out)
    assert all(row["ratio"] > 0 for name, row in rows.items() if name not in left_out)
    (exact,) = [row for name, row in rows.items() if name.startswith("2b")]
    assert (exact["met"], exact["ratio"]) == (True, 0.5)
    printed = capsys.readouterr().out
    assert all(name in printed for name in rows)
    assert not (place / "bench.json").exists()
