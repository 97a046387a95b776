"""The step inspect_raw: judge, digest, change nothing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.errors import BadInput
from pipeline.steps import inspect_raw
from pipeline.workspace import Workspace
from tests.support import stacks
from tests.unit.pipeline.support import contents

if TYPE_CHECKING:
    from pathlib import Path


def _inspect(root: Path, *, manifest: str = "out/manifest.jsonl", planes: int = 4) -> JsonDict:
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step="inspect_raw",
        name="a1",
        version=PIPELINE_VERSION,
        inputs={"folder": "raw"},
        parameters={
            "channels": stacks.expected_delivery(planes=planes).to_json(),
            "layout": "lavision",
        },
        outputs={"manifest": manifest},
        threads=2,
    )
    return inspect_raw.run(spec, Workspace(root, "a1", 2))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return stacks.lavision_delivery(tmp_path / "raw")


def test_the_manifest_names_every_raw_file_with_its_digest(tmp_path: Path, raw: Path) -> None:
    (raw / "notes.txt").write_text("not raw")

    outputs = _inspect(tmp_path)

    manifest = (tmp_path / "out/manifest.jsonl").read_text()
    lines = [json.loads(line) for line in manifest.splitlines()]
    assert [line["name"] for line in lines] == [stacks.plane_name(z) for z in range(4)]
    data = (raw / lines[2]["name"]).read_bytes()
    assert lines[2]["size"] == len(data)
    assert lines[2]["blake2b"] == hashlib.blake2b(data, digest_size=16).hexdigest()
    assert outputs["files"] == 4
    assert outputs["report"]["ok"] is True


def test_the_same_delivery_has_the_same_digest(tmp_path: Path, raw: Path) -> None:
    first = _inspect(tmp_path)["manifest_digest"]
    second = _inspect(tmp_path, manifest="out/again.jsonl")["manifest_digest"]
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
        _inspect(tmp_path, manifest="raw/manifest.jsonl")


def test_a_name_that_is_no_utf_8_is_refused_in_readable_letters(tmp_path: Path, raw: Path) -> None:
    stacks.spoil_name(raw / stacks.plane_name(2))

    with pytest.raises(BadInput, match="not valid UTF-8") as caught:
        _inspect(tmp_path)

    assert caught.value.problems[0].file == f"M\\xfcller {stacks.plane_name(2)}"
