"""Checks of one cluster: how it fares, the way there, folders, storage, Python, pipeline."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from django.conf import settings

from core_app.errors import Misconfigured, OutsideError, Rejected, Silent, Unreachable
from facility_app.doctor import storage
from facility_app.doctor.findings import Finding, failed, ok, warning
from facility_app.doctor.patient import Patient
from pipeline.contract import PIPELINE_VERSION
from processing_app.cluster.ports import Peek, Scheduler
from processing_app.models import Cluster, ClusterStatus
from processing_app.services import deployments
from processing_app.services.deployments import is_mark_of

CLOCKS_APART_S: Final = 60
OLDEST_PYTHON: Final = (3, 11)
PIPELINE_S: Final = 120.0
# A shared file system shows what another computer wrote late.
LOOKS, PAUSE_S = 4, 0.5
MOST_NOISE: Final = 120
_QUIET: Final = (
    "Let login scripts such as ~/.bashrc print only if the shell is interactive "
    "(`case $- in *i*) … ;; esac`); SFTP needs that."
)
_MEND_FOLDER: Final = (
    "Make the work folder there, on a disk that can be written and for the account of the line "
    "connection, or name another one; see the line python as well."
)
_RESUME: Final = "Mend it, then resume it in the staff console (Clusters)."


def fares(row: Cluster) -> Finding:
    """Say what people and the driver noted about it."""
    status = ClusterStatus.objects.filter(cluster=row).first()
    if status is None:
        action = "Run manage.py reconcile --repair status-missing."
        return failed("It has no status, so nothing is handed in.", action)
    if status.paused_at:
        return warning(f"Paused since {_at(status.paused_at)}: {status.trouble}", _RESUME)
    if status.frozen_at:
        words = f"Frozen since {_at(status.frozen_at)}: {status.frozen_reason}"
        return warning(words, "Unfreeze it in the staff console (Clusters) when that is over.")
    if status.silent_since:
        words = f"Silent since {_at(status.silent_since)}: {status.trouble}"
        return warning(words, "It is asked again by itself; the checks below say more.")
    if status.part_silent_since:
        words = f"Answers only in part since {_at(status.part_silent_since)}: {status.part_trouble}"
        return warning(words, "It is asked again by itself; the line scheduler says more.")
    return ok("neither paused, frozen nor silent")


def _at(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def connects(patient: Patient) -> Finding:
    """Say as whom and where commands run."""
    account = patient.run("id", "-un").stdout.strip()
    machine = patient.run("uname", "-n").stdout.strip()
    if not account or not machine:
        return failed("It gives no name of account or machine.", "Look at its login scripts.")
    way = f", by {patient.config.host}" if patient.config.host else ""
    return ok(f"as {account} on {machine}{way} ({patient.config.kind})")


@runtime_checkable
class Hears(Protocol):
    """A shell that cuts off what login scripts print, and can say what it was."""

    def noise(self) -> str: ...


def is_quiet(patient: Patient) -> Finding:
    """See whether login scripts print. Commands can do without that; files cannot be sent then."""
    shell = patient.cluster.shell
    noise = shell.noise() if isinstance(shell, Hears) else ""
    if noise:
        return failed(f"Login scripts print: {noise[-MOST_NOISE:]!r}", _QUIET)
    said = patient.run("printf", "%s", "lightserv").stdout
    if said != "lightserv":
        words = f"Answers hold more than was asked for: {said[:MOST_NOISE]!r}"
        return failed(words, _QUIET)
    return ok("they print nothing")


def clock(patient: Patient) -> Finding:
    """Compare the clocks. Nothing depends on it, but people compare times in logs."""
    before = time.time()
    there = int(patient.run("date", "+%s").stdout)
    apart = there - (before + time.time()) / 2
    if abs(apart) > CLOCKS_APART_S:
        words = f"Its clock is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}."
        return warning(words, "Let both follow a time server; nothing but logs depends on it.")
    return ok(f"{abs(apart):.0f} s apart")


def work_folder(patient: Patient) -> Finding:
    """Write there, read it back in both ways, and remove it."""
    try:
        return _kept(patient)
    except (Silent, Misconfigured):
        raise
    except OutsideError as problem:
        return failed(f"{patient.cluster.workdir}: {problem}", _MEND_FOLDER)


def _kept(patient: Patient) -> Finding:
    shell, content = patient.cluster.shell, b"lightserv \xc3\xa4\n"
    with patient.folder(".doctor-") as folder:
        path = f"{folder}/probe"
        shell.write(path, content)
        one = shell.read(path)
        many = shell.read_many([Peek(path), Peek(f"{folder}/none"), Peek(path, 4, from_end=True)])
    if one != content or many != [content, None, content[-4:]]:
        action = "See whether its disk is sound and its Python is as set."
        return failed(f"{patient.cluster.workdir}: what was written is not read back.", action)
    return ok(f"{patient.cluster.workdir} can be written and read")


def space(patient: Patient) -> Finding:
    """Judge the room in the work folder, and how many files may still be made there."""
    workdir = patient.cluster.workdir
    try:
        (total, free), (files, more) = _df(patient, "-Pk"), _df(patient, "-Pi")
    except Rejected as problem:
        return failed(f"{workdir}: {problem.detail}", _MEND_FOLDER)
    if files and more < storage.SCARCE * files:
        words = f"{workdir}: {more:,} more files can be made there."
        return (warning if more else failed)(words, "Remove files; see manage.py tidy_job_folders.")
    return storage.room(workdir, total * 1024, free * 1024)


def _df(patient: Patient, option: str) -> tuple[int, int]:
    """Return the whole and the free amount. Some file systems count no files, and say so by -."""
    done = patient.run("df", option, patient.cluster.workdir)
    if done.exit_code != 0:
        raise Rejected("no room can be told", done.stderr.strip() or f"df {option} failed")
    numbers = done.stdout.strip().splitlines()[-1].split(None, 5)
    if len(numbers) < 4:
        raise ValueError(f"df {option} says {done.stderr or done.stdout!r}")
    total, free = numbers[1], numbers[3]
    return (int(total), int(free)) if total.isdecimal() and free.isdecimal() else (0, 0)


def sees_data(patient: Patient) -> Finding:
    """Write a file to the storage here and read it there."""
    here, there = str(settings.DATA_ROOT), patient.cluster.data_root
    content = b"lightserv doctor"
    try:
        with storage.probe_file(content) as name:
            found = _read_late(patient, f"{there.rstrip('/')}/{name}", content)
    except FileNotFoundError:
        return failed(f"{here} is no folder here.", "Mount the storage here, or correct DATA_ROOT.")
    except OSError:
        return _same_names(patient, here, there)
    if found != content:
        words = f"What is written to {here} here is not seen in {there} there."
        return failed(words, "Mount the same storage on both, or correct the data root.")
    return ok(f"{here} here is {there} there")


def _read_late(patient: Patient, path: str, content: bytes) -> bytes | None:
    found = None
    for number in range(LOOKS):
        time.sleep(PAUSE_S if number else 0.0)
        found = patient.cluster.shell.read(path)
        if found == content:
            break
    return found


def _same_names(patient: Patient, here: str, there: str) -> Finding:
    """This host may only read: compare the names."""
    ours = {path.name for path in Path(here).iterdir()} if Path(here).is_dir() else set()
    argv = ["find", there, "-mindepth", "1", "-maxdepth", "1", "-printf", "%f\\n"]
    theirs = set(patient.run(*argv).stdout.splitlines())
    if not ours or ours != theirs:
        words = f"{here} here and {there} there do not hold the same {_count(ours | theirs)}."
        return failed(words, "Mount the same storage on both, or correct the data root.")
    return ok(f"{here} here is {there} there, by {_count(ours)}; this host may only read")


def _count(names: Iterable[str]) -> str:
    return f"{len(list(names))} names"


def python(patient: Patient) -> Finding:
    """Ask the interpreter for its version."""
    path = patient.cluster.python
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    action = "Set the cluster's Python to 3.11 or newer, with its whole path."
    try:
        done = patient.run(path, "-c", code)
    except Silent:
        raise
    except Unreachable as problem:  # a program that is not there is told so as well
        return failed(f"{path} does not run: {problem.detail}", action)
    version = done.stdout.strip()
    if done.exit_code != 0 or not version:
        return failed(f"{path} does not run: {done.stderr.strip()[-200:]}", action)
    if tuple(int(part) for part in version.split(".")) < OLDEST_PYTHON:
        return failed(f"{path} is {version}.", action)
    return ok(f"{path} is {version}")


def pipeline(patient: Patient) -> Finding:
    """See that the version of this site is there, and that all its steps can be loaded."""
    deploy = f"Run manage.py deploy_pipeline --cluster {patient.row.name}."
    deployment = patient.deployment()
    if deployment is None and not patient.cluster.python_path:
        return failed(f"Pipeline {PIPELINE_VERSION} is not deployed there.", deploy)
    if deployment is not None:
        mark = patient.cluster.shell.read(f"{deployment.folder}/{deployments.MARK}")
        if not is_mark_of(deployment, mark):
            return failed(f"{deployment.folder} is gone or was replaced.", deploy)
    interpreter, folder = patient.interpreter()
    argv = ["env", f"PYTHONPATH={folder}", interpreter, "-m", "pipeline", "check"]
    done = patient.run(*argv, timeout=PIPELINE_S)
    if done.exit_code != 0:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        mend = deploy if deployment else "Install pipeline/requirements.txt for that Python."
        return failed(f"Its check fails: {''.join(last)}", mend)
    where = f"deployed in {folder}" if deployment else "the site's own"
    return ok(f"{PIPELINE_VERSION}, {where}; its check passes")


class _Partition(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def is_up(self) -> bool: ...


class _Facts(Protocol):
    @property
    def version(self) -> str: ...
    @property
    def has_accounting(self) -> bool: ...
    @property
    def accounting_trouble(self) -> str: ...
    @property
    def partitions(self) -> Sequence[_Partition]: ...


@runtime_checkable
class Describes(Protocol):
    """A scheduler that can say what it is like; not every one has something to say."""

    def describe(self) -> _Facts: ...


def scheduler(patient: Patient) -> Finding:
    """Ask what it is like, and for its jobs of ours."""
    asked = patient.cluster.scheduler
    if not isinstance(asked, Describes):
        return ok(f"processes of this host; {_known(asked)}")
    facts = asked.describe()
    up = [one.name for one in facts.partitions if one.is_up]
    places = f"partitions {', '.join(up)}" if up else "no partition is up"
    words = f"Slurm {facts.version}, {_accounting(facts)}, {places}"
    if not up:
        return failed(words, "Ask its administrators: no partition takes jobs.")
    if facts.accounting_trouble:  # without it, not all jobs can be named
        return warning(words, "Ask its administrators to mend slurmdbd; jobs run meanwhile.")
    return ok(f"{words}; {_known(asked)}")


def _known(asked: Scheduler) -> str:
    return f"{len(asked.jobs())} jobs of ours known"


def _accounting(facts: _Facts) -> str:
    if facts.accounting_trouble:
        return f"accounting does not answer: {facts.accounting_trouble}"
    return "with accounting" if facts.has_accounting else "without accounting (usage is not known)"
