"""The launcher's own rules, applied in this process: for backends that need no service."""

from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from launcher.catalogue import SHAPES, Catalogue, Entry
from launcher.errors import Refusal
from launcher.orders import Order as Asked
from launcher.orders import parse_order
from launcher.ports import Backend
from launcher.ports import Running as Container
from launcher.sessions import Limits, Sessions, utc_now
from viewers_app.launcher.ports import Capacity, Condition, Kind, Order, Running
from viewers_app.launcher.translate import failure_of, order_body

T = TypeVar("T")

# Backends here have neither images nor networks; the limits are those of every catalogue.
CATALOGUE: Final[Catalogue] = {
    kind: Entry(kind=kind, image=f"sha256:{'0' * 64}", network="here") for kind in SHAPES
}


class HereLauncher:
    """A launcher without the service. Orders are read as strictly as there."""

    def __init__(
        self,
        backend: Backend,
        *,
        data_root: Path,
        limits: Limits | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.sessions = Sessions(backend, CATALOGUE, data_root=data_root, limits=limits, now=now)

    def ensure(self, order: Order) -> Running:
        return _asked(lambda: _running(self.sessions.ensure(_read(order))[0]))

    def remove(self, view: UUID) -> None:
        _asked(lambda: self.sessions.remove(str(view)))

    def running(self) -> Collection[Running]:
        return _asked(lambda: [_running(found) for found in self.sessions.all()])

    def logs(self, view: UUID, *, lines: int = 200) -> str:
        return _asked(lambda: self.sessions.logs(str(view), lines=lines))

    def capacity(self) -> Capacity:
        running = _asked(self.sessions.running)
        return Capacity(running=running, most=self.sessions.limits.total)


def _read(order: Order) -> Asked:
    return parse_order(str(order.view), order_body(order))


def _running(container: Container) -> Running:
    return Running(
        view=UUID(container.session),
        kind=Kind(container.kind),
        condition=Condition(container.condition.value),
        address=container.address,
        started_at=container.started_at,
        ends_at=container.ends_at,
        owner=container.owner,
        detail=container.detail,
    )


def _asked(question: Callable[[], T]) -> T:
    """Return the answer; a refusal is raised in the site's words."""
    try:
        return question()
    except Refusal as refusal:
        raise failure_of(refusal.code, str(refusal)) from refusal
