"""What every program in a container of ours does: read its order, say that it is ready, end.

The order is one JSON document on standard input: `ends_at` (Unix time), `idle_s`, `values`.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Final

READ_LIMIT_S: Final = 30
LOOK_EVERY_S: Final = 1.0
GIB: Final = 2**30
# Set where the program is a plain process: it ends with the process that has this number.
PARENT: Final = "LIGHTSERV_PARENT"
# Of a plain process; a container has its own. Addresses, not memory: libraries reserve plenty.
LIMITS: Final = {
    resource.RLIMIT_AS: 8 * GIB,
    resource.RLIMIT_FSIZE: GIB // 16,
    resource.RLIMIT_NOFILE: 1024,
    resource.RLIMIT_CORE: 0,
}


@dataclass(frozen=True, slots=True)
class Order:
    """What this program was started for."""

    ends_at: float
    idle_s: float
    values: dict[str, str]


class Activity:
    """When something was last asked for. What is being answered counts as now. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._last = time.monotonic()

    def begin(self) -> None:
        with self._lock:
            self._open += 1

    def end(self) -> None:
        with self._lock:
            self._open -= 1
            self._last = time.monotonic()

    def quiet_s(self) -> float:
        """Return for how long nothing was asked for; 0 while an answer is under way."""
        with self._lock:
            return 0.0 if self._open else time.monotonic() - self._last


def read_order() -> Order:
    """Return the order; without one in time the program ends, since its starter is gone."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if PARENT in os.environ:
        for limit, most in LIMITS.items():
            resource.setrlimit(limit, (most, most))
    signal.alarm(READ_LIMIT_S)
    document = json.loads(sys.stdin.buffer.readline())
    signal.alarm(0)
    return Order(document["ends_at"], document["idle_s"], document["values"])


def say_ready(port: int) -> None:
    """Tell whoever started this that requests are answered. Must be the first line."""
    sys.stdout.write(f"READY {port}\n")
    sys.stdout.flush()


def live(order: Order, activity: Activity) -> str:
    """Wait until it is time to end, and return why."""
    parent = int(os.environ.get(PARENT, "0"))
    while True:
        if time.time() >= order.ends_at:
            return "its time was over"
        if activity.quiet_s() >= order.idle_s:
            return "nobody used it any more"
        if parent and os.getppid() != parent:
            return "its parent ended"
        time.sleep(LOOK_EVERY_S)
