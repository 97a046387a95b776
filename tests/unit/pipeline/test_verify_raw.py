"""The step verify_raw: is the delivery still what was checked, byte for byte?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, JsonDict, StepSpec
from pipeline.errors import BadInput
from pipeline.steps import inspect_raw, verify_raw
from pipeline.workspace import Workspace
from tests.support import stacks

if TYPE_CHECKING:
    from pathlib import Path


def _spec(step: str, inputs: JsonDict, parameters: JsonDict, outputs: dict[str, str]) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION,
        step=step,
        name="a1",
        version=PIPELINE_VERSION,
        inputs={"folder": "raw", **inputs},
        parameters=parameters,
        outputs=outputs,
        threads=2,
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A delivery with the manifest of its check in `manifest`."""
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=6)
    parameters = {
        "channels": stacks.expected_delivery(planes=6).to_json(),
        "layout": "lavision",
    }
    spec = _spec("inspect_raw", {}, parameters, {"manifest": "manifest"})
    inspect_raw.run(spec, Workspace(tmp_path, "a1", 2))
    return folder


def _verify(root: Path, *, on_problem: str = "report", **inputs: str) -> JsonDict:
    given = {"layout": "lavision", "manifest": "manifest", **inputs}
    spec = _spec("verify_raw", given, {"on_problem": on_problem}, {})
    return verify_raw.run(spec, Workspace(root, "a1", 2))


def test_an_untouched_delivery_is_what_it_was(tmp_path: Path, raw: Path) -> None:
    outputs = _verify(tmp_path)

    assert (outputs["ok"], outputs["files"], outputs["problems"]) == (True, 6, [])


def test_each_difference_is_named(tmp_path: Path, raw: Path) -> None:
    stacks.drop_planes(raw, [1])
    stacks.duplicate(raw / stacks.plane_name(2))

    outputs = _verify(tmp_path)

    assert outputs["ok"] is False
    assert {p["code"]: p["file"] for p in outputs["problems"]} == {
        "missing": stacks.plane_name(1),
        "stray_file": stacks.plane_name(2).replace("10-11-12", "11-22-33"),
    }


def test_a_changed_byte_is_found_though_size_and_time_are_as_before(
    tmp_path: Path, raw: Path
) -> None:
    path = raw / stacks.plane_name(3)
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    (problem,) = _verify(tmp_path)["problems"]

    assert (problem["code"], problem["file"]) == ("changed", stacks.plane_name(3))


def test_a_difference_fails_the_step_unless_asked_for_a_report(tmp_path: Path, raw: Path) -> None:
    stacks.drop_planes(raw, [1])

    with pytest.raises(BadInput, match="1 file of the delivery differ") as caught:
        _verify(tmp_path, on_problem="fail")

    assert caught.value.problems[0].file == stacks.plane_name(1)


def test_another_manifest_than_the_one_written_is_refused(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(BadInput, match="not the one that was written"):
        _verify(tmp_path, manifest_digest="00")


def test_a_manifest_that_is_none_is_refused(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "manifest").write_text("{}\n")

    with pytest.raises(BadInput, match="line 1 is not one of a manifest"):
        _verify(tmp_path)


def test_a_folder_that_is_gone_is_refused(tmp_path: Path, raw: Path) -> None:
    raw.rename(tmp_path / "elsewhere")

    with pytest.raises(BadInput, match="The folder cannot be read"):
        _verify(tmp_path)
