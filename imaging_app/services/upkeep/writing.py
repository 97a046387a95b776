"""How entries of upkeep are written: by whom, one after the other, each with its Event."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, models, transaction

from core_app import roles
from core_app.errors import Invalid
from core_app.models import User
from core_app.roles import Role
from core_app.transitions import record_on
from imaging_app.models import Component, Microscope
from imaging_app.services.guards import require
from imaging_app.services.upkeep.checks import check

CORRECTED = "corrected"


def is_keeper(user: User) -> bool:
    """Return True for imaging staff and managers, who look after the instruments."""
    return roles.has_role(user, Role.IMAGER, Role.MANAGER)


def require_keeper(by: User) -> None:
    require(is_keeper(by), "Only imaging staff and managers look after the instruments.")


@contextmanager
def held(*rows: models.Model) -> Iterator[None]:
    """One after the other: take these rows, microscopes first, for one transaction."""
    with transaction.atomic():
        for kind in (Microscope, Component):
            keys = [row.pk for row in rows if isinstance(row, kind)]
            if keys:
                taken = kind._default_manager.select_for_update().filter(pk__in=keys)
                list(taken.order_by("pk").values_list("pk"))
        yield


def insert(row: models.Model, *, verb: str, by: User, note: str, otherwise: str) -> None:
    """Save a new row and its Event; `otherwise` is said if the database knows a double."""
    check(row)
    store(row, otherwise=otherwise)
    record_on(row, verb, by=by, note=note)


def store(row: models.Model, *, otherwise: str, fields: list[str] | None = None) -> None:
    """Save the row; a key that is taken is refused in words."""
    try:
        with transaction.atomic():
            row.save(update_fields=fields)
    except IntegrityError as taken:
        raise Invalid(otherwise) from taken


def differences(before: models.Model, values: Mapping[str, Any]) -> dict[str, str]:
    """Return {field: `label: before → after`} of what differs."""
    found = {}
    for name, new in values.items():
        old = getattr(before, name)
        if old != new:
            label = before._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # concrete fields
            found[name] = f"{label}: {_shown(old)} → {_shown(new)}"
    return found


def _shown(value: object) -> str:
    return "nothing" if value is None or value == "" else str(value)
