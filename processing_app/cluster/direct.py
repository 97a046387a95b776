"""Scheduler that starts plain processes over any Shell: for a laptop, the demo, a single host.

The id of a job is its name. direct.sh keeps all state in the job's folder; see its head.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core_app.batches import batched
from core_app.errors import Rejected, Unreachable
from processing_app.cluster.ports import (
    CommandResult,
    JobId,
    JobReport,
    JobRequest,
    JobSeen,
    JobState,
    JobUsage,
    QueuePlace,
    Shell,
)

SOURCE = "direct"
TIMEOUT_S = 20.0
# So many names fit into one command.
AT_ONCE = 500
_EXIT_CODE = re.compile(r"-?[0-9]{1,3}")
_STATES = {
    "queued": JobState.QUEUED,
    "running": JobState.RUNNING,
    "ended": JobState.ENDED,
    "cancelled": JobState.ENDED,
    "gone": JobState.GONE,
}


@dataclass(slots=True)
class Direct:
    """Jobs as processes. At most `slots` run at a time on the machine; the others wait."""

    shell: Shell
    workdir: str
    slots: int = 1
    kill_after_s: int = 10
    _is_ready: bool = field(default=False, init=False)

    def submit(self, job: JobRequest) -> JobId:
        done = self._call("start", job.name, str(self.slots))
        if done.exit_code == 3:
            raise Rejected("no such folder", f"{job.folder}: {done.stderr.strip()}")
        if done.exit_code != 0:
            raise Unreachable("not started", f"{job.name} did not come up: {done.stderr.strip()}")
        return JobId(job.name)

    def find(self, name: str) -> JobId | None:
        return JobId(name) if self._call("find", name).exit_code == 0 else None

    def poll(self, ids: Collection[JobId]) -> Mapping[JobId, JobReport]:
        reports = {job_id: JobReport(JobState.UNKNOWN, SOURCE) for job_id in ids}
        for some in batched(ids, AT_ONCE):
            for name, rest in self._lines("poll", *some):
                if name in reports:
                    reports[JobId(name)] = _report(rest)
        return reports

    def queue(self, ids: Collection[JobId]) -> Mapping[JobId, QueuePlace]:
        line = [name for name, rest in self._lines("jobs") if rest.startswith("queued")]
        wanted = set(ids)
        return {
            JobId(name): QueuePlace(place, len(line))
            for place, name in enumerate(line, start=1)
            if name in wanted
        }

    def usage(self, ids: Collection[JobId]) -> Mapping[JobId, JobUsage]:
        return {}  # the step itself measures what it uses

    def jobs(self) -> Sequence[JobSeen]:
        return [
            JobSeen(JobId(name), name, _report(rest).state, f"{self.workdir}/{name}")
            for name, rest in self._lines("jobs")
        ]

    def cancel(self, job_id: JobId) -> None:
        self._call("cancel", job_id, str(self.kill_after_s))

    def _lines(self, verb: str, *arguments: str) -> list[tuple[str, str]]:
        """Return the lines of an answer, each as the name of a job and the rest."""
        lines = (line.partition(" ") for line in self._call(verb, *arguments).stdout.splitlines())
        return [(name, rest) for name, _, rest in lines]

    def _call(self, verb: str, *arguments: str) -> CommandResult:
        script = f"{self.workdir}/.direct.sh"
        if not self._is_ready:
            self.shell.make_folder(self.workdir)
            self.shell.write(script, Path(__file__).with_name("direct.sh").read_bytes())
            self._is_ready = True
        argv = ["sh", script, verb, self.workdir, *arguments]
        return self.shell.run(argv, cwd=self.workdir, timeout=TIMEOUT_S)


def _report(text: str) -> JobReport:
    """Read `ended 0`, `running -`; a word nobody knows is UNKNOWN and waits."""
    word, _, code = text.partition(" ")
    exit_code = int(code) if _EXIT_CODE.fullmatch(code) else None
    reason = "CANCELLED" if word == "cancelled" else ""
    return JobReport(_STATES.get(word, JobState.UNKNOWN), SOURCE, exit_code, reason)
