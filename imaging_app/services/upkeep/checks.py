"""What can be wrong with an entry, in words and by field; asked by forms and again by services."""

import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db.models import Model
from django.utils import timezone

from core_app.errors import Invalid
from core_app.models import User
from core_app.paths import DataPath
from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    Objective,
    ObjectiveSwap,
    Outage,
)
from imaging_app.services.upkeep.checklists import LONGEST_ITEM, MOST_ITEMS

EARLIEST = date(2000, 1, 1)
LATEST_YEAR = 2100
MOST_DOWNTIME_MIN = 366 * 24 * 60
LARGEST_FIGURE, SMALLEST_FIGURE = 1e9, 1e-9


def check(row: Model) -> None:
    """Raise Invalid with the field and, for a double, the row that is there already."""
    CHECKS[type(row)](row)


def refuse(field: str, text: str) -> Invalid:
    """Return the refusal of one field."""
    return Invalid(text, fields={field: [text]})


def mounted(swap: ObjectiveSwap) -> ObjectiveSwap | None:
    """Return the newest swap before this one: its `new` is what is mounted until then."""
    before = ObjectiveSwap.objects.filter(
        microscope=swap.microscope, swapped_on__lte=swap.swapped_on
    )
    if not swap._state.adding:
        before = before.exclude(pk=swap.pk).exclude(swapped_on=swap.swapped_on, pk__gt=swap.pk)
    return before.select_related("new", "swapped_by").order_by("-swapped_on", "-pk").first()


def check_outage(outage: Outage) -> None:
    if not outage.reason.strip():
        raise refuse("reason", "Say what is the matter; everybody who is signed in reads it.")
    if outage.starts_at.date() < EARLIEST:
        raise refuse("starts_at", "This time lies too far back; check the year.")
    _require_near("starts_at", outage.starts_at)
    _require_near("ends_at", outage.ends_at)
    if outage.ends_at and outage.ends_at <= outage.starts_at:
        raise refuse("ends_at", "The end lies before the beginning; correct one of them.")
    if outage._state.adding and outage.ends_at and outage.ends_at <= timezone.now():
        raise refuse("ends_at", "This time is over; leave the end blank if it is not known.")
    if double := _same_outage(outage):
        raise refuse("reason", f"{_by(double.reported_by)} reported this already: {double}.")


def _require_near(field: str, moment: datetime | None) -> None:
    if moment and moment.year > LATEST_YEAR:
        raise refuse(
            field, "This time lies too far ahead; check the year. An unknown end is blank."
        )


def _same_outage(outage: Outage) -> Outage | None:
    same = Outage.objects.filter(
        microscope=outage.microscope, severity=outage.severity, reason=outage.reason.strip()
    )
    for other in same.exclude(pk=outage.pk).select_related("microscope", "reported_by"):
        begins_before = outage.ends_at is None or other.starts_at < outage.ends_at
        if begins_before and (other.ends_at is None or other.ends_at > outage.starts_at):
            return other
    return None


def check_component(component: Component) -> None:
    if not component.name.strip():
        raise refuse("name", "Give the part a name, such as Laser 488.")
    _require_past("retired_on", component.retired_on)
    same = Component.objects.filter(
        kind=component.kind, name=component.name.strip(), serial=component.serial.strip()
    )
    if double := same.exclude(pk=component.pk).first():
        raise refuse("serial", taken_component(double))
    if component.retired_on and (built_in := place_of(component)):
        raise refuse("retired_on", f"{built_in} Remove it there first.")


def taken_component(component: Component) -> str:
    serial = f"serial number {component.serial}" if component.serial else "no serial number"
    return (
        f"There is a {component.get_kind_display().lower()} “{component.name}” with {serial} "
        "already. Choose that one, or give another name or serial number."
    )


def place_of(component: Component) -> str:
    """Say where a part is built in; empty for one that is not."""
    found = component.installations.exclude(active_key=None).select_related("microscope").first()
    if found is None:
        return ""
    position = f" ({found.position})" if found.position else ""
    where = f"{found.microscope}{position} since {found.installed_on}"
    return f"{component} is built into {where}."


def check_installation(installation: ComponentInstallation) -> None:
    component = installation.component
    _require_past("installed_on", installation.installed_on)
    _require_past("removed_on", installation.removed_on)
    if installation.removed_on and installation.removed_on < installation.installed_on:
        raise refuse("removed_on", f"It was built in on {installation.installed_on}, not before.")
    others = component.installations.exclude(pk=installation.pk)
    if installation._state.adding and component.retired_on:
        raise refuse("component", f"{component} is retired since {component.retired_on}.")
    is_active = installation.removed_on is None
    if is_active and others.exclude(active_key=None).exists():
        raise refuse("component", f"{place_of(component)} Remove it there first.")
    for other in others.exclude(removed_on=None).select_related("microscope"):
        _require_apart(installation, other)


def _require_apart(installation: ComponentInstallation, other: ComponentInstallation) -> None:
    begins_later = other.removed_on and installation.installed_on >= other.removed_on
    ends_before = installation.removed_on and installation.removed_on <= other.installed_on
    if not begins_later and not ends_before:
        raise refuse(
            "installed_on",
            f"{installation.component} was in {other.microscope} from {other.installed_on} until "
            f"{other.removed_on}; a part is in one place at a time.",
        )


def check_maintenance(entry: MaintenanceEntry) -> None:
    if not entry.kind.strip():
        raise refuse("kind", "Say what was done, such as Laser service.")
    _require_past("performed_on", entry.performed_on)
    if entry.next_due_on and entry.next_due_on <= entry.performed_on:
        raise refuse("next_due_on", "It is due again after the day on which it was done.")
    if entry.downtime_minutes > MOST_DOWNTIME_MIN:
        raise refuse("downtime_minutes", f"Give minutes, at most {MOST_DOWNTIME_MIN} (a year).")
    _require_checklist(entry.checklist)
    was_here = ComponentInstallation.objects.filter(microscope=entry.microscope)
    if entry.component and not was_here.filter(component=entry.component).exists():
        raise refuse("component", f"{entry.component} was never built into {entry.microscope}.")
    same = MaintenanceEntry.objects.filter(
        microscope=entry.microscope, component=entry.component, kind=entry.kind.strip(),
        performed_on=entry.performed_on,
    )  # fmt: skip
    if double := same.exclude(pk=entry.pk).select_related("performed_by").first():
        raise refuse("performed_on", _double(double, double.performed_by))


def _require_checklist(items: Any) -> None:
    is_list = isinstance(items, list) and len(items) <= MOST_ITEMS
    if not is_list or not all(_is_item(item) for item in items):
        raise refuse(
            "checklist",
            'Give at most 30 items as ["what was looked at", true], each with true or false.',
        )


def _is_item(item: Any) -> bool:
    return (
        isinstance(item, list | tuple)
        and [type(part) for part in item] == [str, bool]
        and 0 < len(item[0]) <= LONGEST_ITEM
    )


def check_swap(swap: ObjectiveSwap) -> None:
    _require_past("swapped_on", swap.swapped_on)
    for name in ("old", "new"):
        _require_own(swap, name)
    if swap.old_id == swap.new_id:
        raise refuse("new", f"{swap.new.name} cannot take the place of itself; choose another.")
    before = mounted(swap)
    if swap._state.adding and before and before.new_id == swap.new_id:
        raise refuse(
            "new",
            f"{swap.new.name} is mounted already, by {_by(before.swapped_by)} on "
            f"{before.swapped_on}.",
        )


def _require_own(row: Any, name: str) -> None:
    objective: Objective | None = getattr(row, name)
    if objective and objective.microscope_id != row.microscope_id:
        raise refuse(name, f"{objective.name} belongs to {objective.microscope}.")


def check_calibration(calibration: Calibration) -> None:
    _require_past("measured_on", calibration.measured_on)
    _require_figure(calibration.value)
    if not isinstance(calibration.details, dict):
        raise refuse("details", 'Give further figures by name, as {"NA": 0.1}.')
    _require_own(calibration, "objective")
    line = calibration.wavelength
    if line and line.microscope_id != calibration.microscope_id:
        raise refuse("wavelength", f"{line} is a line of {line.microscope}.")
    if calibration.file:
        _require_path(calibration.file)
    same = Calibration.objects.filter(
        microscope=calibration.microscope, kind=calibration.kind, value=calibration.value,
        objective=calibration.objective, wavelength=line, measured_on=calibration.measured_on,
    )  # fmt: skip
    if double := same.exclude(pk=calibration.pk).select_related("measured_by").first():
        raise refuse("value", _double(double, double.measured_by))


def _require_figure(value: float) -> None:
    """Refuse what is no number, and numbers that no axis of a plot can hold."""
    is_possible = value == 0 or SMALLEST_FIGURE <= abs(value) <= LARGEST_FIGURE
    if not math.isfinite(value) or not is_possible:
        raise refuse("value", "Give a number in the unit of the measurement; this cannot be one.")


def _require_path(text: str) -> None:
    try:
        DataPath(text)
    except Invalid as refusal:
        raise refuse("file", refusal.message) from refusal


def _require_past(field: str, day: date | None) -> None:
    if day and day > timezone.localdate():
        raise refuse(field, "This day is to come; enter it when it has been done.")
    if day and day < EARLIEST:
        raise refuse(field, "This day lies too far back; check the year.")


def _double(row: Model, by: User | None) -> str:
    return (
        f"{_by(by)} entered this already: {row}. Correct that entry in the staff console if it is "
        "wrong."
    )


def _by(user: User | None) -> str:
    return str(user) if user else "Somebody"


CHECKS: dict[type[Model], Callable[[Any], None]] = {
    Outage: check_outage,
    Component: check_component,
    ComponentInstallation: check_installation,
    MaintenanceEntry: check_maintenance,
    ObjectiveSwap: check_swap,
    Calibration: check_calibration,
}
