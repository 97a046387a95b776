"""Some life for the instruments of a site to try out: parts, maintenance, measurements."""

from collections.abc import Iterator
from datetime import date, timedelta

from core_app.models import User
from imaging_app.models import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    Microscope,
    ObjectiveSwap,
)
from imaging_app.services import upkeep

Kind = Calibration.Kind
PARTS = (
    ("lavision", Component.Kind.LASER, "White light laser", "L-0042", "laser bay"),
    ("smartspim", Component.Kind.CAMERA, "sCMOS camera", "C-0107", "detection arm"),
)
# Days ago and figures, as they drift and are mended.
FIGURES: dict[Calibration.Kind, tuple[tuple[int, float], ...]] = {
    Kind.PSF_AXIAL: ((120, 6.1), (85, 6.4), (52, 7.2), (20, 6.2)),
    Kind.LASER_POWER: ((120, 92.0), (85, 90.5), (52, 84.0), (20, 93.5)),
}


def seed_instruments(keeper: User, *, today: date) -> int:
    """Enter it through the services, once; return how many entries were new."""
    return sum(_seed_part(keeper, *part, today=today) for part in PARTS) + sum(
        _seed_figures(keeper, scope, today) for scope in Microscope.objects.order_by("pk")
    )


def _seed_part(
    keeper: User, scope: str, kind: str, name: str, serial: str, position: str, *, today: date
) -> int:
    microscope = Microscope.objects.filter(name=scope).first()
    if microscope is None or Component.objects.filter(kind=kind, name=name, serial=serial).exists():
        return 0
    part = Component(kind=kind, name=name, serial=serial, brand="Example Optics")
    upkeep.install(
        ComponentInstallation(
            component=part, microscope=microscope, position=position,
            installed_on=today - timedelta(days=200),
        ),
        by=keeper,
    )  # fmt: skip
    _log_service(keeper, microscope, part, today)
    return 2


def _log_service(keeper: User, microscope: Microscope, part: Component, today: date) -> None:
    kind = upkeep.KINDS[0] if part.kind == Component.Kind.LASER else "Cleaning"
    done = upkeep.CHECKLISTS[kind][:-1]
    upkeep.log_maintenance(
        MaintenanceEntry(
            microscope=microscope, component=part, kind=kind,
            performed_on=today - timedelta(days=52), downtime_minutes=90,
            checklist=[list(item) for item in upkeep.checklist_of(kind, done)],
            next_due_on=today + timedelta(days=5 if part.kind == Component.Kind.LASER else 120),
        ),
        by=keeper,
    )  # fmt: skip


def _seed_figures(keeper: User, microscope: Microscope, today: date) -> int:
    if microscope.calibrations.exists():
        return 0
    rows = list(_figures(microscope, today))
    for row in rows:
        upkeep.note_calibration(row, by=keeper)
    first = microscope.objectives.first()
    if first and not microscope.swaps.exists():
        swapped_on = today - timedelta(days=120)
        upkeep.note_swap(
            ObjectiveSwap(microscope=microscope, new=first, swapped_on=swapped_on), by=keeper
        )
    return len(rows)


def _figures(microscope: Microscope, today: date) -> Iterator[Calibration]:
    objectives = list(microscope.objectives.all()[:2])
    for kind, figures in FIGURES.items():
        for place, objective in enumerate(objectives if kind == Kind.PSF_AXIAL else [None]):
            for days, value in figures:
                yield Calibration(
                    microscope=microscope, kind=kind, objective=objective,
                    measured_on=today - timedelta(days=days), value=value * (1 - 0.15 * place),
                )  # fmt: skip
