"""A container engine in a dictionary, with failures on order. For tests."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from launcher.errors import Conflict, Refusal
from launcher.ports import Condition, Container, Running
from launcher.sessions import utc_now


class MemoryBackend:
    """Containers start, and are ready at the next look. Nothing runs."""

    def __init__(self, *, now: Callable[[], datetime] = utc_now) -> None:
        self.started: list[Container] = []
        self.strangers: set[str] = set()  # sessions whose name a container of others has
        self._now = now
        self._containers: dict[str, Running] = {}
        self._said: dict[str, str] = {}
        self._failures: dict[str, list[Refusal]] = {}
        self._lock = threading.RLock()

    def fail(self, verb: str, failure: Refusal, *, times: int = 1) -> None:
        """Let the next calls of a verb fail; of `remove SESSION`, those for that session."""
        self._failures.setdefault(verb, []).extend([failure] * times)

    def lose(self, session: str, detail: str = "it exited with code 137") -> None:
        """End a container as if from outside."""
        with self._lock:
            gone = replace(self._containers[session], condition=Condition.GONE, detail=detail)
            self._containers[session] = gone

    def say(self, session: str, text: str) -> None:
        self._said[session] = self._said.get(session, "") + text

    def start(self, container: Container) -> Running:
        self._maybe_fail("start")
        with self._lock:
            if container.session in self.strangers:
                raise Conflict("A container of somebody else has this session's name.")
            if container.session not in self._containers:
                self.started.append(container)
                self._containers[container.session] = Running(
                    session=container.session,
                    kind=container.entry.kind,
                    condition=Condition.STARTING,
                    address=f"ls-view-{container.session}:{container.entry.port}",
                    owner=container.owner,
                    started_at=self._now(),
                    ends_at=container.ends_at,
                    digest=container.digest,
                )
                self.say(container.session, f"READY {container.entry.port}\n")
            return self._containers[container.session]

    def find(self, session: str) -> Running | None:
        self._maybe_fail("find")
        return self._look(session)

    def remove(self, session: str) -> None:
        self._maybe_fail("remove")
        self._maybe_fail(f"remove {session}")
        with self._lock:
            self._containers.pop(session, None)
            self._said.pop(session, None)

    def all(self) -> Sequence[Running]:
        self._maybe_fail("all")
        return [found for session in list(self._containers) if (found := self._look(session))]

    def logs(self, session: str, *, lines: int) -> str:
        self._maybe_fail("logs")
        said = self._said.get(session, "").splitlines(keepends=True)
        return "".join(said[-lines:])

    def ping(self) -> None:
        self._maybe_fail("ping")

    def _look(self, session: str) -> Running | None:
        with self._lock:
            found = self._containers.get(session)
            if found and found.condition is Condition.STARTING:
                found = self._containers[session] = replace(found, condition=Condition.READY)
            return found

    def _maybe_fail(self, verb: str) -> None:
        with self._lock:
            waiting = self._failures.get(verb)
            if waiting:
                raise waiting.pop(0)
