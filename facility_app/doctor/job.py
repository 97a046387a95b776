"""A tiny job, handed in and followed to its end as a real one is."""

import secrets
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from core_app.errors import OutsideError, Silent, Unreachable
from facility_app.doctor.findings import Finding, Verdict, failed, ok, warning
from facility_app.doctor.patient import Patient
from processing_app import demands
from processing_app.cluster import workdir
from processing_app.cluster.ports import (
    Cluster,
    JobId,
    JobReport,
    JobRequest,
    JobState,
    Peek,
    Resources,
)
from processing_app.cluster.workdir import PRELUDE_FAILED, JobFolder
from processing_app.demands import Frame, Needs
from processing_app.models import Cluster as Row
from processing_app.models import Profile
from processing_app.planning import is_at_work
from processing_app.services.demands import frame_of

NEEDS: Final = Needs(cpus=1, memory_mb=500, minutes=5)
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
# For a job that was called off.
STOPPING_S: Final = 15.0
_RANK: Final = (Verdict.OK, Verdict.WARNING, Verdict.FAILED)
_LEFT: Final = "Remove it by hand once no job of that name is left."
_NODE: Final = "Let all computers of the cluster have the same Python and storage."

# A shared file system shows late what a job left that is over.
GRACE_S: Final = 10.0
_OVER: Final = (JobState.ENDED, JobState.GONE)

# What its computer is like.
_COMMAND: Final = """\
uname -n >node
{python} -c 'import sys; sys.exit(sys.version_info < (3, 11))' >python.log 2>&1 && : >has_python
[ -d {data_root} ] && : >has_data
exit 0
"""


def of_profiles(row: Row) -> list[tuple[str, Callable[[Patient], Finding]]]:
    """Return a check for each profile but the usual one."""
    others = Profile.objects.filter(cluster=row, is_usual=False).order_by("name")
    return [(f"job (profile {one.name})", partial(_runs, profile=one)) for one in others]


def runs(patient: Patient) -> Finding:
    """Try what a step gets that names no profile."""
    usual = Profile.objects.filter(cluster=patient.row, is_usual=True).first()
    return _runs(patient, profile=usual)


def _runs(patient: Patient, *, profile: Profile | None) -> Finding:
    """Hand a job in, find it by name, see it end, and look at what it left; then remove it."""
    folder = workdir.folder_of(patient.cluster.workdir, f"ls-doctor-{secrets.token_hex(6)}")
    name = folder.path.rpartition("/")[2]
    cluster = patient.cluster
    try:
        cluster.shell.make_folder(folder.path)
        for path, text in _files(folder, patient, profile).items():
            cluster.shell.write(path, text.encode())
        resources = _resources(patient, profile)
        request = JobRequest(name, folder.path, folder.script, resources)
        finding = _follow(cluster.scheduler.submit(request), name, folder, patient)
    finally:
        is_left = not _clear(name, folder, patient)
    if is_left:
        words = f"{finding.found}; its folder {folder.path} was left"
        return Finding(max(finding.verdict, Verdict.WARNING, key=_RANK.index), words, _LEFT)
    return finding


def _files(folder: JobFolder, patient: Patient, profile: Profile | None) -> dict[str, str]:
    """Return what the driver would write, around a command that looks at the computer."""
    python, python_path = patient.interpreter()
    command = _COMMAND.format(
        python=shlex.quote(python), data_root=shlex.quote(patient.cluster.data_root)
    )
    return workdir.files_around(
        shlex.join(["sh", "-c", command]), folder,
        python_path=python_path, beat_s=patient.cluster.beat_s,
        preludes=(patient.cluster.prelude, profile.prelude if profile else ""),
    )  # fmt: skip


def _resources(patient: Patient, profile: Profile | None) -> Resources:
    """Ask for what the profile says, and for little where it says nothing."""
    if patient.is_local:
        return Resources()
    frame = frame_of(profile) if profile else Frame()
    return demands.resources_for(frame.usual.over(NEEDS), frame)


def _follow(job_id: JobId, name: str, folder: JobFolder, patient: Patient) -> Finding:
    cluster, begun, pause = patient.cluster, time.monotonic(), SHORTEST_PAUSE_S
    is_found, over_after = False, float("inf")
    while True:
        report = cluster.scheduler.poll([job_id])[job_id]
        is_found = is_found or _is_named(name, job_id, cluster)
        mark = cluster.shell.read(folder.exit_code)
        took = time.monotonic() - begun
        if mark is not None and not is_at_work(report) and is_found:
            return _over(job_id, mark, folder, cluster, took)
        over_after = min(over_after, took) if report.state in _OVER else float("inf")
        if is_found and took - over_after >= GRACE_S:
            return _unmarked(job_id, report, folder, cluster)
        if took >= patient.wait_s:
            return _late(job_id, report, folder, patient, is_found=is_found)
        time.sleep(min(pause, patient.wait_s - took))
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _is_named(name: str, job_id: JobId, cluster: Cluster) -> bool:
    """Return True if it is found by name. Without accounting its queue alone may not tell."""
    try:
        return cluster.scheduler.find(name) == job_id
    except Silent:
        raise
    except Unreachable:
        return False


def _over(job_id: JobId, mark: bytes, folder: JobFolder, cluster: Cluster, took: float) -> Finding:
    names = ["node", "has_python", "has_data"]
    wanted = [Peek(folder / name, 500) for name in names]
    found = cluster.shell.read_many([*wanted, Peek(folder.stderr, 300, from_end=True)])
    node, has_python, has_data, said = found
    place = f"On {_text(node)}" if node else "There"
    if mark.strip() == str(PRELUDE_FAILED).encode():
        words = f"Job {job_id}: the lines before each step fail: {_text(said)}"
        return failed(words, "Correct the prelude.")
    if mark.strip() != b"0":
        words = f"Its mark says {mark[:20]!r} instead of 0. {_text(said)}"
        return failed(words, "Look at the work folder.")
    if has_python is None:
        return failed(f"{place} the pipeline's Python does not run.", _NODE)
    if has_data is None:
        return failed(f"{place} there is no {cluster.data_root}.", _NODE)
    words = f"job {job_id} was found by name and ended after {took:.1f} s on {_text(node)}"
    return ok(f"{words}; {_usage(job_id, cluster)}")


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace").strip()


def _unmarked(job_id: JobId, report: JobReport, folder: JobFolder, cluster: Cluster) -> Finding:
    """It is over for the scheduler, and its script did not come to its end."""
    code = "" if report.exit_code is None else f", exit code {report.exit_code}"
    state = f"it is over ({report.word or report.state}{code})"
    words = f"Job {job_id} left no mark of its end; {state}. {_said(folder, cluster)}"
    return failed(words, "See whether the computers of the cluster write to the work folder.")


def _said(folder: JobFolder, cluster: Cluster) -> str:
    """Return the end of what it wrote so far."""
    logs = [folder / "before.log", folder / "slurm.log"]
    found = cluster.shell.read_many([Peek(path, 300, from_end=True) for path in logs])
    return " ".join(filter(None, map(_text, found)))


def _usage(job_id: JobId, cluster: Cluster) -> str:
    try:
        used = cluster.scheduler.usage([job_id]).get(job_id)
    except Silent:
        raise
    except Unreachable:
        return "its usage is not known, accounting gives no answer"
    if used is None or (used.elapsed_s is None and used.peak_memory_bytes is None):
        return "its usage is not known, steps measure themselves"
    peak = f", {used.peak_memory_bytes >> 20} MiB" if used.peak_memory_bytes else ""
    return f"usage is known ({used.elapsed_s or 0:.0f} s{peak})"


def _late(
    job_id: JobId, report: JobReport, folder: JobFolder, patient: Patient, *, is_found: bool
) -> Finding:
    wait = f"after {patient.wait_s:.0f} s"
    if not is_found:
        action = "Ask its administrators; without names a job may be handed in twice."
        return failed(f"Job {job_id} is not found by its name {wait}.", action)
    if report.state == JobState.QUEUED:
        words = f"Job {job_id} still waits {wait}{_place(job_id, patient.cluster)}."
        return warning(
            words, "Run doctor again with a longer --wait, when the cluster is less busy."
        )
    state = report.word or report.state
    words = f"Job {job_id} left no mark of its end {wait}; it is {state}."
    words = f"{words} {_said(folder, patient.cluster)}"
    return failed(words, "See whether the computers of the cluster write to the work folder.")


def _place(job_id: JobId, cluster: Cluster) -> str:
    place = cluster.scheduler.queue([job_id]).get(job_id)
    if place is None:
        return ""
    why = f" ({place.why})" if place.why else ""
    return f", at place {place.position} of {place.waiting}{why}"


def _clear(name: str, folder: JobFolder, patient: Patient) -> bool:
    """Leave no job and no folder behind; return False if that could not be done."""
    with suppress(OutsideError):  # a job that begins without its folder ends at once
        job_id = patient.cluster.scheduler.find(name)
        if job_id is not None:
            _stop(job_id, patient.cluster)
    try:
        return patient.remove(folder.path).exit_code == 0
    except OutsideError:
        return False


def _stop(job_id: JobId, cluster: Cluster) -> None:
    """Ask it to stop, and wait for that, so that its folder can go."""
    end, pause = time.monotonic() + STOPPING_S, SHORTEST_PAUSE_S
    while is_at_work(cluster.scheduler.poll([job_id])[job_id]) and time.monotonic() < end:
        cluster.scheduler.cancel(job_id)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)
