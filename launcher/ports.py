"""What the launcher needs from a container engine. Times are aware; failures are of errors.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from launcher.catalogue import Entry

# The first line on standard output of a program that answers requests; its port follows.
READY_LINE = "READY "


class Condition(StrEnum):
    """How a container is."""

    STARTING = "starting"
    READY = "ready"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Container:
    """A container that should run.

    `entry` is the launcher's own rule for the kind. `given` is what the program reads from its
    standard input, once, so that it stands in no description of the container. `mount` is the one
    folder of the host that it sees, read-only. `digest` tells two orders of a session apart.
    """

    session: str
    entry: Entry
    owner: str
    ends_at: datetime
    digest: str
    given: bytes
    mount: Path | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A container that was started, whatever became of it, as its labels and the engine tell."""

    session: str
    kind: str
    condition: Condition
    address: str
    owner: str
    started_at: datetime
    ends_at: datetime
    digest: str
    detail: str = ""


class Backend(Protocol):
    """A container engine. It sees only what this launcher started; every verb may be repeated."""

    def start(self, container: Container) -> Running:
        """Start it, without waiting until it is ready, or return what the session has already.

        What was begun is undone if it fails. Raises Conflict where a stranger has its name.
        """

    def find(self, session: str) -> Running | None:
        """Return the session's container."""

    def remove(self, session: str) -> None:
        """Stop and remove the session's container; what is gone counts as removed."""

    def all(self) -> Sequence[Running]:
        """Return every container of this launcher."""

    def logs(self, session: str, *, lines: int) -> str:
        """Return the last lines that it wrote; "" if there is none."""

    def ping(self) -> None:
        """Raise Unavailable unless the engine answers."""
