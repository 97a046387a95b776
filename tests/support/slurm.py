"""A private Slurm on loopback: munge, MariaDB, slurmdbd, slurmctld and one slurmd as processes.

`python -m tests.support.slurm` keeps one running until Ctrl-C and says how to use it.
"""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core_app.batches import batched
from tests.support import mariadb, services, slurm_files
from tests.support.slurm_files import ACCOUNT, TIGHT_QOS, Ports

START_LIMIT_S = 30
TRIES = 3
NODE = "node"
# Programs of Slurm, and the package of each.
PROGRAMS = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server",
}

# For parametrized fixtures: the names of both clusters.
BOTH = [
    pytest.param(name, marks=pytest.mark.slurm) for name in ("slurm", "slurm_without_accounting")
]


class PrivateSlurm:
    """One cluster of one node. Its daemons can be stopped and started again one by one."""

    def __init__(self, folder: Path, *, database_url: str = "") -> None:
        self.folder = folder
        self.accounting = bool(database_url)
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._write_files(database_url)

    def _write_files(self, database_url: str) -> None:
        host, ports = socket.gethostname().split(".")[0], Ports(*_free_ports(3))
        for name in ("munge", "state", "state/env_cache", "spool", "output"):
            (self.folder / name).mkdir()
        self._write("munge/key", os.urandom(1024))
        conf = slurm_files.slurm_conf(
            self.folder, host=host, ports=ports, accounting=self.accounting,
            # Clusters of one machine share its cgroups, which Slurm names by the ids of jobs.
            first_id=random.randrange(1, 60_000) * 1000,
        )  # fmt: skip
        self._write("slurm.conf", conf.encode())
        account = pwd.getpwuid(os.geteuid())
        login = slurm_files.login_environment(account.pw_name, account.pw_dir)
        self._write(f"state/env_cache/{account.pw_name}", login.encode())
        self._write("cgroup.conf", slurm_files.cgroup_conf().encode())
        if self.accounting:
            parts = urlsplit(database_url)
            database = {
                "host": str(parts.hostname), "port": str(parts.port),
                "user": str(parts.username), "password": str(parts.password),
            }  # fmt: skip
            text = slurm_files.slurmdbd_conf(
                self.folder, host=host, port=ports.slurmdbd, database=database
            )
            self._write("slurmdbd.conf", text.encode())

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)

    def start(self) -> None:
        """Start all, and return when a job can run."""
        self._start_munge()
        if self.accounting:
            self.start_slurmdbd()
        self.start_slurmctld()
        if self.accounting:
            self._make_accounts()
        self.start_slurmd()

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        names = ("socket", "key-file", "pid-file", "log-file", "seed-file")
        options = [f"--{name}={place / name.removesuffix('-file')}" for name in names]
        self._start("munged", "--foreground", "--force", *options)
        self._wait_for(lambda: (place / "socket").exists(), "munged")

    def start_slurmdbd(self) -> None:
        self._start("slurmdbd", "-D")
        self._wait_for(lambda: self._answers("sacctmgr", "-n", "list", "qos"), "slurmdbd")

    def start_slurmctld(self) -> None:
        self._start("slurmctld", "-D")
        self._wait_for(lambda: self._answers("scontrol", "ping"), "slurmctld")

    def start_slurmd(self) -> None:
        self._start("slurmd", "-D")
        self._wait_for(lambda: self.node_state() in {"idle", "mixed", "allocated"}, "slurmd")

    def stop_slurmdbd(self) -> None:
        self._stop("slurmdbd")

    def stop_slurmctld(self) -> None:
        self._stop("slurmctld")

    def kill_slurmd(self) -> None:
        """Let the node's daemon die as the node would; its jobs go on."""
        self._stop("slurmd", signal.SIGKILL)

    def call(self, *argv: str) -> str:
        """Run a command of Slurm as an operator would, and return what it says."""
        return self._run(argv).stdout.strip()

    def node_state(self) -> str:
        return self.call("sinfo", "-h", "-N", "-n", NODE, "-o", "%T").split("\n")[0].strip("*~#")

    def drain(self) -> None:
        self.call("scontrol", "update", f"nodename={NODE}", "state=drain", "reason=test")

    def fail_node(self) -> None:
        self.call("scontrol", "update", f"nodename={NODE}", "state=down", "reason=test")

    def resume(self) -> None:
        self.call("scontrol", "update", f"nodename={NODE}", "state=resume")
        self._wait_for(lambda: self.node_state() in {"idle", "mixed", "allocated"}, "the node")

    def kill(self, job_ids: Iterable[str]) -> None:
        """Stop jobs at once, without the time that Slurm gives them."""
        for some in batched(job_ids, 500):
            self.call("scancel", "--signal=KILL", "--full", *some)
            self.call("scancel", *some)

    def stop(self) -> None:
        """Stop all, jobs included."""
        if self.running("slurmctld") and self.running("slurmd"):
            self.kill(self.call("squeue", "-h", "-o", "%A").split())
            self._wait_for(lambda: not self.call("squeue", "-h", "-t", "R,CG"), "the last job")
            self._wait_for(
                lambda: not self.call("squeue", "-h", "-t", "R,CG"), "the end of all jobs"
            )
        for name in ("slurmd", "slurmctld", "slurmdbd", "munged"):
            self._stop(name, signal.SIGKILL)

    def running(self, name: str) -> bool:
        return name in self._daemons and self._daemons[name].poll() is None

    def _make_accounts(self) -> None:
        """Give everybody here an account, and a QOS that allows one job at a time."""
        self.call("sacctmgr", "-i", "add", "account", ACCOUNT)
        self.call("sacctmgr", "-i", "add", "qos", TIGHT_QOS)
        limits = ("MaxSubmitJobsPerUser=1", "Flags=DenyOnLimit")
        self.call("sacctmgr", "-i", "modify", "qos", TIGHT_QOS, "set", *limits)
        self.call("sacctmgr", "-i", "add", "user", "root", f"account={ACCOUNT}")
        qos = f"qos=normal,{TIGHT_QOS}"
        self.call("sacctmgr", "-i", "modify", "user", "root", "set", qos)

    def _start(self, name: str, *options: str) -> None:
        if self.running(name):
            return
        program = services.program(name, service="slurm", package=PROGRAMS[name])
        with (self.folder / "output" / name).open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                [program, *options], cwd=self.folder, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests; they stop the daemons themselves
                preexec_fn=services.die_with_parent,
            )  # fmt: skip

    def _stop(self, name: str, by: signal.Signals = signal.SIGTERM) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is not None:
            daemon.send_signal(by)
            daemon.wait(20)

    def _answers(self, *argv: str) -> bool:
        return self._run(argv).returncode == 0

    def _wait_for(self, is_so: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + START_LIMIT_S
        while not is_so():
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{what} did not come in {START_LIMIT_S} s. {self._last_words()}"
                )
            time.sleep(0.05)

    def _last_words(self) -> str:
        outputs = sorted((self.folder / "output").iterdir())
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in outputs)

    def _run(self, argv: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, env=self._environment(), capture_output=True, text=True, check=False, timeout=60
        )

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", **self.environment}


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def running_slurm(*, accounting: bool) -> Iterator[PrivateSlurm]:
    """Start a cluster, give it, and stop it whatever happens.

    A port that was free may be taken before its daemon has it, so it is tried a few times.
    """
    for left in reversed(range(TRIES)):
        with ExitStack() as stack:
            slurm = _laid_out(stack, accounting=accounting)
            try:
                slurm.start()
            except (RuntimeError, subprocess.SubprocessError):
                if not left:
                    raise
                continue
            yield slurm
        return


def _laid_out(stack: ExitStack, *, accounting: bool) -> PrivateSlurm:
    """Return a cluster that can be started; the stack stops it and removes its files."""
    folder = Path(tempfile.mkdtemp(prefix="lightserv-slurm-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    url = stack.enter_context(mariadb.running_server()) if accounting else ""
    slurm = PrivateSlurm(folder, database_url=url)
    stack.callback(slurm.stop)
    return slurm


def _require_programs() -> None:
    for name, package in PROGRAMS.items():
        services.program(name, service="slurm", package=package)
    if os.geteuid() != 0:
        services.missing("slurm", "a private Slurm needs root, to have cgroups for its jobs")


@pytest.fixture(scope="session")
def slurm() -> Iterator[PrivateSlurm]:
    """A Slurm that keeps accounts of its jobs."""
    _require_programs()
    with running_slurm(accounting=True) as slurm:
        yield slurm


@pytest.fixture(scope="session")
def slurm_without_accounting() -> Iterator[PrivateSlurm]:
    """A Slurm that remembers a job for some seconds only."""
    _require_programs()
    with running_slurm(accounting=False) as slurm:
        yield slurm


def main() -> None:
    """Run a cluster for a person to try, until Ctrl-C."""
    with running_slurm(accounting="--without-accounting" not in sys.argv) as slurm:
        words = [f"export {name}={value}" for name, value in slurm.environment.items()]
        sys.stdout.write("\n".join([*words, "Ctrl-C stops it.", ""]))
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
