"""Every launcher, with what a test needs beside the port: a layer, a way in, a way to kill."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from uuid import UUID, uuid4
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest

from launcher.api import Api
from launcher.auth import Gate
from launcher.backend_memory import MemoryBackend
from launcher.sessions import Limits, Sessions
from tests.support import services
from tests.support.docker import HERE, Engine
from viewers_app.launcher.here import CATALOGUE
from viewers_app.launcher.http import HttpLauncher
from viewers_app.launcher.memory import MemoryLauncher
from viewers_app.launcher.ports import Condition, Kind, Launcher, Order, Running
from viewers_app.launcher.process import ProcessLauncher

KEYS = {"old": b"o" * 32, "new": b"n" * 32}
LIMITS = Limits(total=4, per_owner=2)
READY_LIMIT_S = 60
LAYER = "someone/request/volume"
STATE = {"layers": [], "title": "A brain"}


def new_token() -> str:
    return secrets.token_urlsafe(32)


def an_order(kind: Kind = Kind.VOLUME, **changes: Any) -> Order:
    """Return an order of a new view, or of `view`, as the site would make it."""
    own = {"layer": LAYER} if kind is Kind.VOLUME else {"state": json.dumps(STATE)}
    given = {
        "view": uuid4(),
        "kind": kind,
        "owner": "researcher",
        "ends_at": datetime.now(UTC) + timedelta(hours=1),
        "values": {"token": new_token(), **own},
    }
    return Order(**{**given, **changes})


def make_layer(root: Path, layer: str = LAYER) -> Path:
    """Put a volume below a data root: its `info`, and a chunk as cloud-volume stores one."""
    folder = root / layer
    (folder / "64_64_64").mkdir(parents=True)
    (folder / "info").write_text('{"type": "image"}')
    (folder / "64_64_64" / "0-64_0-64_0-64").write_bytes(bytes(range(200)))
    for path in (folder, *folder.parents):
        if path != root.parent and path.is_relative_to(root):
            path.chmod(0o755)
    return folder


@dataclass
class Launched:
    """One implementation. `lose` ends a view's process from outside; `place` is its host:port."""

    launcher: Launcher
    data_root: Path
    lose: Callable[[UUID], None]
    place: Callable[[Running], str]

    def ready(self, order: Order) -> Running:
        """Ensure the order and wait until it is ready."""
        self.launcher.ensure(order)
        return self.wait_for(order.view, Condition.READY)

    def wait_for(self, view: UUID, condition: Condition) -> Running:
        deadline = time.monotonic() + READY_LIMIT_S
        found: Running | None = None
        while time.monotonic() < deadline:
            found = next((each for each in self.launcher.running() if each.view == view), None)
            if found and found.condition is condition:
                return found
            time.sleep(0.05)
        raise AssertionError(f"not {condition}: {found}\n{self.launcher.logs(view)}")

    def fetch(self, running: Running, path: str, *options: str) -> tuple[int, str]:
        """Return status and body. Asked by another program, since tests stay on loopback."""
        url = f"http://{self.place(running)}{path}"
        argv = ["curl", "-s", "--max-time", "10", "-w", "\n%{http_code}", *options, url]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body


def memory(data_root: Path) -> Launched:
    launcher = MemoryLauncher(data_root=data_root, limits=LIMITS)
    return Launched(launcher, data_root, lambda view: launcher.backend.lose(str(view)), str)


@contextmanager
def processes(data_root: Path, folder: Path) -> Iterator[Launched]:
    launcher = ProcessLauncher(folder=folder, data_root=data_root, limits=LIMITS)

    def lose(view: UUID) -> None:
        os.killpg(json.loads((folder / f"{view}.json").read_text())["pid"], signal.SIGKILL)

    try:
        yield Launched(launcher, data_root, lose, lambda running: running.address)
    finally:
        for running in launcher.running():
            launcher.remove(running.view)


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(api: Api) -> Iterator[str]:
    """Serve the launcher's application on loopback and give its address."""
    server = _Threaded(("127.0.0.1", 0), _Quiet)
    server.set_app(api)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def http_to_memory(data_root: Path) -> Iterator[Launched]:
    backend = MemoryBackend()
    sessions = Sessions(backend, CATALOGUE, data_root=data_root, limits=LIMITS)
    with serving(Api(sessions, Gate(KEYS, now=time.time))) as url:
        launcher = HttpLauncher(url, KEYS)
        yield Launched(launcher, data_root, lambda view: backend.lose(str(view)), str)


class Service:
    """The launcher as it is shipped, `python -m launcher`, on a Unix socket."""

    def __init__(self, folder: Path, data_root: Path, environment: Mapping[str, str]) -> None:
        self.socket = folder / "launcher.sock"
        self.url = f"unix:{self.socket}"
        self.log = folder / "launcher.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "LAUNCHER_BIND": self.url,
            "LAUNCHER_DATA_ROOT": str(data_root),
            "LAUNCHER_KEYS": " ".join(f"{name}:{key.decode()}" for name, key in KEYS.items()),
            "LAUNCHER_MAX_TOTAL": str(LIMITS.total),
            "LAUNCHER_MAX_PER_OWNER": str(LIMITS.per_owner),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "launcher"],
                cwd=HERE,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=services.die_with_parent,
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the launcher did not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self.socket))
            return True
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None


def write_catalogue(path: Path, *, network: str, images: Mapping[str, str], more: str = "") -> Path:
    kinds = [f'[kinds.{kind}]\nimage = "{image}"\n{more}' for kind, image in images.items()]
    path.write_text("\n".join([f'network = "{network}"', *kinds]))
    return path


@dataclass
class Site:
    """A launcher service with a real engine behind it."""

    engine: Engine
    service: Service
    launched: Launched
    instance: str
    network: str

    def container(self, view: UUID) -> Any:
        return self.engine.client.inspect_container(f"ls-view-{view}")


@contextmanager
def http_to_docker(
    engine: Engine, folder: Path, data_root: Path, images: Mapping[str, str]
) -> Iterator[Site]:
    """Start the service on the engine, with a network and an instance name of its own."""
    name = f"ls-test-{uuid4().hex[:8]}"
    data_root.mkdir(parents=True)
    network = engine.internal_network(name)
    catalogue = write_catalogue(folder / "catalogue.toml", network=network, images=images)
    environment = {
        "LAUNCHER_ENGINE": engine.url,
        "LAUNCHER_INSTANCE": name,
        "LAUNCHER_CATALOGUE": str(catalogue),
    }
    service = Service(folder, data_root, environment)
    service.start()

    def lose(view: UUID) -> None:
        engine.client.kill(f"ls-view-{view}")

    def place(running: Running) -> str:
        host, port = running.address.split(":")
        return f"{engine.address_of(host)}:{port}"

    launched = Launched(HttpLauncher(service.url, KEYS), data_root, lose, place)
    try:
        yield Site(engine, service, launched, name, network)
    finally:
        service.stop()


@pytest.fixture(scope="session")
def _one_site(
    _one_engine: Engine,
    viewer_image: str,
    volume_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("launcher")
    images = {"python": viewer_image, "volume": volume_image}
    with http_to_docker(_one_engine, folder, folder / "root" / "data", images) as site:
        yield site


@pytest.fixture
def docker_site(_one_site: Site, docker_engine: Engine) -> Iterator[Site]:
    """The launcher service on a real engine, with one layer below its data root."""
    root = _one_site.launched.data_root
    for path in root.parent.iterdir():
        if path != root:
            shutil.rmtree(path)
    for path in root.iterdir():
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    make_layer(root)
    yield _one_site
