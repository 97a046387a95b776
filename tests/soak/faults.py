"""What can break, one kind after the other, each put right again after a while."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.slurm import PrivateSlurm
from tests.support.sshd import Sshd


@dataclass(slots=True)
class Faults:
    """Breaks something at random. `counts` says what, and how often."""

    slurm: PrivateSlurm
    sshd: Sshd
    kill_driver: Callable[[random.Random], None]
    stop_database: Callable[[float], None]
    chance: random.Random
    counts: Counter[str] = field(default_factory=Counter)

    def next(self) -> None:
        """Let one thing happen, from beginning to end."""
        kinds = {
            self._sessions_killed: 6,
            self._network_hangs: 3,
            self._nobody_listens: 3,
            self._driver_killed: 6,
            self._cancelled_from_outside: 4,
            self._controller_down: 2,
            self._accounting_down: 2,
            self._node_drained: 2,
            self._node_fails: 1,
            self._database_gone: 2,
        }
        (what,) = self.chance.choices(list(kinds), list(kinds.values()))
        self.counts[what.__name__.strip("_")] += 1
        what()

    def _sessions_killed(self) -> None:
        self.sshd.kill_sessions()

    def _network_hangs(self) -> None:
        self.sshd.suspend()
        try:
            time.sleep(self.chance.uniform(2, 8))
        finally:
            self.sshd.resume()

    def _nobody_listens(self) -> None:
        self.sshd.stop()
        time.sleep(self.chance.uniform(1, 5))
        self.sshd.start()

    def _driver_killed(self) -> None:
        self.kill_driver(self.chance)

    def _cancelled_from_outside(self) -> None:
        running = self.slurm.call("squeue", "-h", "-t", "R", "-o", "%i").split()
        if running:
            self.slurm.call("scancel", self.chance.choice(running))

    def _controller_down(self) -> None:
        self.slurm.stop_slurmctld()
        time.sleep(self.chance.uniform(2, 6))
        self.slurm.start_slurmctld()

    def _accounting_down(self) -> None:
        self.slurm.stop_slurmdbd()
        time.sleep(self.chance.uniform(2, 6))
        self.slurm.start_slurmdbd()

    def _node_drained(self) -> None:
        self.slurm.drain()
        time.sleep(self.chance.uniform(2, 6))
        self.slurm.resume()

    def _node_fails(self) -> None:
        self.slurm.fail_node()
        time.sleep(self.chance.uniform(1, 3))
        self.slurm.resume()

    def _database_gone(self) -> None:
        self.stop_database(self.chance.uniform(1, 5))


def kill(pid: int) -> None:
    """End a process with no chance to clean up."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
