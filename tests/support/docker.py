"""A private Docker engine: own data, own socket, and images built from our Dockerfiles.

What is slow is kept in var/containers, which may be removed at any time: a base image made by
debootstrap, wheels, and the engine's own layers. One run of the tests uses it at a time.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from docker.api.client import APIClient
from docker.errors import APIError

from tests.support import services

HERE = Path(__file__).resolve().parents[2]
CACHE = HERE / "var" / "containers"
SERVICE = "docker"
START_LIMIT_S = 60
BUILD_LIMIT_S = 600
BASE = "lightserv-base:test"
MARK = "lightserv.instance"
PROGRAMS = {"dockerd": "docker.io", "containerd": "docker.io", "debootstrap": "debootstrap"}
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"


class Engine:
    """One dockerd. It can be stopped and started; `client` speaks to it as the SDK does."""

    def __init__(self, folder: Path, *, data: Path) -> None:
        self.url = f"unix://{folder}/docker.sock"
        self.log = folder / "dockerd.log"
        self._folder = folder
        self._data = data
        self._daemon: subprocess.Popen[bytes] | None = None
        self.client: Any = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(
                [
                    services.program("dockerd", service=SERVICE, package="docker.io"),
                    *("--data-root", str(self._data)),
                    *("--exec-root", str(self._folder / "run")),
                    *("--pidfile", str(self._folder / "pid")),
                    *("--host", self.url),
                    *("--bridge", "none"),  # each test has a network of its own
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=services.die_with_parent,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End it and its containers, as shutting the machine down does."""
        if self.client is not None:
            self.client.close()
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
            self._daemon = None

    def remove_containers(self) -> None:
        """Remove the containers that tests marked, and no others."""
        for found in self.client.containers(all=True, filters={"label": [MARK]}):
            with suppress(APIError):
                self.client.remove_container(found["Id"], force=True, v=True)

    def remove_leftovers(self) -> None:
        """Remove all that tests marked, also what an earlier run left."""
        self.remove_containers()
        for found in self.client.networks(filters={"label": [MARK]}):
            with suppress(APIError):
                self.client.remove_network(found["Id"])

    def internal_network(self, name: str) -> str:
        """Make a network without a way out, as the launcher's containers have one."""
        self.client.create_network(name, internal=True, labels={MARK: "tests"})
        return name

    def address_of(self, container: str) -> str:
        """Return where this host reaches a container."""
        networks = self.client.inspect_container(container)["NetworkSettings"]["Networks"]
        return next(str(network["IPAddress"]) for network in networks.values())

    def build(self, dockerfile: str, **arguments: str) -> str:
        """Build one of our Dockerfiles on the base image and return the image's id."""
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            _copy_project(context)
            wheels = context / Path(dockerfile).parent / "wheels"
            if arguments.get("PIP_FIND_LINKS"):
                shutil.copytree(wheels_of(Path(dockerfile).parent), wheels)
            said = self.client.build(
                path=folder,
                dockerfile=dockerfile,
                buildargs={"BASE_IMAGE": self.base_image(), **arguments},
                network_mode="none",
                tag=f"lightserv-{Path(dockerfile).parent.name}:test",
                rm=True,
                decode=True,
                timeout=BUILD_LIMIT_S,
            )
            steps = list(said)
        assert "error" not in steps[-1], "".join(step.get("stream", "") for step in steps)[-3000:]
        found = self.client.inspect_image(f"lightserv-{Path(dockerfile).parent.name}:test")
        return str(found["Id"])

    def base_image(self) -> str:
        """Return a Debian with Python, made once, without any registry of images."""
        with suppress(APIError):
            self.client.inspect_image(BASE)
            return BASE
        with _debian() as root:
            argv = ["tar", "-C", str(root), "-c", "."]
            with subprocess.Popen(argv, stdout=subprocess.PIPE) as tar:
                name, tag = BASE.split(":")
                self.client.import_image_from_stream(tar.stdout, repository=name, tag=tag)
        assert tar.returncode == 0, "the base image was not packed"
        return BASE

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(5)
            asked.connect(self.url.removeprefix("unix://"))
            asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in asked.recv(100)
        return False

    def _wait_until_ready(self) -> None:
        assert self._daemon is not None
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._daemon.poll() is None:
            if self._answers():
                self.client = APIClient(self.url, version="auto", timeout=BUILD_LIMIT_S)
                return
            time.sleep(0.1)
        said = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        services.missing(SERVICE, f"dockerd did not start. It said:\n{said}")


@pytest.fixture(scope="session")
def _one_engine() -> Iterator[Engine]:
    for name, package in PROGRAMS.items():
        services.program(name, service=SERVICE, package=package)
    if os.geteuid() != 0:
        services.missing(SERVICE, "only root can start an engine")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock, tempfile.TemporaryDirectory(prefix="ls-dk-") as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine = Engine(Path(folder), data=CACHE / "engine")
        engine.start()
        engine.remove_leftovers()
        yield engine
        engine.remove_leftovers()
        engine.stop()


@pytest.fixture
def docker_engine(_one_engine: Engine) -> Iterator[Engine]:
    """A running engine; the containers that a test marked are removed after it."""
    yield _one_engine
    _one_engine.remove_containers()


@pytest.fixture(scope="session")
def viewer_image(_one_engine: Engine) -> str:
    """The id of the image of Python viewers."""
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/build"}
    return _one_engine.build("docker/viewer/Dockerfile", **offline)


@pytest.fixture(scope="session")
def volume_image(_one_engine: Engine) -> str:
    """The id of the image that serves one volume."""
    return _one_engine.build("docker/volume/Dockerfile")


def wheels_of(folder: Path) -> Path:
    """Return the packages of an image as wheels, fetched once by this host's own pip."""
    requirements = HERE / folder / "requirements.txt"
    wheels = CACHE / "wheels"
    stamp = wheels / "of.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        shutil.rmtree(wheels, ignore_errors=True)
        argv = [sys.executable, "-m", "pip", "wheel", "-q", "-w", str(wheels), "-r"]
        _run([*argv, str(requirements)])
        stamp.write_text(requirements.read_text())
    return wheels


def _copy_project(folder: Path) -> None:
    """Copy what git knows or would add, so that neither caches nor a virtual environment follow."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=HERE, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (HERE / name).is_file() and not (HERE / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HERE / name, folder / name)


@contextmanager
def _debian() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ls-base-") as folder:
        root = Path(folder) / "root"
        argv = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        _run([str(services.find(argv[0])), *argv[1:]])
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
            shutil.rmtree(root / waste, ignore_errors=True)
        yield root


def _run(argv: list[str]) -> None:
    """Run what fetches packages; without a network the tests that need them end."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-2000:]
        services.missing(SERVICE, f"{Path(argv[0]).name} failed. It said:\n{said}")
