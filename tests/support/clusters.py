"""Clusters and runs for the tests of processing: in memory, and with real processes."""

import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import tifffile
from django.conf import settings
from django.utils import timezone

from core_app.models import User
from imaging_app.models import ImagingRequest
from imaging_app.services.channels import Acquisition
from imaging_app.services.deliveries import accept
from imaging_app.states import ImagingState
from imaging_app.workflows import complete_imaging
from pipeline.contract import FAILED, Problem, StepResult
from pipeline.phantom import plane_file, write_delivery
from processing_app.cluster.direct import Direct
from processing_app.cluster.ports import Cluster, JobId, JobRequest, JobState, Resources
from processing_app.cluster.scheduler_memory import memory_cluster, succeed
from processing_app.cluster.shell_local import LocalShell
from processing_app.cluster.shell_memory import MemoryShell
from processing_app.cluster.slurm import Slurm
from processing_app.cluster.workdir import JobFolder, folder_of
from processing_app.models import Attempt, ClusterStatus, Run
from processing_app.pipelines import RAW
from processing_app.services import driving, runs
from processing_app.states import AttemptState
from requests_app.workflows import reopen_imaging
from tests.support import scenarios
from tests.support.checks import check_delivery
from tests.support.slurm import PrivateSlurm
from tests.support.slurm_files import ALL_SLOTS, SLOTS

ROOT = Path(__file__).parents[2]
SUBFOLDER = "brain_488"
TINY_ZYX = (12, 40, 36)
# On a busy machine each process of a run takes seconds to start.
PATIENCE_S = 240.0
BUDGET = timedelta(seconds=30)

__all__ = ["memory_cluster"]


def an_imaged_sample(
    owner: User, *, clearer: User, imager: User, plan: object = None, **acquired: object
) -> ImagingRequest:
    """Return the imaging request of a sample whose acquisition was entered; one sheet, small."""
    imaging_request = scenarios.a_request_being_imaged(
        owner, clearer=clearer, imager=imager, plan=plan
    )
    values = {"raw_subfolder": SUBFOLDER, "z_planes": TINY_ZYX[0], "z_step_um": 10.0}
    acquisition = Acquisition(**{**values, "right_sheet": False, **acquired})
    scenarios.set_all_channels(imaging_request, acquisition, by=imager)
    return imaging_request


def a_planned_run(imaging_request: ImagingRequest) -> Run:
    run = runs.start_run(RAW, imaging_request, by=None)
    assert run is not None
    return run


def deliver(
    imaging_request: ImagingRequest,
    *,
    shape_zyx: tuple[int, int, int] = TINY_ZYX,
    sheets: int = 1,
    subfolder: str = SUBFOLDER,
) -> Path:
    """Write the raw planes that the imaging request speaks of, below the data root."""
    resolution = imaging_request.resolutions.get()
    folder = resolution.raw_folder(ventral_up=False).under(settings.DATA_ROOT) / subfolder
    pixel = resolution.objective.pixel_um()
    voxel = (10.0, pixel, pixel)  # as entered, since the files say it
    write_delivery(folder, shape_zyx=shape_zyx, voxel_um_zyx=voxel, channels=["488"], sheets=sheets)
    return folder


def image_again(imaging_request: ImagingRequest, *, by: User, **acquired: object) -> Run:
    """Re-open imaging, enter the acquisition anew and complete it; return the run that follows."""
    imaging_request = ImagingRequest.objects.get(pk=imaging_request.pk)
    if imaging_request.state == ImagingState.COMPLETE:
        reopen_imaging(imaging_request, by=by, reason="other values")
    values = {"raw_subfolder": SUBFOLDER, "z_planes": TINY_ZYX[0], "z_step_um": 10.0}
    acquisition = Acquisition(**{**values, "right_sheet": False, **acquired})
    scenarios.set_all_channels(imaging_request, acquisition, by=by)
    # What the microscope noted is not rewritten, so its differences are accepted.
    for delivery in check_delivery(imaging_request, by=by):
        for problem in delivery.problems:
            accept(delivery, problem["key"], by=by, reason="The notes of the microscope are old.")
    (run,) = complete_imaging(imaging_request, by=by)
    return run


def deliver_noise(imaging_request: ImagingRequest, *, shape_zyx: tuple[int, int, int]) -> None:
    """Write many planes quickly; what is on them does not matter."""
    resolution = imaging_request.resolutions.get()
    folder = resolution.raw_folder(ventral_up=False).under(settings.DATA_ROOT) / SUBFOLDER
    folder.mkdir(parents=True)
    noise = np.random.default_rng(7).integers(100, 900, shape_zyx[1:], dtype=np.uint16)
    for z in range(shape_zyx[0]):
        plane = np.roll(noise, z)
        tifffile.imwrite(
            folder / plane_file(z=z, filter_index=0, sheet_code=0), plane, metadata=None
        )


def real_cluster(*, heartbeat_limit_s: float = 2.0, slots: int = 2) -> Cluster:
    """Return plain processes on this machine, as the site's own settings describe them."""
    shell, workdir = LocalShell(), str(settings.CLUSTER_WORKDIR)
    return Cluster(
        shell=shell, scheduler=Direct(shell, workdir, slots=slots, kill_after_s=2), workdir=workdir,
        data_root=str(settings.CLUSTER_DATA_ROOT), python=sys.executable, python_path=str(ROOT),
        threads=1, heartbeat_limit_s=heartbeat_limit_s,
    )  # fmt: skip


def tick(cluster: Cluster) -> driving.TickSummary:
    """One tick, with nobody else's claim or pause in the way: as if enough time had passed."""
    make_due()
    return driving.tick(cluster, budget=BUDGET)


def make_due() -> None:
    """Let the time pass that claims and pauses last."""
    past = timezone.now() - timedelta(seconds=1)
    Attempt.objects.filter(leased_until__gt=past).update(leased_until=past)
    Attempt.objects.filter(next_look_at__gt=past).update(next_look_at=past)
    ClusterStatus.objects.update(next_poll_at=past, next_try_at=past, next_queue_look_at=past)


def let_pass(seconds: float) -> None:
    """As if the last sign of every job had been so long ago."""
    Attempt.objects.update(last_seen_at=timezone.now() - timedelta(seconds=seconds))


def drive_until_over(run: Run, cluster: Cluster, *, ticks: int = 40, pause_s: float = 0.0) -> Run:
    """Tick until the run is over; fail if it never is.

    Real processes (`pause_s`) take as long as the machine lets them: they have minutes.
    """
    deadline = time.monotonic() + (PATIENCE_S if pause_s else 0.0)
    done = 0
    while done < ticks or time.monotonic() < deadline:
        done += 1
        summary = tick(cluster)
        if not summary.active:
            run.refresh_from_db()
            return run
        time.sleep(pause_s)
    raise AssertionError(f"{run} is not over: {states_of(run)}")


def states_of(run: Run) -> dict[str, list[str]]:
    """Return the states of every step's attempts, for assertions and messages."""
    return {
        step.key: [attempt.state for attempt in step.attempts.order_by("number")]
        for step in run.steps.all()
    }


def only_attempt(run: Run, key: str = "") -> Attempt:
    """Return the latest attempt, of the step with this key or of the first step."""
    attempts = Attempt.objects.filter(step__run=run)
    return (attempts.filter(step__key=key) if key else attempts).order_by("-id")[0]


def drive_to(run: Run, cluster: Cluster, state: AttemptState, *, ticks: int = 20) -> Attempt:
    """Tick until the first step's attempt is in the state."""
    for _ in range(ticks):
        tick(cluster)
        attempt = only_attempt(run)
        if attempt.state == state:
            return attempt
    raise AssertionError(f"never {state}: {states_of(run)}")


def wait_until(is_so: Callable[[], object], *, limit_s: float = 60.0) -> None:
    """Wait for something that real processes do."""
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class MemoryJobs:
    """A scheduler in memory, with the shell commands that a script there may use."""

    def __init__(self) -> None:
        self.cluster = memory_cluster(_sleep_in_memory)
        self.shell = self.cluster.shell
        self.scheduler = self.cluster.scheduler

    def job(self, name: str, *, seconds: float = 0.0, exit_code: int = 0) -> JobRequest:
        """Return a job that takes so long; one that takes any time at all goes on until stopped."""
        folder = folder_of("/jobs", name)
        self.shell.make_folder(folder.path)
        self.shell.write(folder.script, f"{seconds} {exit_code}".encode())
        return JobRequest(name, folder.path, folder.script)

    def limit_slots(self, slots: int) -> None:
        self.scheduler.slots = slots

    def times_worked(self, job: JobRequest) -> int:
        return len((self.shell.read(f"{job.folder}/worked") or b"").splitlines())


def _sleep_in_memory(job: JobRequest, shell: MemoryShell) -> int | None:
    seconds, exit_code = shell.files[JobFolder(job.folder).script].decode().split()
    if float(seconds):
        return None
    worked = f"{job.folder}/worked"
    shell.write(worked, (shell.read(worked) or b"") + b"once\n")
    return int(exit_code)


class DirectJobs:
    """Plain processes of this machine."""

    def __init__(self, folder: Path) -> None:
        self.shell = LocalShell()
        self.workdir = str(folder)
        self.scheduler = Direct(self.shell, self.workdir, slots=4, kill_after_s=1)

    def job(self, name: str, *, seconds: float = 0.0, exit_code: int = 0) -> JobRequest:
        folder = folder_of(self.workdir, name)
        self.shell.make_folder(folder.path)
        work = f"echo once >>worked; sleep {seconds}"
        script = f"cd {folder.path}; {work}; echo {exit_code} >.x; mv .x exit_code\n"
        self.shell.write(folder.script, script.encode())
        return JobRequest(name, folder.path, folder.script)

    def limit_slots(self, slots: int) -> None:
        self.scheduler.slots = slots

    def times_worked(self, job: JobRequest) -> int:
        return _times_worked(job)

    def stop_all(self) -> None:
        """Leave no process behind."""
        for pid in Path(self.workdir).glob("*/pid"):
            for _ in range(3):
                self.scheduler.cancel(pid.parent.name)  # type: ignore[arg-type]
                time.sleep(0.05)


class SlurmJobs:
    """Jobs of a private Slurm. Licenses stand for slots, since any Slurm counts them."""

    def __init__(self, slurm: PrivateSlurm, folder: Path) -> None:
        self.shell = LocalShell()
        self.slurm = slurm
        self.workdir = str(folder)
        self.scheduler = Slurm(self.shell, self.workdir, environment=slurm.environment)
        self._options: tuple[str, ...] = ()

    def job(
        self, name: str, *, seconds: float = 0.0, exit_code: int = 0, tasks: Sequence[int] = (),
        at_once: int = 0,
    ) -> JobRequest:  # fmt: skip
        """Return a job that works once, as the real script does; each task of an array works."""
        once = "" if tasks else "mkdir attempt.lock || exit 0\n"
        return self.job_of(
            name, f"{once}echo once >>worked; sleep {seconds}; exit {exit_code}",
            tasks=tasks, at_once=at_once,
        )  # fmt: skip

    def job_of(
        self, name: str, commands: str, *, tasks: Sequence[int] = (), at_once: int = 0,
        options: Sequence[str] = (),
    ) -> JobRequest:  # fmt: skip
        """Return a job that runs these commands of sh in its folder; no name is used twice."""
        name = f"{name}-{Path(self.workdir).name}"
        folder = folder_of(self.workdir, name)
        self.shell.make_folder(folder.path)
        self.shell.write(folder.script, f"#!/bin/sh\n{commands}\n".encode())
        resources = Resources(options=(*self._options, *options))
        return JobRequest(name, folder.path, folder.script, resources, tuple(tasks), at_once)

    def limit_slots(self, slots: int) -> None:
        self._options = (f"--licenses={SLOTS}:{ALL_SLOTS // slots}",)

    def times_worked(self, job: JobRequest) -> int:
        return _times_worked(job)

    def stop_all(self) -> None:
        """Leave no job of this folder behind."""
        self.slurm.kill(seen.id for seen in self.scheduler.jobs() if seen.state != JobState.ENDED)


def _times_worked(job: JobRequest) -> int:
    worked = Path(job.folder) / "worked"
    return len(worked.read_text().splitlines()) if worked.exists() else 0


def reaches(jobs: MemoryJobs | DirectJobs | SlurmJobs, job_id: str, state: JobState) -> bool:
    """Poll until the job is in the state."""
    wait_until(lambda: jobs.scheduler.poll([job_id])[job_id].state == state)  # type: ignore[index,list-item]
    return True


def goes_on(job: JobRequest, shell: MemoryShell) -> None:
    """A job that never ends by itself."""


def fail_with(reason: str, *, times: int = 1000) -> Callable[[JobRequest, MemoryShell], int]:
    """Return a job that leaves a failed result with this reason, so many times, then succeeds."""
    left = [times]

    def work(job: JobRequest, shell: MemoryShell) -> int:
        if not left[0]:
            return succeed(job, shell)
        left[0] -= 1
        succeed(job, shell)
        folder = JobFolder(job.folder)
        result = StepResult.from_json(shell.files[folder.result])
        problem = Problem("plane_0007.tif", "The file is cut off.", "Copy the file again.")
        failed = replace(
            result,
            status=FAILED,
            reason=reason,
            message="It did not work.",
            problems=[problem],
            outputs={},
        )
        shell.write(folder.result, failed.to_json().encode())
        shell.write(folder.stderr, b"last words of the step\n")
        return 1

    return work


def die_at(moment: str, target: str, nth: int = 1) -> None:
    """Kill this process with no chance to clean up, `before` or `after` the nth call of a function.

    `target` is a dotted path. For processes that a test starts: they drive, and die on the way.
    """
    owner_path, _, name = target.rpartition(".")
    owner, calls = pkgutil.resolve_name(owner_path), [0]
    function = getattr(owner, name)

    def deadly(*arguments: object, **options: object) -> object:
        calls[0] += 1
        if moment == "before" and calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = function(*arguments, **options)
        if moment == "after" and calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, name, deadly)


def drive_and_die(moment: str, target: str, nth: int = 1) -> None:
    """Drive with real processes until the deadly call comes; the body of a process of its own."""
    die_at(moment, target, nth)
    cluster = real_cluster()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        tick(cluster)
        time.sleep(0.02)


def environment_of_site() -> dict[str, str]:
    """Return what another process needs to be the same site on the same database."""
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{settings.DATABASES['default']['NAME']}",
        "DATA_ROOT": str(settings.DATA_ROOT),
        "CLUSTER_WORKDIR": str(settings.CLUSTER_WORKDIR),
        "CLUSTER_DATA_ROOT": str(settings.CLUSTER_DATA_ROOT),
        "PYTHONPATH": str(ROOT),
    }


def folders(name: str) -> list[Path]:
    """Return the entries of this name in all job folders."""
    return sorted(Path(settings.CLUSTER_WORKDIR).glob(f"*/{name}"))


def stop_all_jobs() -> None:
    """Leave no process behind, whatever the test did."""
    cluster = real_cluster()
    for pid in folders("pid"):
        for _ in range(2):
            cluster.scheduler.cancel(JobId(pid.parent.name))
