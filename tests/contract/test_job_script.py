"""The job script, run by a real sh: it works once, shows that it lives, and tells how it ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from processing_app.cluster.workdir import JobFolder, folder_of, job_script

FAKE_PIPELINE = """
import os, pathlib, signal, sys, time
with open("ran", "a") as log:
    log.write("once\\n")
def stop(number, frame):
    pathlib.Path("stopped").touch()
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
spec = pathlib.Path("spec.json").read_text().split()
pathlib.Path("started").write_text(" ".join(sys.argv[1:]))
time.sleep(float(spec[0]))
sys.exit(int(spec[1]))
"""


@pytest.fixture
def folder(tmp_path):
    package = tmp_path / "site" / "pipeline"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE_PIPELINE)
    folder = folder_of(str(tmp_path / "the jobs"), "ls-r1-a1")
    Path(folder.path).mkdir(parents=True)
    text = job_script(
        folder, python=sys.executable, python_path=str(tmp_path / "site"), data_root="/the data",
        beat_s=1,
    )  # fmt: skip
    Path(folder.script).write_text(text)
    return folder


def start(folder: JobFolder, *, seconds: float = 0, exit_code: int = 0) -> subprocess.Popen[bytes]:
    Path(folder.spec).write_text(f"{seconds} {exit_code}")
    return subprocess.Popen(["sh", folder.script], start_new_session=True)


def wait_for(path: str) -> None:
    end = time.monotonic() + 10
    while not Path(path).exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def members(group: int) -> list[int]:
    """Return the living processes of a group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def test_the_step_runs_with_its_specification_and_data_root(folder):
    start(folder).wait(10)

    assert (Path(folder.path) / "started").read_text() == "run spec.json --data-root /the data"


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_exit_code_is_the_step_s_and_is_left_behind(folder, code):
    assert start(folder, exit_code=code).wait(10) == code

    assert Path(folder.exit_code).read_text().strip() == str(code)


def test_two_submissions_run_the_work_once(folder):
    first = start(folder, seconds=0.3)
    wait_for(folder / "started")
    second = start(folder, seconds=0.3)

    assert second.wait(10) == 0
    assert not Path(folder.exit_code).exists()
    assert first.wait(10) == 0
    assert (Path(folder.path) / "ran").read_text() == "once\n"


def test_a_job_that_was_cancelled_before_it_began_does_not_begin(folder):
    Path(folder.cancel).touch()

    assert start(folder).wait(10) == 143

    assert not (Path(folder.path) / "ran").exists()


def test_the_heart_beats_while_the_step_works(folder):
    job = start(folder, seconds=2.5)
    wait_for(folder.heartbeat)
    first = Path(folder.heartbeat).read_text()
    time.sleep(2.1)

    assert Path(folder.heartbeat).read_text() != first
    job.wait(10)


def test_nothing_of_the_job_is_left_when_it_has_ended(folder):
    job = start(folder)
    job.wait(10)
    end = time.monotonic() + 3
    while members(job.pid) and time.monotonic() < end:
        time.sleep(0.02)

    # A sleep of the heartbeat may outlive it by one beat, holding nothing.
    assert len(members(job.pid)) <= 1


def test_the_heart_stops_when_the_script_is_killed(folder):
    job = start(folder, seconds=30)
    wait_for(folder / "started")
    job.kill()
    job.wait(10)
    time.sleep(2.5)
    last = Path(folder.heartbeat).read_text()
    time.sleep(1.5)

    assert Path(folder.heartbeat).read_text() == last
    os.killpg(job.pid, signal.SIGKILL)


def test_a_stopped_job_lets_the_step_end_cleanly_and_says_how_it_ended(folder):
    job = start(folder, seconds=30)
    wait_for(folder / "started")

    job.terminate()

    assert job.wait(10) == 1
    assert (Path(folder.path) / "stopped").exists()
    assert Path(folder.exit_code).read_text().strip() == "1"


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden"])
def test_a_job_name_stays_in_its_own_folder(name):
    with pytest.raises(ValueError, match="folder of its own"):
        folder_of("/jobs", name)
