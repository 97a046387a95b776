"""Sessions: the rules between a request and the container engine. It keeps nothing but locks."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from launcher.catalogue import Catalogue
from launcher.errors import Conflict, Full, Invalid, Missing, Refusal
from launcher.mounts import layer_folder
from launcher.orders import Order, require_lifetime
from launcher.ports import Backend, Condition, Container, Running

STRIPES = 64


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many containers at the same time, and for how long at most."""

    total: int = 40
    per_owner: int = 3
    lifetime_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of each container that was to be removed: nothing stops at the first failure."""

    removed: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)


class Sessions:
    """What may be done with sessions. One object per launcher; safe to use from many threads."""

    def __init__(
        self,
        backend: Backend,
        catalogue: Catalogue,
        *,
        data_root: Path,
        limits: Limits | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.backend = backend
        self.limits = limits or Limits()
        self._catalogue = catalogue
        self._data_root = data_root
        self._now = now
        self._one_by_one = [threading.Lock() for _ in range(STRIPES)]
        self._counting = threading.Lock()
        self._being_started: dict[str, str] = {}  # session: owner

    def ensure(self, order: Order) -> tuple[Running, bool]:
        """Return what runs for the order, and whether it was started now.

        What ended by itself is started again. Raises Conflict for another order of the session.
        """
        container = self._container(order)
        with self._one_by_one[hash(order.session) % STRIPES]:
            found = self.backend.find(order.session)
            if found and _same(found, order).condition is not Condition.GONE:
                return found, False
            require_lifetime(order.ends_at, now=self._now(), most_s=self.limits.lifetime_s)
            with self._place(order):
                if found:
                    self.backend.remove(order.session)
                return _same(self.backend.start(container), order), True

    def find(self, session: str) -> Running:
        found = self.backend.find(session)
        if found is None:
            raise Missing("There is no such session.")
        return found

    def remove(self, session: str) -> None:
        with self._one_by_one[hash(session) % STRIPES]:
            self.backend.remove(session)

    def all(self) -> Sequence[Running]:
        return self.backend.all()

    def logs(self, session: str, *, lines: int) -> str:
        return self.backend.logs(session, lines=lines)

    def running(self) -> int:
        """Return how many run or start."""
        return len(_alive(self.backend.all()))

    def reap(self) -> Swept:
        """Remove what is past its hard end."""
        removed, failed = [], {}
        for running in self.backend.all():
            if running.ends_at <= self._now():
                try:
                    self.remove(running.session)
                    removed.append(running.session)
                except Refusal as problem:
                    failed[running.session] = str(problem)
        return Swept(tuple(removed), failed)

    def _container(self, order: Order) -> Container:
        entry = self._catalogue.get(order.kind)
        if entry is None:
            raise Invalid(f"There is no kind {order.kind[:40]!r} here.")
        order.require_shape(entry)
        is_layer = entry.shape.has_layer
        mount = layer_folder(self._data_root, order.values["layer"]) if is_layer else None
        given = {
            "ends_at": order.ends_at.timestamp(),
            "idle_s": entry.idle_s,
            "values": dict(order.values),
        }
        return Container(
            session=order.session,
            entry=entry,
            owner=order.owner,
            ends_at=order.ends_at,
            digest=order.digest,
            given=json.dumps(given).encode(),
            mount=mount,
        )

    @contextmanager
    def _place(self, order: Order) -> Iterator[None]:
        """Hold a place among the limits while the container is being started."""
        with self._counting:
            owners = {running.session: running.owner for running in _alive(self.backend.all())}
            owners.update(self._being_started)
            if len(owners) >= self.limits.total:
                raise Full(f"All {self.limits.total} places are taken. Try again later.")
            if list(owners.values()).count(order.owner) >= self.limits.per_owner:
                raise Full(f"{order.owner} has {self.limits.per_owner} viewers already.")
            self._being_started[order.session] = order.owner
        try:
            yield
        finally:
            with self._counting:
                del self._being_started[order.session]


def _alive(containers: Sequence[Running]) -> list[Running]:
    return [running for running in containers if running.condition is not Condition.GONE]


def _same(running: Running, order: Order) -> Running:
    if running.digest != order.digest:
        raise Conflict("This session runs with another order. Remove it first.")
    return running
