"""A facility's own scripts: planned, begun, driven and retried like any other run."""

import json

import pytest
from django.conf import settings

from core_app.errors import NotReady
from processing_app.models import Attempt, Run
from processing_app.services import runs
from processing_app.states import AttemptState, RunState
from tests.support import clusters
from tests.support.clusters import drive_until_over, states_of
from tests.support.scenarios import TWO_CHANNELS, a_plan, a_sample_plan
from tests.support.site_scripts import CHANNEL, a_site_pipeline, add_step, script

pytestmark = pytest.mark.django_db
A = AttemptState


@pytest.fixture
def two_channels(researcher, clearer, imager):
    """A sample with two channels in one raw folder."""
    plan = a_plan(samples=[a_sample_plan(resolutions=(TWO_CHANNELS,))])
    imaged = clusters.an_imaged_sample(researcher, clearer=clearer, imager=imager, plan=plan)
    clusters.deliver(imaged)
    return imaged


@pytest.fixture
def toy():
    return a_site_pipeline()


def start(pipeline, imaged) -> Run:
    run = runs.start_run(pipeline.key, imaged, by=None)
    assert run is not None
    return run


def test_each_script_is_a_step_with_what_was_set_up(toy, two_channels):
    add_step(toy, "segment", ["/opt/a"], unit=CHANNEL, cpus=4, memory_mb=9000, minutes=30)
    add_step(toy, "measure", ["/opt/b", "{before}"])

    segment, measure = start(toy, two_channels).steps.all()

    assert (segment.name, segment.tasks, measure.tasks) == ("script", 2, 0)
    assert segment.resources == {"cpus": 4, "memory_mb": 9000, "minutes": 30}
    assert measure.needs == [segment.key]


def test_the_same_run_is_not_begun_twice(toy, imaged):
    add_step(toy, "segment", ["/opt/a"], unit=CHANNEL)

    assert start(toy, imaged) == start(toy, imaged)


@pytest.mark.parametrize(
    "change",
    [{"command": ["/opt/b"]}, {"unit": CHANNEL}, {"memory_mb": 8000}],
    ids=lambda change: next(iter(change)),
)
def test_a_script_that_was_changed_supersedes_the_run_at_work(toy, imaged, change):
    step = add_step(toy, "segment", ["/opt/a"])
    first = start(toy, imaged)
    for name, value in change.items():
        setattr(step, name, value)
    step.save()

    assert start(toy, imaged) != first


def test_one_that_is_not_offered_says_so(imaged):
    toy = a_site_pipeline(is_offered=False)

    with pytest.raises(NotReady, match="The toy scripts is not offered"):
        runs.start_run(toy.key, imaged, by=None)


def test_one_that_is_gone_says_so(imaged):
    with pytest.raises(NotReady, match="not set up any more"):
        runs.start_run("site-gone", imaged, by=None)


def test_one_without_scripts_begins_nothing(toy, imaged):
    assert runs.start_run(toy.key, imaged, by=None) is None


def test_completing_imaging_begins_those_that_begin_by_themselves(imaged):
    for name, fields in {
        "one": {"begins_by_itself": True},
        "two": {},
        "three": {"begins_by_itself": True, "is_offered": False},
    }.items():
        add_step(a_site_pipeline(name, **fields), "work", ["/opt/a"])

    begun = runs.start_runs_of(imaged, by=None)

    assert [run.pipeline for run in begun] == ["raw", "site-one"]


def test_a_run_whose_script_changed_is_not_retried_but_run_anew(toy, run, imager):
    step = add_step(toy, "segment", ["/opt/a"])
    own = start(toy, run.imaging_request)
    cluster = clusters.memory_cluster(clusters.fail_with("BAD_INPUT"))
    own = drive_until_over(own, cluster)
    step.command = ["/opt/b"]
    step.save()

    with pytest.raises(NotReady, match="has changed"):
        runs.retry_run(own, by=None)


def test_a_failed_run_is_retried(toy, run):
    add_step(toy, "segment", ["/opt/a"])
    own = start(toy, run.imaging_request)
    own = drive_until_over(own, clusters.memory_cluster(clusters.fail_with("BAD_INPUT")))
    assert own.state == RunState.FAILED

    runs.retry_run(own, by=None)

    assert drive_until_over(own, clusters.memory_cluster()).state == RunState.SUCCEEDED


def drive_really(run: Run, *, ticks: int = 400) -> Run:
    return drive_until_over(run, clusters.real_cluster(), ticks=ticks, pause_s=0.05)


@pytest.fixture
def _no_job_stays():
    yield
    clusters.stop_all_jobs()


@pytest.mark.alone
@pytest.mark.usefixtures("_no_job_stays")
def test_two_scripts_run_one_after_the_other_the_first_once_per_channel(
    toy, two_channels, tmp_path
):
    first = script(
        tmp_path, 'echo "cells of $1" >cells; echo \'{"cells": 3}\' >outputs.json', "one"
    )
    second = script(tmp_path, 'cat "$1"/channel_*/cells >all', "two")
    add_step(toy, "segment", [first, "{channel}"], unit=CHANNEL)
    add_step(toy, "measure", [second, "{before}"])

    run = drive_really(start(toy, two_channels))

    assert run.state == RunState.SUCCEEDED, states_of(run)
    segment, measure = run.steps.all()
    made = settings.DATA_ROOT / measure.outputs["folder"] / "all"
    assert made.read_text() == "cells of 488\ncells of 647\n"
    attempt = segment.attempts.get()
    assert (attempt.tasks, attempt.tasks_done) == ([0, 1], [0, 1])
    assert attempt.message == "All 2 tasks are done."
    assert attempt.peak_memory_bytes > 0
    record = settings.DATA_ROOT / segment.outputs["folder"] / "channel_488/_product.json"
    assert json.loads(record.read_text())["outputs"]["said"] == {"cells": 3}


@pytest.mark.alone
@pytest.mark.usefixtures("_no_job_stays")
def test_only_the_task_that_failed_is_tried_again(toy, two_channels, tmp_path):
    tried = f"{tmp_path}/$1"
    text = f'echo x >>"{tried}"; [ "$1" != 647 ] || [ "$(wc -l <"{tried}")" = 2 ] || exit 4'
    add_step(toy, "segment", [script(tmp_path, text), "{channel}"], unit=CHANNEL)

    run = drive_really(start(toy, two_channels))

    assert run.state == RunState.SUCCEEDED, states_of(run)
    first, second = Attempt.objects.order_by("number")
    assert (first.state, first.reason, first.tasks, first.tasks_done) == (
        A.FAILED, "STEP_ERROR", [0, 1], [0],
    )  # fmt: skip
    assert "1 of 2 tasks failed: task 1: The script ended with exit code 4." in first.message
    assert (second.state, second.tasks, second.tasks_done) == (A.SUCCEEDED, [1], [1])
    assert [len((tmp_path / name).read_text().split()) for name in ("488", "647")] == [1, 2]


@pytest.mark.alone
@pytest.mark.usefixtures("_no_job_stays")
def test_a_script_that_cannot_be_started_is_told_by_name_and_not_tried_again(
    toy, two_channels, tmp_path
):
    add_step(toy, "segment", [str(tmp_path / "no such tool")])

    run = drive_really(start(toy, two_channels))

    attempt = Attempt.objects.get()
    assert (run.state, attempt.reason) == (RunState.FAILED, "BAD_INPUT")
    assert "no such tool" in attempt.message


@pytest.mark.alone
@pytest.mark.usefixtures("_no_job_stays")
def test_cancelling_stops_the_script_and_begins_no_other_task(toy, two_channels, tmp_path):
    text = f'touch "{tmp_path}/$1"; sleep 60 & wait'
    add_step(toy, "segment", [script(tmp_path, text), "{channel}"], unit=CHANNEL)
    run = start(toy, two_channels)
    cluster = clusters.real_cluster()

    def has_begun() -> bool:
        clusters.tick(cluster)
        return (tmp_path / "488").exists()

    clusters.wait_until(has_begun)
    runs.cancel_run(run, by=None)

    assert drive_really(run).state == RunState.CANCELLED
    assert not (tmp_path / "647").exists()
