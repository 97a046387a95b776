"""The demo's own processes: web server and queue, each in its own process group."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from core_app.errors import NotReady, Unreachable

GRACE_S = 10.0


@contextlib.contextmanager
def running_site() -> Iterator[None]:
    """Serve both origins and turn the queue until the block ends; then stop all their processes."""
    port = urlsplit(settings.SITE_URL).port or 80
    log = settings.VAR_DIR / "demo.log"
    web = [
        sys.executable,
        "-m",
        "gunicorn",
        "lightserv_site.wsgi:application",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    threads = ["--worker-class", "gthread", "--threads", "16", "--no-control-socket"]
    queue = [sys.executable, "manage.py", "qcluster"]
    _require_free(port)
    with contextlib.ExitStack() as stack:
        for command in ([*web, *threads], queue):
            stack.callback(_stop, _start(command, log))
        _wait_for_answer(f"{settings.SITE_URL}/healthz", log)
        with stopped_in_order():
            yield


def _start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            command, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the leader to end, which ends its workers in order; what is left of the group is killed.

    The queue's leader waits in vain for workers that were told to end behind its back, so the
    group as a whole is not asked.
    """
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def stopped_in_order() -> Iterator[None]:
    """Let SIGTERM and a closed terminal do what Ctrl-C does: end the block, then its processes."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # an impatient second Ctrl-C orphans nothing


def _require_free(port: int) -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise NotReady(
                f"Port {port} is taken, by another demo perhaps. Stop that one, or choose a port "
                f"with SITE_URL=http://localhost:8001 VIEWER_URL=http://127.0.0.1:8001 make demo."
            ) from None


def _wait_for_answer(address: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        # The address is our own.
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.2)
    raise Unreachable("The web server did not start.", f"See {log}.")
