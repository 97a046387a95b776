"""What a cluster says of raw data is believed only where all of it can be shown and stored."""

import pytest

from pipeline.raw.check import inspect_folder
from processing_app.services.findings import read_findings
from processing_app.services.results import BadResult
from tests.support import stacks


@pytest.fixture
def outputs(tmp_path):
    stacks.lavision_delivery(tmp_path / "raw")
    stacks.drop_planes(tmp_path / "raw", [2])
    report = inspect_folder(tmp_path, "raw", stacks.expected_delivery())
    return {"report": report.to_json(), "manifest": "m.jsonl", "manifest_digest": "0" * 32}


def test_the_report_of_the_real_check_is_taken_in(outputs):
    assert read_findings("inspect_raw", outputs) == outputs


def test_the_report_on_a_smartspim_with_notes_is_taken_in(tmp_path):
    stacks.smartspim_delivery(tmp_path / "Ex_488_Em_0")
    report = inspect_folder(tmp_path, "Ex_488_Em_0", stacks.expected_smartspim())
    outputs = {"report": report.to_json()}

    assert read_findings("inspect_raw", outputs) == outputs


@pytest.mark.parametrize(
    "spoiled",
    [
        {"ok": "yes"},
        {"ok": False, "problems": []},
        {"problems": [{"what": "no key"}]},
        {"files": 2**40},
        {"bytes": -1},
        {"notes": "one"},
        {"counts": [{"channel": "488"}]},
        {"absent": [{"key": "k", "channel": "488", "sheet": "left", "planes": ["1"]}]},
        {"plane_shape": [12]},
        {"folders": {".": "yesterday"}},
        {"acquired": {"channels": {"488": {"planes": {"value": "many", "source": "x"}}}}},
        {"acquired": {"channels": {"488": {"sheets": {"value": [1], "source": "x"}}}}},
        {"acquired": {"channels": []}},
        {"first_at": 3},
    ],
)
def test_a_report_that_no_page_could_show_is_refused(outputs, spoiled):
    outputs["report"] |= spoiled

    with pytest.raises(BadResult, match="It does not say"):
        read_findings("inspect_raw", outputs)


@pytest.mark.parametrize(
    "spoiled", [{"manifest_digest": "0" * 65}, {"manifest": 1}, {"report": None}]
)
def test_a_manifest_that_cannot_be_stored_is_refused(outputs, spoiled):
    with pytest.raises(BadResult, match="It does not say"):
        read_findings("inspect_raw", outputs | spoiled)


def test_a_key_that_no_acceptance_could_name_is_refused(outputs):
    outputs["report"]["problems"][0]["key"] = "k" * 81

    with pytest.raises(BadResult, match="what is wrong"):
        read_findings("inspect_raw", outputs)
