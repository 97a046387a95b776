"""What the site needs of whatever starts the processes behind views.

Failures come as core_app.errors: Unreachable (nothing is known, ask again), Rejected (it will not
be started as asked: a limit, a kind that is not there), Misconfigured (a person has to mend it).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Kind(StrEnum):
    """Kinds of process in the launcher's catalogue."""

    PYTHON = "python"  # a Python viewer, which gets a state and holds no data
    VOLUME = "volume"  # a server of one volume, read-only


@dataclass(frozen=True, slots=True)
class Order:
    """What should run for a view. The same order twice is the same process.

    `values` are those of the kind. Each has a `token` (32 or more characters of base64url), since
    it answers below `/v/<token>/` only. A Python viewer takes `state` (JSON), and may take
    `ontology` (JSON: `[id above or null, name]` for the id of each structure); a volume takes
    `layer`, its path below the data root.
    `owner`, a short word, is whose place among the limits it takes. `ends_at` is when it ends
    itself whatever happens.
    """

    view: UUID
    kind: Kind
    owner: str
    ends_at: datetime
    values: Mapping[str, str] = field(default_factory=dict)


class Condition(StrEnum):
    """How a process is."""

    STARTING = "starting"
    READY = "ready"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Running:
    """A process that was started for a view.

    `address` is where the proxy reaches it: host:port; a process has none before it is ready.
    `detail` says what became of one that is gone.
    """

    view: UUID
    kind: Kind
    condition: Condition
    address: str
    started_at: datetime
    ends_at: datetime
    owner: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many processes run, and how many may."""

    running: int
    most: int


class Launcher(Protocol):
    """Starts and removes the processes of views. Every verb is safe to repeat."""

    def ensure(self, order: Order) -> Running:
        """Start what is ordered, or return what runs; does not wait until it is ready.

        What ended by itself is started again. Raises Rejected for another order of the same view,
        where a limit is reached, and for a layer that is not there.
        """

    def remove(self, view: UUID) -> None:
        """Stop and remove what runs for the view; what is gone counts as removed."""

    def running(self) -> Collection[Running]:
        """Return all that was started for views of this site, whatever became of it."""

    def logs(self, view: UUID, *, lines: int = 200) -> str:
        """Return the last lines that the process wrote; "" if there is none."""

    def capacity(self) -> Capacity:
        """Return how full it is."""
