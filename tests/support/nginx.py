"""A real nginx on loopback with the configuration that is shipped, gone with the tests."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support import services

RENDER = Path(__file__).parents[2] / "docker" / "proxy" / "render.sh"
START_LIMIT_S = 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Nginx:
    """One nginx in a folder of its own. `settings` are variables of docker/proxy/render.sh."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = int(settings.get("LISTEN", "").rpartition(":")[2] or free_port())
        self.access_log = folder / "data.log"
        self.error_log = folder / "error.log"
        run = folder / "run"
        run.mkdir(parents=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "LISTEN": f"127.0.0.1:{self.port}",
            "RUN": str(run),
            "WORKERS": "2",
            "ACCESS_LOG": str(self.access_log),
            "ERROR_LOG": str(self.error_log),
            **settings,
        }
        self.config = folder / "nginx.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = services.program("nginx", service="nginx", package="nginx")
        done = subprocess.run(
            [str(RENDER)], env=self.environment, capture_output=True, text=True, check=True
        )
        as_root = "user root;\n" if os.geteuid() == 0 else ""  # files of tests are root's
        self.config.write_text(as_root + done.stdout)
        argv = [program, "-p", str(self.folder), "-c", str(self.config), "-e", str(self.error_log)]
        checked = subprocess.run([*argv, "-t"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        self._process = subprocess.Popen(
            [*argv, "-g", "daemon off;"], preexec_fn=services.die_with_parent
        )
        self._wait_until_ready()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"nginx does not listen: {self.error_log.read_text()}")
