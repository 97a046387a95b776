"""Jobs that leave nonsense, folders that vanish, mistakes of our own: trouble of one attempt."""

import json
import logging

import pytest

from processing_app.cluster.ports import JobState
from processing_app.models import Attempt, AttemptLog
from processing_app.services import attempts, collecting, driving, handing_in, looking, runs
from processing_app.services.guarding import Guard
from processing_app.states import AttemptState, RunState
from tests.support import clusters
from tests.support.clusters import drive_to, drive_until_over, only_attempt, states_of, tick

pytestmark = pytest.mark.django_db
A = AttemptState

NONSENSE = {
    "not a number": '{"done": NaN, "total": 3}',
    "infinite": '{"done": 1, "total": 1e999}',
    "huge": '{"done": 1, "total": 1' + "0" * 30 + "}",
    "endless digits": '{"done": ' + "9" * 5000 + "}",
    "lone surrogate": '{"label": "\\ud800"}',
    "lone surrogate in a key": '{"\\udfff": 1}',
    "deep": '{"a":' * 60 + "1" + "}" * 60,
    "bottomless": "[" * 100_000,
    "long": '{"label": "' + "x" * 70_000 + '"}',
}


@pytest.fixture
def second(researcher, clearer, imager):
    """A run of another request, which has nothing to do with the first."""
    plan = clusters.scenarios.a_plan("second")
    other = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
    return clusters.a_planned_run(other)


# What a job writes.


@pytest.mark.parametrize("kind", NONSENSE)
def test_progress_that_makes_no_sense_is_no_progress(kind, run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.shell.write(f"/jobs/{attempt.job_name}/progress.json", NONSENSE[kind].encode())

    tick(endless)

    assert only_attempt(run).state == A.RUNNING
    assert only_attempt(run).trouble == ""
    assert set(only_attempt(run).progress) <= {"beat"}


def spoiled(**changes):
    """Return a job whose volume has these outputs, written as they stand."""

    def work(job, shell):
        clusters.succeed(job, shell)
        path = f"{job.folder}/result.json"
        document = json.loads(shell.files[path])
        for key in changes:
            place, _, name = key.partition("__")
            if name in document[place] or place != "outputs":
                document[place][name] = f"@{key}@"
        content = json.dumps(document)
        for key, text in changes.items():
            content = content.replace(f'"@{key}@"', text)
        shell.write(path, content.encode())
        return 0

    return work


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("metrics__peak_memory_bytes", "1" + "0" * 30),
        ("metrics__peak_memory_bytes", "1e300"),
        ("metrics__seconds", "1e999"),
        ("metrics__seconds", "-1"),
        ("metrics__seconds", "1e15"),
        ("metrics__note", '"\\ud800"'),
        ("metrics__note", "[" * 40 + "]" * 40),
        ("metrics__note", '"' + "x" * (5 << 20) + '"'),
        ("outputs__shape", "[1e999, 2, 3]"),
        ("outputs__shape", "[1" + "0" * 30 + ", 2, 3]"),
        ("outputs__shape", "[0, 2, 3]"),
        ("outputs__bytes", "1e300"),
        ("outputs__window", "[0, 99999999999]"),
        ("outputs__dtype", '"' + "x" * 17 + '"'),
        ("outputs__thumbnail", '"' + "x" * 65 + '"'),
        ("outputs__thumbnail", '"../../secret.png"'),
        ("outputs__voxel_nm", "[0, 2, 3]"),
    ],
)
def test_a_result_that_makes_no_sense_has_a_name(place, text, run):
    drive_until_over(run, clusters.memory_cluster(spoiled(**{place: text})))

    assert run.state == RunState.FAILED
    assert only_attempt(run).reason == "BAD_RESULT"
    assert only_attempt(run).message


@pytest.mark.parametrize("mark", [b"9" * 5000, b"99999999999", "²".encode(), b"\xff"])
def test_an_end_mark_that_makes_no_sense_still_ends_the_job(mark, run, endless):
    attempt = drive_to(run, endless, A.RUNNING)
    endless.shell.write(f"/jobs/{attempt.job_name}/exit_code", mark)
    endless.scheduler.jobs_by_name[attempt.job_id].state = JobState.ENDED

    drive_to(run, endless, A.NEW)

    first = Attempt.objects.filter(step__run=run).order_by("id")[0]
    assert (first.state, first.reason, first.exit_code) == (A.FAILED, "NO_RESULT", None)


# Mistakes of our own.


def broken(attempt, *_, **__):
    raise ZeroDivisionError("a mistake")


def break_for(monkeypatch, module, name, run):
    """Let one function of the driver fail for the attempts of one run."""
    function = getattr(module, name)

    def sometimes(attempt, *rest, **named):
        return (broken if attempt.step.run_id == run.pk else function)(attempt, *rest, **named)

    monkeypatch.setattr(module, name, sometimes)


@pytest.mark.parametrize(
    ("module", "name"), [(handing_in, "_stage"), (looking, "_judge"), (collecting, "collect")]
)
def test_a_mistake_with_one_attempt_does_not_stop_the_others(
    module, name, run, second, cluster, monkeypatch
):
    break_for(monkeypatch, module, name, run)

    for _ in range(12):
        tick(cluster)

    second.refresh_from_db()
    assert second.state == RunState.SUCCEEDED


def test_a_mistake_is_loud(run, endless, monkeypatch, caplog):
    attempt = drive_to(run, endless, A.RUNNING)
    break_for(monkeypatch, looking, "_judge", run)

    tick(endless)

    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info
    assert str(attempt.pk) in record.getMessage()


def test_a_mistake_is_named_and_the_attempt_left_alone_for_a_while(run, endless, monkeypatch):
    drive_to(run, endless, A.RUNNING)
    break_for(monkeypatch, looking, "_judge", run)

    tick(endless)

    attempt = only_attempt(run)
    assert "ZeroDivisionError" in attempt.trouble
    assert attempt.state == A.RUNNING
    assert attempt.next_look_at > attempt.leased_until
    assert attempt.stumbles == 1


def test_a_mistake_that_passed_is_forgotten(run, endless, monkeypatch):
    drive_to(run, endless, A.RUNNING)
    with monkeypatch.context() as patch:
        break_for(patch, looking, "_judge", run)
        tick(endless)

    tick(endless)

    assert (only_attempt(run).stumbles, only_attempt(run).trouble) == (0, "")


@pytest.mark.parametrize(
    ("module", "name", "state"),
    [
        (handing_in, "_stage", A.NEW),
        (handing_in, "_submit", A.STAGED),
        (attempts, "save_job_id", A.SUBMITTING),
        (looking, "_judge", A.RUNNING),
        (collecting, "collect", A.COLLECTING),
    ],
)
def test_a_mistake_that_does_not_pass_ends_the_run(module, name, state, run, monkeypatch):
    cluster = clusters.memory_cluster()
    break_for(monkeypatch, module, name, run)

    drive_until_over(run, cluster)

    assert run.state == RunState.FAILED
    assert only_attempt(run).reason == "INTERNAL"
    assert "ZeroDivisionError" in only_attempt(run).message


def test_the_job_of_an_attempt_given_up_by_mistake_is_stopped(run, endless, monkeypatch):
    attempt = drive_to(run, endless, A.RUNNING)
    break_for(monkeypatch, looking, "_judge", run)

    drive_until_over(run, endless)

    assert attempt.job_id in endless.scheduler.cancelled


def test_a_run_whose_driver_stumbles_can_still_be_cancelled(run, endless, monkeypatch, processor):
    drive_to(run, endless, A.RUNNING)
    break_for(monkeypatch, looking, "_judge", run)
    runs.cancel_run(run, by=processor)

    drive_until_over(run, endless)

    assert run.state == RunState.CANCELLED


def test_a_scheduler_whose_answer_trips_us_is_waited_for(run, endless, monkeypatch, caplog):
    drive_to(run, endless, A.RUNNING)
    monkeypatch.setattr(type(endless.scheduler), "poll", broken)

    tick(endless)

    attempt = only_attempt(run)
    assert attempt.state == A.RUNNING
    assert attempt.trouble
    assert any(r.exc_info for r in caplog.records)


def test_a_mistake_in_planning_one_run_does_not_stop_the_others(
    run, second, cluster, monkeypatch, caplog
):
    begin = runs.begin
    monkeypatch.setattr(runs, "begin", lambda r: broken(r) if r.pk == run.pk else begin(r))

    for _ in range(12):
        tick(cluster)

    second.refresh_from_db()
    assert second.state == RunState.SUCCEEDED
    assert any(r.exc_info for r in caplog.records)


# Folders that vanish.


def vanish(cluster, attempt):
    """Take the job's folder away, as cleaning a work folder does."""
    folder = f"/jobs/{attempt.job_name}"
    cluster.shell.folders.discard(folder)
    for path in [path for path in cluster.shell.files if path.startswith(f"{folder}/")]:
        del cluster.shell.files[path]


def look(cluster):
    """Look at the jobs, without collecting what is over."""
    clock = driving.Clock(clusters.BUDGET)
    driving._look(cluster, clock, Guard(cluster, []), driving.TickSummary())


def collecting_without_folder(run):
    cluster = clusters.memory_cluster()
    attempt = drive_to(run, cluster, A.RUNNING)
    clusters.make_due()
    look(cluster)
    attempt.refresh_from_db()
    assert attempt.state == A.COLLECTING
    vanish(cluster, attempt)
    return cluster, attempt


def test_a_job_folder_that_vanished_while_collecting_ends_as_no_result(run):
    cluster, attempt = collecting_without_folder(run)

    tick(cluster)

    attempt.refresh_from_db()
    assert (attempt.state, attempt.reason) == (A.FAILED, "NO_RESULT")


def test_a_run_whose_job_folder_vanished_can_be_cancelled(run, processor):
    cluster, _ = collecting_without_folder(run)
    runs.cancel_run(run, by=processor)

    drive_until_over(run, cluster, ticks=3)

    assert run.state == RunState.CANCELLED


def test_a_cancel_while_collecting_lets_the_result_count(run, processor):
    cluster = clusters.memory_cluster()
    drive_to(run, cluster, A.RUNNING)
    clusters.make_due()
    look(cluster)
    runs.cancel_run(run, by=processor)

    drive_until_over(run, cluster, ticks=3)

    assert run.state == RunState.CANCELLED
    assert states_of(run)["inspect-brain_488"] == [A.SUCCEEDED]


def test_a_job_that_wrote_no_log_ends_all_the_same(run):
    cluster = clusters.memory_cluster()

    drive_until_over(run, cluster)

    assert run.state == RunState.SUCCEEDED
    assert only_attempt(run).log_tail == ""
    assert not AttemptLog.objects.exists()


def test_a_running_job_without_a_folder_can_still_be_stopped(run, endless, processor):
    attempt = drive_to(run, endless, A.RUNNING)
    vanish(endless, attempt)
    runs.cancel_run(run, by=processor)

    drive_until_over(run, endless, ticks=5)

    assert run.state == RunState.CANCELLED
    assert attempt.job_id in endless.scheduler.cancelled


# How much a tick asks the database.


@pytest.fixture
def hundred_more(run, endless):
    """A running job, and a hundred others beside it."""
    attempt = drive_to(run, endless, A.RUNNING)
    step = run.steps.get(name="precompute")
    for number in range(1, 101):
        Attempt.objects.create(step=step, number=number, job_id=f"job-{number}", state=A.RUNNING)
        endless.scheduler.jobs_by_name[f"job-{number}"] = endless.scheduler.jobs_by_name[
            attempt.job_id
        ]
    clusters.make_due()


def test_what_a_tick_asks_the_database_does_not_grow_with_the_running_jobs(
    hundred_more, endless, django_assert_max_num_queries
):
    with django_assert_max_num_queries(30):
        driving.tick(endless, budget=clusters.BUDGET)
