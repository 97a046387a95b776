"""Servers of the benchmark: the site, its proxy, plain files, cloud-volume's own."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bench import measure
from bench.measure import REPOSITORY
from tests.support import services
from tests.support.nginx import Nginx, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_START_LIMIT_S = 60
_VERDICT_S = {"full": "25", "small": "1"}
_PLAIN = """worker_processes 1;
pid {run}/plain.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    include /etc/nginx/mime.types;
    sendfile on; tcp_nopush on; access_log off;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


class Site:
    """The process of bench.serving_site. `told` is what it said of its volumes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.told = self._hear()

    def say(self, word: str) -> dict[str, Any]:
        """Let it do what the word says, and return what it answers."""
        sink = _pipe(self._process.stdin)
        sink.write(f"{word}\n")
        sink.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError("the site of the benchmark ended")
        found: dict[str, Any] = json.loads(line)
        return found


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@contextmanager
def site(folder: Path, what: str, proxy_port: int) -> Iterator[Site]:
    """Run the site with `what` to look at: a number of chunks, or "atlas"."""
    argv = [sys.executable, "-m", "bench.serving_site", str(folder), what, str(proxy_port)]
    with subprocess.Popen(
        argv, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, preexec_fn=services.die_with_parent,
    ) as process:  # fmt: skip
        try:
            yield Site(process)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Place:
    """The site with nginx before it, and plain files beside it, on a folder of their own."""

    folder: Path
    site: Site
    proxy_port: int
    plain_port: int


@contextmanager
def all_of(what: str, size: str) -> Iterator[Place]:
    """Run the site with `what` to look at, the proxy before it, and plain files."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        port = free_port()
        running = stack.enter_context(site(folder, what, port))
        stack.enter_context(proxy(folder, running.told, port, size))
        yield Place(folder, running, port, stack.enter_context(plain(folder)))


@contextmanager
def proxy(folder: Path, told: Mapping[str, Any], port: int, size: str) -> Iterator[None]:
    """Run nginx before the site, as it is shipped, with one worker."""
    nginx = Nginx(
        folder / "proxy",
        {
            "LISTEN": f"127.0.0.1:{port}",
            "SITE_HOST": "site.localhost",
            "VIEWER_HOST": told["host"],
            "SITE_UPSTREAM": f"127.0.0.1:{told['port']}",
            "DATA_ROOT": str(folder / "data"),
            "STATIC_ROOT": str(folder / "static"),
            "VIEWER_COOKIE": told["cookie"].partition("=")[0],
            "VERDICT_S": _VERDICT_S[size],
            "WORKERS": "1",
        },
    )
    nginx.start()
    try:
        yield
    finally:
        nginx.stop()


@contextmanager
def plain(folder: Path) -> Iterator[int]:
    """Serve the data below a folder without any question; give the port."""
    port, config = free_port(), folder / "plain.conf"
    as_root = "user root;\n" if folder.owner() == "root" else ""
    config.write_text(as_root + _PLAIN.format(run=folder, port=port, root=folder / "data"))
    with serving(["nginx", "-p", str(folder), "-c", str(config), "-g", "daemon off;"], port):
        yield port


@contextmanager
def cloud_volume(volume: Path) -> Iterator[int]:
    """Serve one volume as the original's containers did; give the port."""
    port, script = free_port(), Path(__file__).with_name("cloud_volume_server.py")
    argv = [str(measure.reference_python()), str(script), str(volume), str(port)]
    with serving(argv, port):
        yield port


@contextmanager
def serving(argv: Sequence[str], port: int) -> Iterator[None]:
    """Run a server until it answers, and while it is needed."""
    with subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=services.die_with_parent,
    ) as process:  # fmt: skip
        try:
            _wait_for(port)
            yield
        finally:
            process.terminate()


def status(port: int, path: str, headers: Mapping[str, str]) -> int:
    """Return the status of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens at port {port}")
