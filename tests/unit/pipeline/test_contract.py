"""The documents that pass between the site and a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from pipeline import registry
from pipeline.contract import CONTRACT_VERSION, Problem, SpecInvalid, StepResult, StepSpec
from tests.unit.pipeline.support import REPOSITORY, precompute_spec


def _changed(**changes: object) -> str:
    return json.dumps({**json.loads(precompute_spec().to_json()), **changes})


def test_a_spec_survives_the_journey_as_json() -> None:
    spec = precompute_spec(channel="488", mips=2)

    assert StepSpec.from_json(spec.to_json()) == spec


def test_a_result_survives_the_journey_as_json() -> None:
    result = StepResult(
        contract=CONTRACT_VERSION,
        step="precompute",
        name="a1",
        status="failed",
        reason="BAD_INPUT",
        message="Plane 3 is missing.",
        started_at="2026-01-01T00:00:00+00:00",
        finished_at="2026-01-01T00:00:01+00:00",
        host="node",
        problems=[Problem("a.tif", "is gone", "Copy it again.")],
        outputs={"shape": [1, 2, 3]},
    )

    assert StepResult.from_json(result.to_json()) == result


def test_a_name_that_is_no_utf_8_arrives_as_readable_text() -> None:
    name = os.fsdecode(b"M\xfcller.tif")

    text = precompute_spec(channel=name).to_json()

    assert StepSpec.from_json(text.encode()).parameters["channel"] == r"M\udcfcller.tif"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"surprise": 1}, "surprise"),
        ({"threads": 0}, "threads"),
        ({"threads": True}, "threads"),
        ({"threads": 10**12}, "threads must be an integer of at most 4,096"),
        ({"tasks": 10**12}, "tasks must be an integer of at most 10,000"),
        ({"contract": "1"}, "contract"),
        ({"name": "../a1"}, "name"),
        ({"name": ""}, "name"),
        ({"inputs": []}, "inputs"),
        ({"outputs": {"volume": 3}}, "outputs.volume"),
        ({"step": None}, "step"),
    ],
)
def test_a_spec_with_a_wrong_field_is_refused_by_name(
    changes: dict[str, object], named: str
) -> None:
    with pytest.raises(SpecInvalid, match=named):
        StepSpec.from_json(_changed(**changes))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"threads": NaN}', "\xff"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(SpecInvalid):
        StepSpec.from_json(text)


def test_a_missing_field_is_refused_by_name() -> None:
    document = json.loads(precompute_spec().to_json())
    del document["version"]

    with pytest.raises(SpecInvalid, match="version"):
        StepSpec.from_json(json.dumps(document))


def test_a_result_with_an_unknown_reason_is_refused() -> None:
    text = json.dumps({"reason": "TIRED"})

    with pytest.raises(SpecInvalid):
        StepResult.from_json(text)


def test_every_step_has_a_signature() -> None:
    assert set(registry.STEPS) == set(registry.SIGNATURES)


def test_the_contract_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import sys, pipeline.contract, pipeline.registry, pipeline.runner, pipeline.__main__,"
        "pipeline.raw.check; heavy = {'numpy', 'tifffile', 'django'};"
        "print(sorted(heavy & set(sys.modules)))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"
