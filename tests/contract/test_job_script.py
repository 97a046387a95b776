"""The job script, run by a real sh: it works once, shows that it lives, and tells how it ended."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from processing_app.cluster.workdir import PRELUDE_FAILED, JobFolder, folder_of, job_files

FAKE_PIPELINE = """
import os, pathlib, signal, sys, time
with open("ran", "a") as log:
    log.write("once\\n")
def stop(number, frame):
    pathlib.Path("stopped").touch()
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("flavor").write_text(os.environ.get("FLAVOR", ""))
spec = pathlib.Path(sys.argv[2]).read_text().split()
pathlib.Path("started").write_text(" ".join(sys.argv[1:]))
time.sleep(float(spec[0]))
codes = spec[1].split(",")
sys.exit(int(codes[int(os.environ.get("LIGHTSERV_TASK") or 0) % len(codes)]))
"""


@pytest.fixture
def folder(tmp_path):
    package = tmp_path / "site" / "pipeline"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE_PIPELINE)
    folder = folder_of(str(tmp_path / "the jobs"), "ls-r1-a1")
    Path(folder.path).mkdir(parents=True)
    write_script(folder)
    return folder


def write_script(folder: JobFolder, *preludes: str, tasks: tuple[int, ...] = ()) -> None:
    site = Path(folder.path).parents[1] / "site"
    files = job_files(
        folder, python=sys.executable, python_path=str(site), data_root="/the data", beat_s=1,
        preludes=preludes, tasks=tasks,
    )  # fmt: skip
    for path, text in files.items():
        Path(path).write_text(text)


def start(
    folder: JobFolder, *, seconds: float = 0, exit_code: object = 0, task: int | None = None,
    shell: str = "sh",
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start the script; for one task as a scheduler with arrays does it."""
    Path(folder.spec).write_text(f"{seconds} {exit_code}")
    own = {} if task is None else {"SLURM_ARRAY_TASK_ID": str(task)}
    environment = {**os.environ, "PYTHONPATH": "/opt/theirs", **own}
    return subprocess.Popen(
        [*shell.split(), folder.script], start_new_session=True, env=environment
    )


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

    assert (Path(folder.path) / "started").read_text() == f"run {folder.spec} --data-root /the data"


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


def in_task(folder: JobFolder, number: int, name: str) -> str:
    return (Path(folder.task(number).path) / name).read_text().strip()


def test_each_task_of_an_array_works_once_in_its_own_folder(folder):
    write_script(folder, tasks=(0, 2))
    jobs = [start(folder, task=number) for number in (0, 2, 0, 2)]

    assert [job.wait(10) for job in jobs] == [0] * 4
    assert [in_task(folder, number, "ran") for number in (0, 2)] == ["once"] * 2
    assert in_task(folder, 2, "started") == f"run {folder.spec} --data-root /the data --task 2"
    assert [in_task(folder, number, "exit_code") for number in (0, 2)] == ["0", "0"]
    assert not Path(folder.exit_code).exists()


def test_without_arrays_the_tasks_work_one_after_the_other_once_each(folder):
    write_script(folder, tasks=(0, 1, 2))
    jobs = [start(folder), start(folder)]

    assert [job.wait(10) for job in jobs] == [0, 0]
    assert [in_task(folder, number, "ran") for number in range(3)] == ["once"] * 3
    assert Path(folder.exit_code).read_text().strip() == "0"


def test_a_task_that_fails_does_not_keep_the_others_back(folder):
    write_script(folder, tasks=(0, 1, 2))

    assert start(folder, exit_code="0,3,0").wait(10) == 3

    assert [in_task(folder, number, "exit_code") for number in range(3)] == ["0", "3", "0"]
    assert Path(folder.exit_code).read_text().strip() == "3"


def test_after_the_cancel_mark_no_further_task_begins(folder):
    write_script(folder, tasks=(0, 1))
    job = start(folder, seconds=0.5)
    wait_for(folder.task(0) / "started")

    Path(folder.cancel).touch()

    assert job.wait(10) == 143
    assert in_task(folder, 0, "exit_code") == "0"
    assert not (Path(folder.task(1).path) / "ran").exists()


def test_a_request_to_stop_reaches_the_task_at_work_and_begins_no_other(folder):
    write_script(folder, tasks=(0, 1))
    job = start(folder, seconds=30)
    wait_for(folder.task(0) / "started")

    job.terminate()

    assert job.wait(10) == 143
    assert (Path(folder.task(0).path) / "stopped").exists()
    assert not Path(folder.task(1).path).exists()
    assert Path(folder.exit_code).read_text().strip() == "143"


def test_a_task_that_a_scheduler_stops_ends_cleanly(folder):
    write_script(folder, tasks=(0, 1))
    job = start(folder, seconds=30, task=1)
    wait_for(folder.task(1) / "started")

    job.terminate()

    assert job.wait(10) == 1
    assert in_task(folder, 1, "exit_code") == "1"


def test_the_lines_before_the_step_set_variables_that_it_sees(folder):
    write_script(folder, "FLAVOR='salt & pepper'\nexport FLAVOR\necho loaded")

    assert start(folder).wait(10) == 0

    assert (Path(folder.path) / "flavor").read_text() == "salt & pepper"


def test_lines_before_the_step_that_are_strict_do_not_hide_how_it_ended(folder):
    write_script(folder, "set -eu")

    assert start(folder, exit_code=2).wait(10) == 2

    assert Path(folder.exit_code).read_text().strip() == "2"


@pytest.mark.parametrize("lines", ["echo no such module >&2; false", "echo no such module; exit 1"])
def test_lines_before_the_step_that_fail_are_named(folder, lines):
    write_script(folder, lines)

    assert start(folder).wait(10) == PRELUDE_FAILED

    assert Path(folder.exit_code).read_text().strip() == str(PRELUDE_FAILED)
    assert Path(folder.stderr).read_text() == "no such module\n"
    assert not (Path(folder.path) / "ran").exists()


# The `sh` of one cluster is dash, that of another is bash.
SHELLS = pytest.mark.parametrize("shell", ["sh", "bash --posix"])
BROKEN = [
    ("if then fi", "yntax error"),
    ("echo 'an open quote", "nterminated|matching"),
    ("echo gone >&2; trap - EXIT; exit 3", "gone"),
    ("trap 'echo own >&2' EXIT; exit 3", "own"),
    ("echo instead; exec true", "instead"),
    ("echo done; exit 0", "done"),
    ("set -e; echo one; false; echo two", "one"),
]


@SHELLS
@pytest.mark.parametrize(("lines", "said"), BROKEN)
def test_however_the_lines_before_the_step_end_the_shell_it_is_told(folder, lines, said, shell):
    write_script(folder, lines)

    assert start(folder, shell=shell).wait(10) == PRELUDE_FAILED

    assert Path(folder.exit_code).read_text().strip() == str(PRELUDE_FAILED)
    assert re.search(said, Path(folder.stderr).read_text())
    assert not (Path(folder.path) / "ran").exists()


@pytest.mark.parametrize(("lines", "said"), BROKEN)
def test_however_they_end_the_shell_of_a_task_it_is_told(folder, lines, said):
    write_script(folder, lines, tasks=(0, 1))

    assert start(folder, task=1).wait(10) == PRELUDE_FAILED

    assert in_task(folder, 1, "exit_code") == str(PRELUDE_FAILED)
    assert re.search(said, in_task(folder, 1, "stderr"))


@SHELLS
@pytest.mark.parametrize(
    "lines", ["trap 'rm -f exit_code' EXIT TERM", "return 0", "set -u; set -f"]
)
def test_what_the_lines_before_the_step_set_up_does_not_hide_how_it_ended(folder, lines, shell):
    write_script(folder, lines)

    assert start(folder, exit_code=2, shell=shell).wait(10) == 2

    assert Path(folder.exit_code).read_text().strip() == "2"


@pytest.mark.parametrize("tasks", [(), (0,)])
def test_lines_that_change_the_folder_leave_the_step_in_its_own(folder, tasks, tmp_path):
    write_script(folder, f"cd '{tmp_path}' && FLAVOR=sweet && export FLAVOR", tasks=tasks)

    assert start(folder, task=0 if tasks else None).wait(10) == 0

    place = folder.task(0) if tasks else folder
    assert Path(place / "flavor").read_text() == "sweet"
    assert Path(place.stdout).exists()


def test_the_lines_of_a_form_end_as_lines_of_this_system(folder):
    write_script(folder, "FLAVOR=salt\r\nexport FLAVOR\r\n")

    assert start(folder).wait(10) == 0

    assert (Path(folder.path) / "flavor").read_text() == "salt"


def test_the_lines_of_the_profile_come_after_those_of_the_cluster(folder):
    write_script(folder, "FLAVOR=salt", 'export FLAVOR="$FLAVOR & pepper"')

    assert start(folder).wait(10) == 0

    assert (Path(folder.path) / "flavor").read_text() == "salt & pepper"


def test_the_lines_of_the_profile_do_not_hide_that_those_of_the_cluster_failed(folder):
    write_script(folder, "echo no module >&2; false", "true")

    assert start(folder).wait(10) == PRELUDE_FAILED

    assert Path(folder.stderr).read_text() == "no module\n"


def test_a_stop_during_the_lines_before_the_step_is_no_failure_of_them(folder):
    write_script(folder, ": >begun; sleep 5")
    job = start(folder)
    wait_for(folder / "begun")

    job.terminate()

    assert job.wait(10) == 143
    assert Path(folder.exit_code).read_text().strip() == "143"
    assert not (Path(folder.path) / "ran").exists()


def test_lines_that_fail_before_a_task_are_found_in_its_folder(folder):
    write_script(folder, "echo no module >&2; false", tasks=(0, 1))

    assert start(folder).wait(10) == PRELUDE_FAILED

    assert in_task(folder, 1, "stderr") == "no module"


def test_a_step_can_give_programs_the_search_path_of_the_account(folder):
    Path(folder.path).parents[1].joinpath("site/pipeline/__main__.py").write_text(
        "import os, pathlib\npathlib.Path('path').write_text(os.environ['LIGHTSERV_PYTHONPATH'])\n"
    )

    start(folder).wait(10)

    assert (Path(folder.path) / "path").read_text() == "/opt/theirs"
