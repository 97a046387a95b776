"""The step inspect_raw: judge, digest, change nothing."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.errors import BadInput
from pipeline.raw import manifest
from pipeline.steps import inspect_raw
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.unit.pipeline.support import contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _inspect(
    root: Path,
    *,
    into: str = "out/manifest.jsonl",
    planes: int = 4,
    checked: str = "",
    **parameters: object,
) -> JsonDict:
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="inspect_raw",
        name="a1",
        version=PIPELINE_VERSION,
        inputs={"folder": "raw", **({"manifest_digest": checked} if checked else {})},
        parameters={
            "channels": stacks.expected_delivery(planes=planes).to_json(),
            "layout": "lavision",
            **parameters,
        },
        outputs={"manifest": into},
        threads=2,
    )
    return inspect_raw.run(spec, Workspace(root, "a1", 2))


def _lines(root: Path) -> list[JsonDict]:
    text = (root / "out/manifest.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def _codes(outputs: JsonDict) -> list[str]:
    return [problem["code"] for problem in outputs["report"]["problems"]]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return stacks.lavision_delivery(tmp_path / "raw")


def test_the_manifest_names_every_raw_file_with_its_digest(tmp_path: Path, raw: Path) -> None:
    (raw / "notes.txt").write_text("not raw")

    outputs = _inspect(tmp_path)

    lines = _lines(tmp_path)
    assert [line["name"] for line in lines] == [stacks.plane_name(z) for z in range(4)]
    data = (raw / lines[2]["name"]).read_bytes()
    assert lines[2]["size"] == len(data)
    assert lines[2]["mtime_ns"] == (raw / lines[2]["name"]).stat().st_mtime_ns
    assert lines[2]["blake2b"] == hashlib.blake2b(data, digest_size=16).hexdigest()
    assert outputs["files"] == 4
    assert outputs["report"]["ok"] is True


def test_the_same_delivery_has_the_same_digest(tmp_path: Path, raw: Path) -> None:
    first = _inspect(tmp_path)["manifest_digest"]
    second = _inspect(tmp_path, into="out/again.jsonl")["manifest_digest"]

    stacks.write_plane(raw / stacks.plane_name(1), np.ones((12, 16), dtype=np.uint16))

    assert first == second != _inspect(tmp_path)["manifest_digest"]


def test_nothing_in_the_raw_folder_changes(tmp_path: Path, raw: Path) -> None:
    before = contents(raw)

    _inspect(tmp_path)

    assert contents(raw) == before


def test_facts_of_the_first_plane_are_reported(tmp_path: Path, raw: Path) -> None:
    xml = '<OME><Pixels Type="uint16" SizeX="16" SizeY="12" PhysicalSizeZ="10"/></OME>'
    pixels = np.zeros((12, 16), dtype=np.uint16)
    tifffile.imwrite(raw / stacks.plane_name(0), pixels, description=xml, metadata=None, ome=False)

    acquired = _inspect(tmp_path)["report"]["acquired"]

    source = f"the metadata in {stacks.plane_name(0)}"
    assert acquired["channels"]["488"]["z_step_um"] == {"value": 10.0, "source": source}
    assert acquired["folder"]["pixel_type"] == {"value": "uint16", "source": source}


def test_every_problem_is_in_the_refusal(tmp_path: Path, raw: Path) -> None:
    stacks.drop_planes(raw, [3])
    stacks.replace_by_text(raw / stacks.plane_name(1))

    with pytest.raises(BadInput, match="And 1 more problem") as caught:
        _inspect(tmp_path)

    assert len(caught.value.problems) == 2
    assert not (tmp_path / "out").exists()


def test_the_manifest_may_not_lie_in_the_raw_folder(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(BadInput, match="raw folder"):
        _inspect(tmp_path, into="raw/manifest.jsonl")


def test_a_name_that_is_no_utf_8_is_refused_in_readable_letters(tmp_path: Path, raw: Path) -> None:
    stacks.spoil_name(raw / stacks.plane_name(2))

    with pytest.raises(BadInput, match="not valid UTF-8") as caught:
        _inspect(tmp_path)

    assert caught.value.problems[0].file == f"M\\xfcller {stacks.plane_name(2)}"


def test_problems_may_be_reported_instead_and_the_manifest_is_written(
    tmp_path: Path, raw: Path
) -> None:
    stacks.drop_planes(raw, [2])

    outputs = _inspect(tmp_path, on_problem="report")

    assert outputs["report"]["ok"] is False
    assert _codes(outputs) == ["missing"]
    assert outputs["manifest"] == "out/manifest.jsonl"
    assert len(_lines(tmp_path)) == 3


def test_a_waived_problem_lets_the_step_succeed(tmp_path: Path, raw: Path) -> None:
    stacks.drop_planes(raw, [2])
    (problem,) = _inspect(tmp_path, on_problem="report")["report"]["problems"]

    outputs = _inspect(tmp_path, waived=[problem["key"]])

    assert outputs["report"]["ok"] is True
    assert outputs["report"]["absent"][0]["planes"] == [2]


def test_a_folder_that_is_not_there_is_reported_too(tmp_path: Path) -> None:
    outputs = _inspect(tmp_path, on_problem="report")

    assert _codes(outputs) == ["folder"]
    assert (outputs["manifest"], outputs["manifest_digest"]) == ("", "")


def test_a_file_that_cannot_be_read_leaves_no_manifest(tmp_path: Path, raw: Path) -> None:
    stacks.make_unreadable(raw / stacks.plane_name(2))

    outputs = _inspect(tmp_path, on_problem="report")

    assert "unreadable" in _codes(outputs)
    assert outputs["manifest"] == ""
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read whole."""
    names: list[str] = []
    real = manifest.digest_of_file

    def noted(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(manifest, "digest_of_file", noted)
    return names


def test_a_second_check_reads_only_what_came_or_changed(
    tmp_path: Path, raw: Path, digested: list[str]
) -> None:
    stacks.make_old(raw)
    (raw / stacks.plane_name(1)).rename(tmp_path / "later.tif")
    _inspect(tmp_path, on_problem="report")
    digested.clear()
    (tmp_path / "later.tif").rename(raw / stacks.plane_name(1))
    os.utime(raw / stacks.plane_name(3))

    again = _inspect(tmp_path)

    assert sorted(digested) == [stacks.plane_name(1), stacks.plane_name(3)]
    assert again["manifest_digest"] == _inspect(tmp_path, into="out/new")["manifest_digest"]


def test_a_file_changed_at_the_last_moment_is_read_again(
    tmp_path: Path, raw: Path, digested: list[str]
) -> None:
    _inspect(tmp_path)
    digested.clear()

    _inspect(tmp_path)

    assert len(digested) == 4


@pytest.mark.parametrize("damage", [b"\xff\n", b"[]\n", b"{}\n", b""])
def test_a_damaged_manifest_is_written_anew(tmp_path: Path, raw: Path, damage: bytes) -> None:
    digest = _inspect(tmp_path)["manifest_digest"]
    (tmp_path / "out/manifest.jsonl").write_bytes(damage)

    assert _inspect(tmp_path)["manifest_digest"] == digest


def _change_while_reading(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    real = manifest.digest_of_file
    left = [change]

    def meanwhile(path: Path) -> str:
        digest = real(path)
        while left:
            left.pop()()
        return digest

    monkeypatch.setattr(manifest, "digest_of_file", meanwhile)


def _grow(raw: Path) -> None:
    with (raw / stacks.plane_name(0)).open("ab") as stream:
        stream.write(b"more")


def _arrive(raw: Path) -> None:
    stacks.duplicate(raw / stacks.plane_name(0))


def _vanish(raw: Path) -> None:
    stacks.drop_planes(raw, [3])


@pytest.mark.parametrize(
    ("change", "words"),
    [(_grow, "1 file changed"), (_arrive, "1 file came"), (_vanish, "1 file went")],
)
def test_a_folder_that_changes_during_the_check_leaves_no_manifest(
    tmp_path: Path,
    raw: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    words: str,
) -> None:
    stacks.make_old(raw)
    _change_while_reading(monkeypatch, lambda: change(raw))

    outputs = _inspect(tmp_path, on_problem="report")

    assert "changed" in _codes(outputs)
    assert words in outputs["report"]["problems"][-1]["what"]
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_changes_during_the_check_fails_it(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _change_while_reading(monkeypatch, lambda: _grow(raw))

    with pytest.raises(BadInput, match="changed during the check"):
        _inspect(tmp_path)


def test_the_manifest_of_a_tree_names_column_and_tile(tmp_path: Path) -> None:
    scan = stacks.smartspim_delivery(tmp_path / "raw", columns=2, rows=1)
    spec_channels = stacks.expected_smartspim(columns=2, rows=1).to_json()

    outputs = _inspect(tmp_path, channels=spec_channels, layout="smartspim", on_problem="report")

    tile = stacks.tile_folder(scan, 1, 0)
    names = [line["name"] for line in _lines(tmp_path)]
    assert names == sorted(names)
    assert names[-1] == f"{tile.parent.name}/{tile.name}/000040.tif"
    assert outputs["files"] == 6


@pytest.mark.parametrize(
    "parameters",
    [
        {"layout": "zeiss"},
        {"on_problem": "ignore"},
        {"waived": "all"},
        {"waived": [1]},
        {"channels": [{"name": "488"}]},
    ],
)
def test_a_senseless_question_is_refused(
    tmp_path: Path, raw: Path, parameters: dict[str, object]
) -> None:
    with pytest.raises(BadInput):
        _inspect(tmp_path, **parameters)


def test_other_files_than_were_checked_are_refused_by_name(tmp_path: Path, raw: Path) -> None:
    checked = _inspect(tmp_path)["manifest_digest"]
    stacks.write_plane(raw / stacks.plane_name(2), np.ones((12, 16), dtype=np.uint16))

    with pytest.raises(BadInput, match=r"not what it was when it was checked: 1 file changed"):
        _inspect(tmp_path, checked=checked)


def test_the_list_of_what_was_checked_stays_when_other_files_lie_there(
    tmp_path: Path, raw: Path
) -> None:
    checked = _inspect(tmp_path)["manifest_digest"]
    before = _lines(tmp_path)
    stacks.write_plane(raw / stacks.plane_name(2), np.ones((12, 16), dtype=np.uint16))

    _inspect(tmp_path, checked=checked, on_problem="report")

    assert _lines(tmp_path) == before


def test_a_list_that_somebody_rewrote_is_no_proof(tmp_path: Path, raw: Path) -> None:
    checked = _inspect(tmp_path)["manifest_digest"]
    stacks.make_old(raw)
    path = tmp_path / "out/manifest.jsonl"
    stacks.write_plane(raw / stacks.plane_name(2), np.ones((12, 16), dtype=np.uint16))
    stacks.make_old(raw)
    _inspect(tmp_path)
    path.write_text(path.read_text().replace(_lines(tmp_path)[0]["blake2b"], "0" * 32))

    with pytest.raises(BadInput, match="not what it was when it was checked"):
        _inspect(tmp_path, checked=checked)


def test_the_same_files_as_were_checked_pass(tmp_path: Path, raw: Path) -> None:
    checked = _inspect(tmp_path)["manifest_digest"]

    assert _inspect(tmp_path, checked=checked)["manifest_digest"] == checked
