"""What the results of the tasks of an array mean together."""

import json
from datetime import UTC, datetime

import pytest

from processing_app.cluster.workdir import JobFolder
from processing_app.models import Attempt, Run, Step
from processing_app.services import tasks

RUN = Run(pk=3, created_at=datetime(2030, 1, 7, tzinfo=UTC))


def an_attempt(*numbers: int, **fields: object) -> Attempt:
    return Attempt(step=Step(run=RUN, key="segment"), number=1, tasks=list(numbers), **fields)


def a_result(reason: str = "", **changes: object) -> bytes:
    at = "2030-01-07T12:00:00+00:00"
    document = {
        "contract": 3, "step": "script", "name": an_attempt().job_name,
        "status": "failed" if reason else "succeeded", "reason": reason,
        "message": f"It is {reason}." if reason else "Done.", "started_at": at, "finished_at": at,
        "host": "node", "problems": [], "outputs": {}, "metrics": {}, "versions": {},
        "input_digest": "", **changes,
    }  # fmt: skip
    return json.dumps(document).encode()


def a_problem(number: int) -> dict[str, object]:
    return {
        "file": f"{number}.tif", "what": "It is cut.", "remedy": "Copy it.", "code": "cut",
        "key": f"cut-{number}", "waivable": False,
    }  # fmt: skip


def test_a_job_without_tasks_has_its_own_folder_only():
    assert tasks.folders(an_attempt(), JobFolder("/jobs/a")) == [JobFolder("/jobs/a")]


def test_each_task_has_a_folder_with_its_number():
    folders = tasks.folders(an_attempt(0, 7), JobFolder("/jobs/a"))

    assert [folder.path for folder in folders] == ["/jobs/a/task-0", "/jobs/a/task-7"]


def test_all_tasks_that_succeeded_are_a_success():
    pooled = tasks.pool(an_attempt(0, 1), [a_result(), a_result()])

    assert (pooled.is_success, pooled.reason) == (True, "")
    assert pooled.fields["tasks_done"] == [0, 1]
    assert pooled.fields["message"] == "All 2 tasks are done."


def test_one_task_that_failed_is_named_by_its_number_and_decides_the_reason():
    pooled = tasks.pool(an_attempt(2, 5, 9), [a_result(), a_result("DISK_FULL"), a_result()])

    assert (pooled.is_success, pooled.reason) == (False, "DISK_FULL")
    assert pooled.fields["tasks_done"] == [2, 9]
    assert pooled.fields["message"] == "1 of 3 tasks failed: task 5: It is DISK_FULL."


def test_of_many_failed_tasks_the_first_are_named_and_the_rest_counted():
    pooled = tasks.pool(an_attempt(*range(9)), [a_result("STEP_ERROR")] * 9)

    message = pooled.fields["message"]
    assert message.startswith("9 of 9 tasks failed: task 0: ")
    assert message.endswith(" and 4 more")


def test_a_task_without_a_result_failed_and_the_others_count():
    pooled = tasks.pool(an_attempt(0, 1, exit_code=1), [None, a_result()])

    assert pooled.reason == "NO_RESULT"
    assert pooled.fields["tasks_done"] == [1]
    assert "exit code" not in pooled.fields["message"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"exit_code": 97}, "PRELUDE_FAILED"), ({"reason": "OUT_OF_MEMORY"}, "OUT_OF_MEMORY")],
)
def test_why_a_task_left_no_result_is_what_is_known_of_the_whole_job(fields, reason):
    assert tasks.pool(an_attempt(0, **fields), [None]).reason == reason


@pytest.mark.parametrize(
    "nonsense",
    [b"{", a_result(name="another"), a_result(metrics={"seconds": "long"}),
     a_result(metrics={"peak_memory_bytes": -1})],
)  # fmt: skip
def test_a_result_that_is_nonsense_is_the_failure_of_its_task_alone(nonsense):
    pooled = tasks.pool(an_attempt(0, 1), [nonsense, a_result(metrics={"seconds": 2.5})])

    assert pooled.reason == "BAD_RESULT"
    assert pooled.fields["tasks_done"] == [1]
    assert pooled.fields["elapsed_s"] == 2.5


def test_memory_and_time_are_those_of_the_hungriest_and_the_slowest():
    metrics = [{"peak_memory_bytes": 7, "seconds": 1.5}, {"peak_memory_bytes": 9, "seconds": 0.5}]

    pooled = tasks.pool(an_attempt(0, 1, 2), [*(a_result(metrics=m) for m in metrics), a_result()])

    assert (pooled.fields["peak_memory_bytes"], pooled.fields["elapsed_s"]) == (9, 1.5)


def test_the_problems_of_all_tasks_are_kept_up_to_a_limit():
    results = [a_result("BAD_INPUT", problems=[a_problem(n) for n in range(150)])] * 2

    assert len(tasks.pool(an_attempt(0, 1), results).fields["problems"]) == tasks.MOST_PROBLEMS
