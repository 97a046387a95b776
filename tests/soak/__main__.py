"""`python -m tests.soak [--jobs 500] [--seconds 600] [--seed N]`; exit 0 if nothing was lost."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.soak import site
from tests.soak.faults import Faults, kill
from tests.support.mariadb import running_server
from tests.support.slurm import running_slurm
from tests.support.sshd import Sshd

# Jobs of one sample: check and volume of its raw data, and the scripts.
STEPS = 8
JOBS_PER_SAMPLE = STEPS + 2
DRIVERS = 2
# Samples that follow when all is done before the time.
MORE = 5
# So long after the last fault everything has to be over.
CALM_S = 600


def main() -> int:
    """Soak, tell, and return 0 if all went well."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long things break")
    parser.add_argument("--seed", type=int, default=None)
    chosen = parser.parse_args()
    seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    _say(f"soak: seed {seed}, {chosen.jobs} jobs, {chosen.seconds:g} s of faults")
    folder = Path(tempfile.mkdtemp(prefix="lightserv-soak-"))
    try:
        wrong = _soak(site.Place(folder), jobs=chosen.jobs, seconds=chosen.seconds, seed=seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in wrong:
        _say(f"WRONG: {line}")
    _say(f"soak: seed {seed}: {'FAILED' if wrong else 'nothing lost, nothing doubled'}")
    return 1 if wrong else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _soak(place: site.Place, *, jobs: int, seconds: float, seed: int) -> list[str]:
    place.make()
    chance = random.Random(seed)
    with ExitStack() as stack:
        url = stack.enter_context(running_server())
        slurm = stack.enter_context(running_slurm(accounting=True))
        conf = slurm.environment["SLURM_CONF"]
        (place.folder / "sshd").mkdir()
        sshd = Sshd(place.folder / "sshd", options=f"SetEnv SLURM_CONF={conf}")
        stack.callback(sshd.stop)
        sshd.start()
        site.enter(place.environment(url, sshd))
        samples = max(1, round(jobs / JOBS_PER_SAMPLE))
        site.set_up(place, samples=samples, steps=STEPS, seconds=0.3)
        drivers = Drivers(place.folder)
        stack.callback(drivers.stop)
        drivers.start()
        faults = Faults(slurm, sshd, drivers.kill_one, stop_database, chance)
        _break_things(faults, drivers, seconds, chance)
        wrong = _wait(drivers)
        drivers.stop()
        found, facts = site.verdict(place, slurm)
        _say(f"soak: faults {dict(faults.counts)}; drivers started {drivers.started} times")
        for name, value in facts.items():
            _say(f"soak: {name}: {value}")
        return wrong + found


def _break_things(
    faults: Faults, drivers: "Drivers", seconds: float, chance: random.Random
) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if site.is_over():
            site.begin_runs(MORE)
        time.sleep(chance.uniform(0.5, 4))
        faults.next()
        drivers.start()
        _say(f"soak: {end - time.monotonic():5.0f} s left: {site.progress()}")


def _wait(drivers: "Drivers") -> list[str]:
    end = time.monotonic() + CALM_S
    while not site.is_over():
        if time.monotonic() > end:
            return [f"not over {CALM_S} s after the last fault: {site.progress()}"]
        drivers.start()
        time.sleep(1)
    return []


class Drivers:
    """Processes that drive, as two qclusters would; one that died is followed by another."""

    def __init__(self, folder: Path) -> None:
        self.started = 0
        self._log = (folder / "drivers.log").open("ab")
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start as many as are missing."""
        self._running = [one for one in self._running if one.poll() is None]
        while len(self._running) < DRIVERS:
            command = [sys.executable, "manage.py", "drive_runs", "--until-idle"]
            self._running.append(
                subprocess.Popen(
                    command, cwd=site.ROOT, stdin=subprocess.DEVNULL, stdout=self._log,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )
            )  # fmt: skip
            self.started += 1

    def kill_one(self, chance: random.Random) -> None:
        """Kill one, as the kernel does when memory runs out."""
        kill(chance.choice(self._running).pid)

    def stop(self) -> None:
        """Stop all of them."""
        for one in self._running:
            kill(one.pid)
            one.wait()
        self._running = []


def stop_database(seconds: float) -> None:
    """Let the database of the site stand still for a while, as a host without memory does."""
    pids = _mariadb_of_site()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _mariadb_of_site() -> list[int]:
    """Return the process whose port the settings name."""
    port = os.environ["DATABASE_URL"].rpartition(":")[2].partition("/")[0]
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if f"--port={port}".encode() in words and words[0].endswith(b"mariadbd"):
            found.append(int(entry.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
