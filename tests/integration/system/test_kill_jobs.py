"""kill -9 of a job, and of the whole queue in the middle of a run, with real processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from core_app.bell import ring
from processing_app.models import Attempt, Product, Run, Step
from processing_app.states import AttemptState, RunState
from tests.support import clusters

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone]
A = AttemptState
SHAPE_ZYX = (192, 240, 240)
DRIVE = "processing_app.tasks.drive_runs"


@pytest.fixture
def run(researcher, clearer, imager):
    """A run whose volume takes long enough to be killed in the middle, and saves as it goes."""
    imaged = clusters.an_imaged_sample(
        researcher, clearer=clearer, imager=imager, z_planes=SHAPE_ZYX[0]
    )
    clusters.deliver_noise(imaged, shape_zyx=SHAPE_ZYX)
    run = clusters.a_planned_run(imaged)
    step = run.steps.get(name="precompute")
    parameters = {**step.parameters, "chunk": [64, 64, 16], "checkpoint_seconds": 0}
    Step.objects.filter(pk=step.pk).update(parameters=parameters)
    yield run
    clusters.stop_all_jobs()


def drafts(run: Run) -> list[Path]:
    """Return the checkpoints in unfinished volumes."""
    return list(settings.DATA_ROOT.rglob("*.partial-*/checkpoint.npz"))


def volume_attempts() -> list[Attempt]:
    return list(Attempt.objects.filter(step__name="precompute").order_by("number"))


def pid_of(attempt: Attempt) -> int:
    return int((settings.CLUSTER_WORKDIR / attempt.job_name / "pid").read_text().split()[0])


def drive_into_the_volume(run: Run, cluster: clusters.Cluster) -> Attempt:
    """Drive until the volume is half made; its job goes on meanwhile."""

    def is_half_made() -> bool:
        if not volume_attempts() or not volume_attempts()[0].job_id:
            clusters.tick(cluster)
        return bool(drafts(run))

    clusters.wait_until(is_half_made)
    return volume_attempts()[0]


def bytes_read(attempt: Attempt) -> int:
    result = settings.CLUSTER_WORKDIR / attempt.job_name / "result.json"
    return int(json.loads(result.read_text())["metrics"]["bytes_in"])


def test_a_killed_job_is_lost_by_evidence_and_its_work_taken_up_again(run):
    cluster = clusters.real_cluster(heartbeat_limit_s=1.0)
    killed = drive_into_the_volume(run, cluster)
    os.killpg(pid_of(killed), signal.SIGKILL)

    clusters.drive_until_over(run, cluster, ticks=400, pause_s=0.05)

    assert run.state == RunState.SUCCEEDED
    assert clusters.states_of(run)["precompute-488-left"] == [A.LOST, A.SUCCEEDED]
    whole = SHAPE_ZYX[0] * SHAPE_ZYX[1] * SHAPE_ZYX[2] * 2
    assert 0 < bytes_read(volume_attempts()[1]) < whole
    assert Product.objects.get().shape_xyz == list(reversed(SHAPE_ZYX))


def test_a_killed_step_leaves_no_result_and_is_tried_again(run):
    cluster = clusters.real_cluster()
    killed = drive_into_the_volume(run, cluster)
    for process in processes_of(pid_of(killed), "pipeline"):
        os.kill(process, signal.SIGKILL)

    clusters.drive_until_over(run, cluster, ticks=400, pause_s=0.05)

    assert run.state == RunState.SUCCEEDED
    first, second = volume_attempts()
    assert (first.state, first.reason, first.exit_code) == (A.FAILED, "NO_RESULT", 137)
    assert second.state == A.SUCCEEDED


def processes_of(group: int, word: str) -> list[int]:
    """Return the processes of a group with a word in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(fields[2]) == group and word.encode() in command:
            found.append(int(entry.name))
    return found


class Queue:
    """A qcluster in a process group of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=clusters.ROOT,
            env=clusters.environment_of_site(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def queues():
    started: list[Queue] = []

    def start() -> Queue:
        started.append(Queue())
        return started[-1]

    yield start
    for queue in started:
        if queue.process.poll() is None:
            queue.kill()


def test_the_queue_is_killed_in_the_middle_of_a_run_and_nothing_is_lost(run, queues):
    first = queues()
    ring(DRIVE)
    clusters.wait_until(lambda: drafts(run), limit_s=40)
    first.kill()
    clusters.make_due()

    queues()
    ring(DRIVE)
    clusters.wait_until(lambda: Run.objects.get().state not in {"planned", "running"}, limit_s=60)

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert set(map(tuple, clusters.states_of(run).values())) == {(A.SUCCEEDED,)}
    assert [len(clusters.folders(name)) for name in ("attempt.lock", "result.json")] == [2, 2]
    assert bytes_read(volume_attempts()[0]) == SHAPE_ZYX[0] * SHAPE_ZYX[1] * SHAPE_ZYX[2] * 2
    # The viewer's layer is made by the next task of the queue.
    clusters.wait_until(lambda: hasattr(Product.objects.get(), "layer"), limit_s=30)


def test_a_job_goes_on_while_nobody_drives(run, queues):
    first = queues()
    ring(DRIVE)
    clusters.wait_until(lambda: drafts(run), limit_s=40)
    first.kill()

    folder = settings.CLUSTER_WORKDIR / volume_attempts()[0].job_name
    clusters.wait_until((folder / "exit_code").exists, limit_s=40)

    assert json.loads((folder / "result.json").read_text())["status"] == "succeeded"
