"""Entries about instruments as people make them, with what a test does not care about filled in."""

from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from core_app.models import User
from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    Microscope,
    ObjectiveSwap,
    Outage,
)
from imaging_app.services import upkeep


def scope(name: str = "lavision") -> Microscope:
    return Microscope.objects.get(name=name)


def days_ago(days: int) -> date:
    return timezone.localdate() - timedelta(days=days)


def an_outage(
    *, by: User, on: str = "lavision", severity: str = "down", begins_in: float = 0,
    ends_in: float | None = None, reason: str = "The laser is broken",
) -> Outage:  # fmt: skip
    """Report an outage; times are hours from now, without an end it stays open."""
    now = timezone.now()
    ends_at = None if ends_in is None else now + timedelta(hours=ends_in)
    outage = Outage(
        microscope=scope(on), severity=severity, reason=reason, ends_at=ends_at,
        starts_at=now + timedelta(hours=begins_in),
    )  # fmt: skip
    return upkeep.report_outage(outage, by=by)


def a_part(*, by: User, name: str = "Laser 488", serial: str = "L-1") -> Component:
    part = Component(kind=Component.Kind.LASER, name=name, serial=serial)
    return upkeep.add_component(part, by=by)


def a_built_in_part(
    *, by: User, part: Component | None = None, on: str = "lavision", ago: int = 30
) -> ComponentInstallation:
    installation = ComponentInstallation(
        component=part or a_part(by=by), microscope=scope(on), position="left arm",
        installed_on=days_ago(ago),
    )  # fmt: skip
    return upkeep.install(installation, by=by)


def a_maintenance(
    *, by: User, ago: int = 30, due_in: int | None = None, **other: Any
) -> MaintenanceEntry:
    due = None if due_in is None else days_ago(-due_in)
    values = {"microscope": scope(), "kind": "Cleaning", **other}
    entry = MaintenanceEntry(performed_on=days_ago(ago), next_due_on=due, **values)
    return upkeep.log_maintenance(entry, by=by)


def a_swap(*, by: User, to: str, ago: int = 1) -> ObjectiveSwap:
    new = scope().objectives.get(name=to)
    swap = ObjectiveSwap(microscope=scope(), new=new, swapped_on=days_ago(ago))
    return upkeep.note_swap(swap, by=by)


def a_calibration(*, by: User, value: float = 6.1, ago: int = 1, **other: Any) -> Calibration:
    values = {"microscope": scope(), "kind": Calibration.Kind.PSF_AXIAL, **other}
    row = Calibration(measured_on=days_ago(ago), value=value, **values)
    return upkeep.note_calibration(row, by=by)
