"""`python -m launcher`: serve the application with gunicorn, and reap once a minute."""

import logging
import sys
import threading
import time
from typing import Any

from gunicorn.app.base import BaseApplication

from launcher.api import Api
from launcher.auth import Gate
from launcher.backend_docker import DockerBackend
from launcher.backend_memory import MemoryBackend
from launcher.errors import Refusal
from launcher.sessions import Sessions
from launcher.settings import Settings, WrongSettings, read_settings

log = logging.getLogger("launcher")
REAP_EVERY_S = 60
THREADS = 8


def sessions_of(settings: Settings) -> Sessions:
    """Return the sessions of the engine that the settings name."""
    backend = (
        MemoryBackend()
        if settings.engine == "memory"
        else DockerBackend(settings.engine, instance=settings.instance)
    )
    return Sessions(
        backend, settings.catalogue, data_root=settings.data_root, limits=settings.limits
    )


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """One process, since places and nonces are counted in it; threads, since engines are slow."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": self._settings.bind,
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "umask": 0o117,  # the socket is for its owner and its group
            "timeout": 60,
            "graceful_timeout": 20,
            "limit_request_line": 2048,
            "limit_request_fields": 30,
            "accesslog": None,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        sessions = sessions_of(self._settings)
        threading.Thread(target=reap_for_ever, args=[sessions], daemon=True).start()
        return Api(sessions, Gate(self._settings.keys, now=time.time))


def reap_for_ever(sessions: Sessions) -> None:
    """Remove what is past its end, also while the site is away."""
    while True:
        try:
            swept = sessions.reap()
            if swept.removed or swept.failed:
                log.info("reaped %d, failed %s", len(swept.removed), dict(swept.failed))
        except Refusal as problem:
            log.warning("not reaped: %s", problem)
        time.sleep(REAP_EVERY_S)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = read_settings()
    except WrongSettings as problem:
        sys.stderr.write(f"launcher: {problem}\n")
        return 2
    Server(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
