"""What the launcher's HTTP service needs from a container engine."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Wanted:
    """A container that should run: its session, its kind in the catalogue, the kind's own values.

    Images, mounts, ports, limits and networks come from the catalogue, never from a caller.
    """

    session: str
    kind: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Running:
    """A container that runs, as its labels tell."""

    session: str
    kind: str
    address: str


class Backend(Protocol):
    """A container engine, as far as the launcher needs one. Every verb is safe to repeat."""

    def ensure(self, wanted: Wanted) -> Running:
        """Start the container, or return the one that runs for this session."""

    def remove(self, session: str) -> None:
        """Stop and remove the container of a session; one that is gone counts as removed."""

    def running(self) -> Collection[Running]:
        """Return every container that carries our label."""
