"""Containers of a real engine. The only module that imports its client library."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import requests.exceptions
from docker.api.client import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Mount

from launcher.errors import Conflict, EngineRefused, ImageMissing, TimedOut, Unavailable
from launcher.ports import READY_LINE, Condition, Container, Running

APP: Final = "lightserv-launcher"
NAME: Final = "ls-view-"
DATA: Final = "/data"  # where a container sees its one folder
TIMEOUT_S: Final = 20
STOP_S: Final = 5
# A container that was made and not started after this long never will be: its start was cut off.
CREATED_LIMIT: Final = timedelta(seconds=60)
MIB: Final = 2**20


class DockerBackend:
    """One engine. Its labels are our memory: what lacks them, or is of another instance, is not
    ours, whatever its name."""

    def __init__(self, url: str, *, instance: str) -> None:
        self._url = url
        self._instance = instance
        self._connected: Any = None
        self._connecting = threading.Lock()
        self._ready: set[str] = set()  # ids of containers whose first line was seen

    def start(self, container: Container) -> Running:
        name = NAME + container.session
        with _engine(lambda: f"The container {name} could not be started"):
            try:
                made = self._api().create_container(**self._description(container, name))["Id"]
            except ImageNotFound:
                raise _no_image(container) from None
            except APIError as problem:
                if problem.status_code != 409:
                    raise
                return self._of_that_name(container)
            try:
                self._give(made, container.given)
            except BaseException:
                with suppress(APIError, requests.exceptions.RequestException):
                    self._api().remove_container(made, force=True, v=True)
                raise
        return self._look(container.session)

    def find(self, session: str) -> Running | None:
        found = self._list(f"session={session}")
        return self._running(found[0]) if found else None

    def remove(self, session: str) -> None:
        for found in self._list(f"session={session}"):
            self._remove(found["Id"])

    def all(self) -> Sequence[Running]:
        found = self._list()
        self._ready &= {each["Id"] for each in found}
        return [self._running(each) for each in found]

    def logs(self, session: str, *, lines: int) -> str:
        found = self._list(f"session={session}")
        return self._said(found[0]["Id"], lines) if found else ""

    def ping(self) -> None:
        with _engine(lambda: "The engine did not answer"):
            self._api().ping()

    def close(self) -> None:
        """Give up the connection; the next use makes another."""
        with self._connecting:
            if self._connected is not None:
                self._connected.close()
                self._connected = None

    def _api(self) -> Any:
        """Return the low-level client, made at the first use, since it asks for the version."""
        with self._connecting:
            if self._connected is None:
                self._connected = APIClient(self._url, version="auto", timeout=TIMEOUT_S)
            return self._connected

    def _description(self, container: Container, name: str) -> dict[str, Any]:
        entry = container.entry
        return {
            "image": entry.image,
            "name": name,
            "hostname": "viewer",
            "user": entry.user,
            "labels": self._labels(container),
            "stdin_open": True,
            "ports": [],
            "host_config": self._limits(container),
        }

    def _limits(self, container: Container) -> Any:
        entry = container.entry
        log = {"max-size": f"{entry.log_mb}m", "max-file": "2"}
        bind = Mount(DATA, str(container.mount), type="bind", read_only=True)
        return self._api().create_host_config(
            network_mode=entry.network,
            mounts=[bind] if container.mount else [],
            read_only=True,
            tmpfs={"/tmp": f"size={entry.tmpfs_mb}m,mode=1777,noexec,nosuid,nodev"},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            mem_limit=entry.memory_mb * MIB,
            memswap_limit=entry.memory_mb * MIB,
            nano_cpus=int(entry.cpus * 10**9),
            pids_limit=entry.pids,
            init=True,
            ipc_mode="private",
            restart_policy={"Name": "no"},
            log_config=LogConfig(type="json-file", config=log),
        )

    def _labels(self, container: Container) -> dict[str, str]:
        own = {
            "session": container.session,
            "kind": container.entry.kind,
            "owner": container.owner,
            "port": str(container.entry.port),
            "created": datetime.now(UTC).isoformat(),
            "ends": container.ends_at.isoformat(),
            "digest": container.digest,
        }
        return {f"lightserv.{name}": value for name, value in {**own, **self._marks}.items()}

    @property
    def _marks(self) -> dict[str, str]:
        return {"app": APP, "instance": self._instance}

    def _give(self, made: str, given: bytes) -> None:
        """Start it and hand it what it reads. By standard input it stands in no description."""
        sink = self._api().attach_socket(made, params={"stdin": 1, "stream": 1})
        with closing(sink._sock) as connection, closing(sink._response):
            self._api().start(made)
            connection.sendall(given + b"\n")

    def _of_that_name(self, container: Container) -> Running:
        """Return what has the name already, if it is ours: another request was quicker."""
        running = self.find(container.session)
        if running is None:
            raise Conflict("A container of somebody else has this session's name.")
        return running

    def _look(self, session: str) -> Running:
        running = self.find(session)
        if running is None:
            raise EngineRefused("The container was removed while it started.")
        return running

    def _list(self, *labels: str) -> list[dict[str, Any]]:
        marks = [f"{name}={value}" for name, value in self._marks.items()]
        wanted = [f"lightserv.{label}" for label in (*marks, *labels)]
        with _engine(lambda: "The containers could not be listed"):
            found: list[dict[str, Any]] = self._api().containers(
                all=True, filters={"label": wanted}
            )
        return found

    def _running(self, found: dict[str, Any]) -> Running:
        labels = {name.removeprefix("lightserv."): value for name, value in found["Labels"].items()}
        condition = self._condition(found)
        return Running(
            session=labels["session"],
            kind=labels["kind"],
            condition=condition,
            address=f"{NAME}{labels['session']}:{labels['port']}",
            owner=labels["owner"],
            started_at=datetime.fromisoformat(labels["created"]),
            ends_at=datetime.fromisoformat(labels["ends"]),
            digest=labels["digest"],
            detail=found["Status"] if condition is Condition.GONE else "",
        )

    def _condition(self, found: dict[str, Any]) -> Condition:
        if found["State"] == "running":
            return self._readiness(found["Id"])
        age = datetime.now(UTC) - datetime.fromtimestamp(found["Created"], UTC)
        is_new = found["State"] == "created" and age < CREATED_LIMIT
        return Condition.STARTING if is_new else Condition.GONE

    def _readiness(self, made: str) -> Condition:
        if made not in self._ready:
            if not self._said(made, lines=None).startswith(READY_LINE):
                return Condition.STARTING
            self._ready.add(made)
        return Condition.READY

    def _said(self, made: str, lines: int | None) -> str:
        """Return its last lines, or with None its standard output alone, from the beginning."""
        with _engine(lambda: "Its log could not be read"), suppress(NotFound):
            tail = "all" if lines is None else lines
            said: bytes = self._api().logs(made, stderr=lines is not None, tail=tail)
            return said.decode(errors="replace")
        return ""

    def _remove(self, made: str) -> None:
        with _engine(lambda: "The container could not be removed"):
            for step in (self._stop, self._drop):
                try:
                    step(made)
                except APIError as problem:
                    # Gone, or being removed by somebody else: that is what we want.
                    if problem.status_code not in {304, 404, 409}:
                        raise

    def _stop(self, made: str) -> None:
        self._api().stop(made, timeout=STOP_S)

    def _drop(self, made: str) -> None:
        self._api().remove_container(made, force=True, v=True)


def _no_image(container: Container) -> ImageMissing:
    return ImageMissing(f"Kind {container.entry.kind}: no image {container.entry.image} here.")


@contextmanager
def _engine(what: Callable[[], str]) -> Iterator[None]:
    """Turn the failures of the client library into ours."""
    try:
        yield
    except APIError as problem:
        raise EngineRefused(f"{what()}: {problem.explanation or problem}") from problem
    except requests.exceptions.Timeout as problem:
        raise TimedOut(f"{what()} within {TIMEOUT_S} s.") from problem
    except (DockerException, requests.exceptions.RequestException, OSError) as gone:
        raise Unavailable(f"{what()}: the engine does not answer.") from gone
