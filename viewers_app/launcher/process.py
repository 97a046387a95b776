"""Views' processes as plain processes of this host, on loopback: for a laptop, not for a site.

What runs stands in files, so that every process of the site sees it: `<session>.json` says what was
started, and whoever holds a lock on `<session>.alive` is running. Processes end with their parent.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from launcher.catalogue import PYTHON, VOLUME
from launcher.errors import EngineRefused
from launcher.ports import READY_LINE, Condition, Container, Running
from launcher.sessions import Limits, utc_now
from viewers_app.launcher.here import HereLauncher

ADDRESS: Final = "127.0.0.1"
TERM_S: Final = 5.0
LOG_TAIL: Final = 2**18
PROJECT: Final = Path(__file__).resolve().parents[2]
PROGRAMS: Final[Mapping[str, Path]] = {
    PYTHON: PROJECT / "docker" / "viewer" / "serve.py",
    VOLUME: PROJECT / "docker" / "volume" / "serve.py",
}

# Those that this process started. Asked for their end, so that none stays behind as a zombie.
_children: dict[str, subprocess.Popen[bytes]] = {}


class ProcessLauncher(HereLauncher):
    """The launcher's rules over plain processes. `folder` is where they are written down."""

    def __init__(self, *, folder: Path, data_root: Path, limits: Limits | None = None) -> None:
        super().__init__(ProcessBackend(folder), data_root=data_root, limits=limits)


class ProcessBackend:
    """Processes instead of containers. The program and what it reads are those of the images."""

    def __init__(self, folder: Path, *, programs: Mapping[str, Path] = PROGRAMS) -> None:
        self._folder = folder
        self._programs = programs

    def start(self, container: Container) -> Running:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            _wait_for_the_ended()
            running = self.find(container.session)
            if running and running.condition is not Condition.GONE:
                return running
            try:
                self._write(container, self._run(container))
            except OSError as problem:
                raise EngineRefused(f"The process could not be started: {problem}") from problem
        found = self.find(container.session)
        if found is None:
            raise EngineRefused("The process was removed while it started.")
        return found

    def find(self, session: str) -> Running | None:
        try:
            written = json.loads(self._file(session, "json").read_text())
        except (OSError, ValueError):
            return None
        port, is_alive = self._port(session), self._is_alive(session)
        condition = Condition.READY if port else Condition.STARTING
        return Running(
            session=session,
            kind=written["kind"],
            condition=condition if is_alive else Condition.GONE,
            address=f"{ADDRESS}:{port}" if port else "",
            owner=written["owner"],
            started_at=datetime.fromisoformat(written["started_at"]),
            ends_at=datetime.fromisoformat(written["ends_at"]),
            digest=written["digest"],
            detail="" if is_alive else "It ended.",
        )

    def remove(self, session: str) -> None:
        with suppress(OSError, ValueError):
            group = json.loads(self._file(session, "json").read_text())["pid"]
            self._end(session, group)
        for ending in ("json", "log", "alive"):
            self._file(session, ending).unlink(missing_ok=True)

    def all(self) -> Sequence[Running]:
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        return [found for name in names if (found := self.find(name))]

    def logs(self, session: str, *, lines: int) -> str:
        with suppress(OSError), self._file(session, "log").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_TAIL))
            said = log.read().decode(errors="replace").splitlines(keepends=True)
            return "".join(said[-lines:])
        return ""

    def ping(self) -> None:
        """Processes can always be started."""

    def _run(self, container: Container) -> int:
        """Start the program in a group of its own and return its number."""
        session = container.session
        with (
            tempfile.TemporaryFile() as given,
            self._file(session, "log").open("wb") as log,
            self._file(session, "alive").open("wb") as alive,
        ):
            given.write(container.given + b"\n")
            given.seek(0)
            fcntl.flock(alive, fcntl.LOCK_EX)  # the child inherits it, and holds it while it lives
            child = subprocess.Popen(
                [sys.executable, str(self._programs[container.entry.kind])],
                stdin=given,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=_environment(container),
                pass_fds=[alive.fileno()],
                start_new_session=True,
            )
        _children[session] = child
        return child.pid

    def _write(self, container: Container, pid: int) -> None:
        document = {
            "kind": container.entry.kind,
            "owner": container.owner,
            "started_at": utc_now().isoformat(),
            "ends_at": container.ends_at.isoformat(),
            "digest": container.digest,
            "pid": pid,
        }
        new = self._file(container.session, "new")
        new.write_text(json.dumps(document))
        new.replace(self._file(container.session, "json"))

    def _is_alive(self, session: str) -> bool:
        """Return whether the process, or a child of it, holds the lock: no number to mistake."""
        try:
            with self._file(session, "alive").open("rb") as alive:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _port(self, session: str) -> int:
        """Return the port of the ready line, or 0 before it is there."""
        with suppress(OSError, ValueError), self._file(session, "log").open() as log:
            line = log.readline(64)
            if line.startswith(READY_LINE) and line.endswith("\n"):
                return int(line.removeprefix(READY_LINE))
        return 0

    def _end(self, session: str, group: int) -> None:
        deadline = time.monotonic() + TERM_S
        for number in (signal.SIGTERM, signal.SIGKILL):
            while self._is_alive(session):
                with suppress(ProcessLookupError):
                    os.killpg(group, number)
                if number == signal.SIGTERM and time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        child = _children.pop(session, None)
        if child:
            child.wait()

    def _file(self, session: str, ending: str) -> Path:
        return self._folder / f"{session}.{ending}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep the other processes of the site from starting the same."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _environment(container: Container) -> dict[str, str]:
    """Return what the program sees. Nothing of the site's own environment: it has secrets."""
    return {
        "PATH": os.defpath,
        "HOME": tempfile.gettempdir(),
        "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'docker'}",
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "LISTEN": f"{ADDRESS}:0",
        "LIGHTSERV_PARENT": str(os.getpid()),
        "VOLUME": str(container.mount or ""),
    }


def _wait_for_the_ended() -> None:
    for session, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(session, None)
