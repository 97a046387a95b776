"""Entries about instruments: parts, maintenance, swaps of objectives, calibrations."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import models
from django.utils import timezone

from core_app.errors import NotReady, StaleState
from core_app.models import User
from core_app.transitions import record_on
from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    ObjectiveSwap,
)
from imaging_app.services.upkeep.checks import check, mounted, place_of, refuse
from imaging_app.services.upkeep.writing import (
    CORRECTED,
    differences,
    held,
    insert,
    require_keeper,
    store,
)
from requests_app.services.corrections import require_nothing_unseen

DOUBLE = "Somebody entered the same a moment ago. Reload the page and look at it."


def add_component(component: Component, *, by: User) -> Component:
    """Write a part that can be built into instruments."""
    require_keeper(by)
    component.name, component.serial = component.name.strip(), component.serial.strip()
    with held():
        insert(component, verb="created", by=by, note=str(component), otherwise=DOUBLE)
    return component


def retire(component: Component, *, by: User, on: date | None = None) -> None:
    """Take a part out of use; it must not be built in."""
    require_keeper(by)
    with held(component):
        fresh = Component.objects.get(pk=component.pk)
        if fresh.retired_on:
            raise NotReady(f"{component} is retired since {fresh.retired_on}.")
        if place := place_of(component):
            raise NotReady(f"{place} Remove it there first.")
        component.retired_on = on or timezone.localdate()
        store(component, otherwise=DOUBLE, fields=["retired_on"])
        record_on(component, "retired", by=by, note=str(component.retired_on))


def install(installation: ComponentInstallation, *, by: User) -> ComponentInstallation:
    """Build a part in, also a new one. Refused, with the place, where it is built in elsewhere."""
    require_keeper(by)
    installation.installed_by = by
    with held(installation.microscope, installation.component):
        if installation.component._state.adding:
            installation.component = add_component(installation.component, by=by)
        installation.active_key = _active_key(installation)
        insert(installation, verb="installed", by=by, note=str(installation), otherwise=DOUBLE)
    return installation


def _active_key(installation: ComponentInstallation) -> str | None:
    return None if installation.removed_on else f"component:{installation.component_id}"


def remove(installation: ComponentInstallation, *, by: User, on: date | None = None) -> None:
    """Take a part out again."""
    require_keeper(by)
    removed_on = on or timezone.localdate()
    with held(installation.microscope, installation.component):
        rows = ComponentInstallation.objects.filter(pk=installation.pk).exclude(active_key=None)
        if not rows.exists():
            raise StaleState(f"{installation.component} was removed by somebody else already.")
        installation.removed_on = removed_on
        check(installation)
        rows.update(removed_on=removed_on, active_key=None)
        record_on(installation, "removed", by=by, note=str(removed_on))
    installation.active_key = None


def log_maintenance(entry: MaintenanceEntry, *, by: User) -> MaintenanceEntry:
    """Write what was done, by whom, and when it is due again."""
    require_keeper(by)
    entry.kind = " ".join(entry.kind.split())
    entry.performed_by = entry.performed_by or by
    with held(entry.microscope):
        insert(entry, verb="logged", by=by, note=str(entry), otherwise=DOUBLE)
    return entry


def note_swap(swap: ObjectiveSwap, *, by: User) -> ObjectiveSwap:
    """Write a change of objective; what was mounted before is the newest swap's, unless given."""
    require_keeper(by)
    swap.swapped_by = swap.swapped_by or by
    with held(swap.microscope):
        before = mounted(swap)
        if swap.old is None and before is not None and before.new_id != swap.new_id:
            swap.old = before.new
        insert(swap, verb="swapped", by=by, note=str(swap), otherwise=DOUBLE)
    return swap


def note_calibration(calibration: Calibration, *, by: User) -> Calibration:
    """Write one measured figure."""
    require_keeper(by)
    calibration.measured_by = calibration.measured_by or by
    with held(calibration.microscope):
        note = f"{calibration}: {calibration.value:g}"
        insert(calibration, verb="measured", by=by, note=note, otherwise=DOUBLE)
    return calibration


def correct(
    row: models.Model, values: Mapping[str, Any], *, by: User, seen: int | None = None
) -> None:
    """Correct what was typed wrongly; the Event keeps what it was. A colleague's is not undone."""
    require_keeper(by)
    with held(*_anchors_of(row)):
        current = type(row)._default_manager.select_for_update().get(pk=row.pk)
        require_nothing_unseen(current, seen)
        said = differences(current, values)
        if not said:
            return
        for name in said:
            setattr(current, name, values[name])
        _follow(current, said)
        check(current)
        store(current, otherwise=DOUBLE)
        record_on(current, CORRECTED, by=by, note="; ".join(said.values()))


def _anchors_of(row: models.Model) -> list[models.Model]:
    if isinstance(row, Component):
        return [row]
    anchors = [getattr(row, name, None) for name in ("microscope", "component")]
    return [anchor for anchor in anchors if anchor is not None]


def _follow(row: models.Model, said: Mapping[str, str]) -> None:
    """Keep in step what hangs on a corrected field."""
    if isinstance(row, ComponentInstallation):
        row.active_key = _active_key(row)
    if isinstance(row, MaintenanceEntry) and "next_due_on" in said:
        row.reminded_at = None  # another day is told anew
    if isinstance(row, Component) and not row.name.strip():
        raise refuse("name", "Give the part a name.")
