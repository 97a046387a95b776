"""Pure: names and paths of an attempt's folder, and the text of its job script."""

import shlex
from dataclasses import dataclass
from typing import Final

LOG_TAIL_BYTES: Final = 8_000

_SCRIPT = """\
#!/bin/sh
# Written by lightserv. Runs one step once, however often it is submitted.
umask 007
cd {folder} || exit 1
mkdir attempt.lock 2>/dev/null || exit 0

# A reader finds the old content or the new, never half of it.
leave() {{ printf '%s\\n' "$2" >".$1.new" && mv ".$1.new" "$1"; }}
beat() {{ leave heartbeat "$(date +%s)"; }}

if [ -e cancel ]; then
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

work=
trap '[ -z "$work" ] || kill -TERM "$work" 2>/dev/null' TERM INT
PYTHONPATH={python_path} {command} </dev/null >stdout 2>stderr &
work=$!
wait "$work"
code=$?
# A signal ends `wait` early; the step then gets its time to stop cleanly.
while kill -0 "$work" 2>/dev/null; do
    wait "$work"
    code=$?
done

leave exit_code "$code"
kill "$beater" 2>/dev/null
exit "$code"
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
    def cancel(self) -> str:
        return self / "cancel"


def folder_of(workdir: str, job_name: str) -> JobFolder:
    """Return the folder of the attempt that the scheduler knows by this name."""
    if not job_name or "/" in job_name or job_name.startswith("."):
        raise ValueError(f"{job_name!r} cannot be a folder of its own.")
    return JobFolder(f"{workdir.rstrip('/')}/{job_name}")


def job_script(
    folder: JobFolder, *, python: str, python_path: str, data_root: str, beat_s: int
) -> str:
    """Return the script: lock, heartbeat, the step, and its exit code as the last thing."""
    command = [python, "-m", "pipeline", "run", "spec.json", "--data-root", data_root]
    return _SCRIPT.format(
        folder=shlex.quote(folder.path),
        beat_s=beat_s,
        python_path=shlex.quote(python_path),
        command=shlex.join(command),
    )
