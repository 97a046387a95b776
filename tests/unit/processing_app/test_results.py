"""What the files that a job leaves behind say."""

import pytest

from pipeline.contract import StepResult
from processing_app.services import results
from processing_app.services.results import BadResult

AT = "2030-01-07T12:00:00+00:00"
VOLUME = {
    "shape": [4, 5, 6], "voxel_nm": [5000, 5000, 10000], "dtype": "uint16", "window": [1, 9],
    "bytes": 99, "info_digest": "d", "thumbnail": "thumbnail.png",
}  # fmt: skip


def a_result(**changes):
    values = {
        "contract": 1, "step": "precompute", "name": "job-1", "status": "succeeded", "reason": "",
        "message": "Done.", "started_at": AT, "finished_at": AT, "host": "here",
    }  # fmt: skip
    return StepResult(**{**values, **changes}).to_json().encode()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe", b"3"])
def test_progress_that_cannot_be_read_is_no_progress(content):
    assert results.read_progress(content) == {}


def test_no_file_is_no_status():
    assert results.status_of(None) == ""


def test_a_file_that_cannot_be_read_counts_as_a_failure():
    assert results.status_of(b"{}") == "failed"


def test_a_result_is_read():
    assert results.read_result(a_result(), name="job-1").message == "Done."


@pytest.mark.parametrize(
    "content", [a_result(name="job-2"), a_result(name=""), b"{}", b"half a res"]
)
def test_a_result_that_is_not_of_this_attempt_is_refused(content):
    with pytest.raises(BadResult):
        results.read_result(content, name="job-1")


def test_a_runner_that_could_not_read_its_specification_may_say_so():
    content = a_result(name="", status="failed", reason="BAD_INPUT")

    assert results.read_result(content, name="job-1").reason == "BAD_INPUT"


def test_a_volume_is_read():
    facts = results.volume_facts(VOLUME)

    assert (facts.shape, facts.window, facts.bytes) == ([4, 5, 6], (1, 9), 99)


@pytest.mark.parametrize("missing", ["shape", "voxel_nm", "dtype", "window", "bytes"])
def test_a_volume_without_what_viewers_need_is_refused(missing):
    with pytest.raises(BadResult, match=missing):
        results.volume_facts({key: value for key, value in VOLUME.items() if key != missing})


@pytest.mark.parametrize("shape", [[1, 2], "abc", [1, 2, "3"], None, [True, 2, 3]])
def test_a_shape_that_is_not_three_numbers_is_refused(shape):
    with pytest.raises(BadResult):
        results.volume_facts({**VOLUME, "shape": shape})


@pytest.mark.parametrize(
    ("mark", "reported", "code"), [(b"0\n", None, 0), (b"143\n", 1, 143), (None, 9, 9), (b"", 3, 3)]
)
def test_the_script_knows_its_exit_code_better_than_the_scheduler(mark, reported, code):
    assert results.exit_code_of(mark, reported) == code


def test_a_killed_job_without_result_hints_at_memory():
    reason, message = results.missing_result("", 137)

    assert reason == "NO_RESULT"
    assert "memory" in message


def test_the_scheduler_s_reason_names_a_missing_result():
    assert results.missing_result("TIME_LIMIT", None)[0] == "TIME_LIMIT"
