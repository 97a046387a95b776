"""Pure: names and paths of an attempt's folder, and the text of its job script."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOG_TAIL_BYTES: Final = 8_000

# How the script says that the lines before the step failed.
PRELUDE_FAILED: Final = 97

_SCRIPT = """\
#!/bin/sh
# Written by lightserv. Runs one step once, however often it is submitted.
umask 007
cd {folder} || exit 1
{choose_task}
mkdir attempt.lock 2>/dev/null || exit 0

# A reader finds the old content or the new, never half of it.
leave() {{ printf '%s\\n' "$2" >".$1.new" && mv ".$1.new" "$1"; }}
beat() {{ leave heartbeat "$(date +%s)"; }}

if [ -e {folder}/cancel ]; then
    leave exit_code 143
    exit 143
fi

beat
# Beats as long as this shell lives. It lets go of descriptor 9, which may hold a slot.
(
    trap 'kill "$!" 2>/dev/null; exit 0' TERM
    while kill -0 $$ 2>/dev/null; do
        beat
        sleep {beat_s} &
        wait "$!"
    done
) </dev/null >/dev/null 2>&1 9>&- &
beater=$!

work= stopped=
trap 'stopped=143; [ -z "$work" ] || kill -TERM "$work" 2>/dev/null' TERM INT
# A shell of its own becomes the step, so that nothing of the operator's lines reaches this one.
(
{before}    # A program of the facility is to have its own search path again.
    export LIGHTSERV_PYTHONPATH="${{PYTHONPATH:-}}"
    export PYTHONPATH={python_path}
    exec {command} </dev/null >stdout 2>stderr
) &
work=$!
[ -z "$stopped" ] || kill -TERM "$work" 2>/dev/null
wait "$work"
code=$?
# A signal ends `wait` early; the step then gets its time to stop cleanly.
while kill -0 "$work" 2>/dev/null; do
    wait "$work"
    code=$?
done
{after}
leave exit_code "$code"
kill "$beater" 2>/dev/null
exit "$code"
"""

_BEFORE_THE_LINES = """\
    exec >before.log 2>&1
"""

# Read from a file, so that a mistake of grammar there is none of this script. `set -e` holds there.
_LINES = """\
    . {file}
    [ "$?" = 0 ] || exit 1
"""

# They may have gone elsewhere and set traps.
_AFTER_THE_LINES = """\
    trap - EXIT TERM INT
    cd {place} || exit 1
    : >.before_passed
"""

# However they ended the shell.
_UNLESS_PASSED = """
if [ ! -e .before_passed ]; then
    mv before.log stderr
    code=${{stopped:-{failed}}}
fi
"""

# A scheduler with arrays starts the script once for each task; others start it once.
_CHOOSE_TASK = """
task=${{LIGHTSERV_TASK:-${{SLURM_ARRAY_TASK_ID:-}}}}
if [ -z "$task" ]; then
    mkdir all.lock 2>/dev/null || exit 0
    worst=0 work='' stopped=''
    trap 'stopped=143; [ -z "$work" ] || kill -TERM "$work" 2>/dev/null' TERM INT
    for number in {tasks}; do
        [ -z "$stopped" ] || {{ worst=$stopped; break; }}
        LIGHTSERV_TASK=$number sh job.sh &
        work=$!
        wait "$work"
        code=$?
        while kill -0 "$work" 2>/dev/null; do
            wait "$work"
            code=$?
        done
        [ "$code" -le "$worst" ] || worst=$code
    done
    printf '%s\\n' "$worst" >.exit_code.new && mv .exit_code.new exit_code
    exit "$worst"
fi
export LIGHTSERV_TASK="$task"
mkdir -p "task-$task" && cd "task-$task" || exit 1
"""


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one attempt on the cluster, as texts, since it may be another machine."""

    path: str

    def __truediv__(self, name: str) -> str:
        return f"{self.path}/{name}"

    @property
    def spec(self) -> str:
        return self / "spec.json"

    @property
    def script(self) -> str:
        return self / "job.sh"

    def prelude(self, number: int) -> str:
        return self / f"prelude-{number}.sh"

    @property
    def result(self) -> str:
        return self / "result.json"

    @property
    def progress(self) -> str:
        return self / "progress.json"

    @property
    def heartbeat(self) -> str:
        return self / "heartbeat"

    @property
    def exit_code(self) -> str:
        return self / "exit_code"

    @property
    def stderr(self) -> str:
        return self / "stderr"

    @property
    def stdout(self) -> str:
        return self / "stdout"

    @property
    def cancel(self) -> str:
        return self / "cancel"

    def task(self, number: int) -> "JobFolder":
        """Return the folder of one task of an array."""
        return JobFolder(self / f"task-{number}")


def folder_of(workdir: str, job_name: str) -> JobFolder:
    """Return the folder of the attempt that the scheduler knows by this name."""
    if not job_name or "/" in job_name or job_name.startswith("."):
        raise ValueError(f"{job_name!r} cannot be a folder of its own.")
    return JobFolder(f"{workdir.rstrip('/')}/{job_name}")


def job_files(
    folder: JobFolder, *, python: str, python_path: str, data_root: str, beat_s: int,
    preludes: Sequence[str] = (), tasks: Sequence[int] = (),
) -> dict[str, str]:  # fmt: skip
    """Return the files of a job by their paths, that of the script last: it runs one step.

    An array does it once for each task, in a folder of its own; what the tasks share is the
    specification.
    """
    command = [python, "-m", "pipeline", "run", folder.spec, "--data-root", data_root]
    words = shlex.join(command) + (' --task "$LIGHTSERV_TASK"' if tasks else "")
    return files_around(
        words, folder, python_path=python_path, beat_s=beat_s, preludes=preludes, tasks=tasks
    )


def files_around(
    command: str, folder: JobFolder, *, python_path: str, beat_s: int,
    preludes: Sequence[str] = (), tasks: Sequence[int] = (),
) -> dict[str, str]:  # fmt: skip
    """Return the files of a job that runs a command: lock, heartbeat, its exit code as the last.

    Each of `preludes` are shell lines of the operator, which may set variables for the command.
    """
    # Forms of browsers end lines as Windows does.
    written = [text.replace("\r\n", "\n").rstrip("\n") + "\n" for text in preludes if text.strip()]
    files = {folder.prelude(number): text for number, text in enumerate(written, start=1)}
    script = _SCRIPT.format(
        folder=shlex.quote(folder.path),
        choose_task=_CHOOSE_TASK.format(tasks=" ".join(map(str, tasks))) if tasks else "",
        beat_s=beat_s,
        before=_before(folder, list(files), has_tasks=bool(tasks)) if files else "",
        after=_UNLESS_PASSED.format(failed=PRELUDE_FAILED) if files else "",
        python_path=shlex.quote(python_path),
        command=command,
    )
    return {**files, folder.script: script}


def _before(folder: JobFolder, preludes: Sequence[str], *, has_tasks: bool) -> str:
    place = shlex.quote(folder.path) + ('/"task-$LIGHTSERV_TASK"' if has_tasks else "")
    lines = [_LINES.format(file=shlex.quote(path)) for path in preludes]
    return "".join([_BEFORE_THE_LINES, *lines, _AFTER_THE_LINES.format(place=place)])
