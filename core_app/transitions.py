"""advance(): the only code that writes a `state` column."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from core_app.changes import changed_many, kind_of
from core_app.errors import InvalidTransition, StaleState
from core_app.models.history import Event
from core_app.models.people import User
from core_app.models.stateful import Stateful


def advance(obj: Stateful, to: str, *, by: User | None, note: str = "") -> None:
    """Move `obj` to state `to`, write its Event and its outbox row.

    The caller holds the transaction. `by` is None when the system itself acts. Raises
    InvalidTransition if the table has no such step and StaleState if somebody else moved the object
    since it was read; then nothing is written.
    """
    advance_many([obj], to, by=by, note=note)


def advance_many(objects: Iterable[Stateful], to: str, *, by: User | None, note: str = "") -> None:
    """Move objects of one model to `to`, all or none: a guarded UPDATE per state they come from."""
    _require_transaction()
    moving = list(objects)
    groups = _by_state(moving, to)
    at = timezone.now()
    events: list[Event] = []
    # A refused group undoes the groups before it, also when the caller catches the error.
    with transaction.atomic():
        for came_from, group in groups.items():
            _move(group, came_from, to, at)
            events += [_event(obj, came_from, to, by=by, note=note, at=at) for obj in group]
        Event.objects.bulk_create(events)
        changed_many(moving)
    for obj in moving:
        obj.state, obj.state_since = to, at


def record(obj: Stateful, verb: str, *, by: User | None, note: str = "") -> None:
    """Write an Event that is no change of state ("claimed", "step recorded")."""
    _require_transaction()
    Event.objects.create(
        kind=obj.KIND, object_id=obj.pk, root_id=obj.root_id, verb=verb, by=by, note=note
    )
    changed_many([obj])


def record_on(
    obj: models.Model, verb: str, *, by: User | None, note: str = "", root_id: int | None = None
) -> None:
    """Write an Event about something without states, such as a sample, an animal or a lab."""
    _require_transaction()
    Event.objects.create(
        kind=kind_of(obj), object_id=obj.pk, root_id=root_id, verb=verb, by=by, note=note
    )
    changed_many([obj])


def born(obj: Stateful, *, by: User | None, note: str = "") -> None:
    """Write the first Event of a new object, in its start state."""
    born_many([obj], by=by, note=note)


def born_many(objects: Iterable[Stateful], *, by: User | None, note: str = "") -> None:
    """Write the first Events of new objects of one model, in one INSERT."""
    _require_transaction()
    new, at = list(objects), timezone.now()
    starts = [_event(obj, "", obj.state, by=by, note=note, at=at) for obj in new]
    for start in starts:
        start.verb = "created"
    Event.objects.bulk_create(starts)
    changed_many(new)


def _require_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("advance() needs the caller's transaction.")


def _by_state(objects: Sequence[Stateful], to: str) -> dict[str, list[Stateful]]:
    groups: dict[str, list[Stateful]] = defaultdict(list)
    for obj in objects:
        if not obj.TABLE.allows(obj.state, to):
            raise InvalidTransition(f"{obj} is {obj.state} and cannot become {to}.")
        groups[obj.state].append(obj)
    return groups


def _move(group: Sequence[Stateful], came_from: str, to: str, at: datetime) -> None:
    rows = type(group[0])._default_manager.filter(pk__in=[obj.pk for obj in group])
    _take(rows)
    still_there = rows.filter(state=came_from)
    if still_there.update(state=to, state_since=at) != len(group):
        what = str(group[0]) if len(group) == 1 else f"One of {len(group)} objects"
        raise StaleState(
            f"{what} is no longer {came_from}: somebody else was first. Reload the page."
        )


def _take(rows: QuerySet[Stateful]) -> None:
    """Lock the rows by their primary key before they are updated.

    InnoDB may look the UPDATE up through the index on `state`: it then locks the index before the
    row, and whoever holds the row and moves it wants them the other way round.
    """
    if transaction.get_connection().features.has_select_for_update:
        list(rows.order_by("pk").select_for_update().values_list("pk"))


def _event(
    obj: Stateful, came_from: str, to: str, *, by: User | None, note: str, at: datetime
) -> Event:
    return Event(
        kind=obj.KIND, object_id=obj.pk, root_id=obj.root_id,
        came_from=came_from, to=to, by=by, note=note, at=at,
    )  # fmt: skip
