"""Reads of instruments: how they stand, what is built in, what was done and measured."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import (
    Exists,
    F,
    FilteredRelation,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Lower
from django.http import Http404

from imaging_app.models import (
    Booking,
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    Microscope,
    Objective,
    ObjectiveSwap,
    Outage,
    Wavelength,
)
from imaging_app.standing import Notice, Standing, StatusView, Stop, notice_of, status_at
from imaging_app.trend import Plot, Series, plot_of

SOON = timedelta(days=7)
MOST_ROWS = 100


def standings(at: datetime) -> list[Standing]:
    """Return how every instrument stands, with its outages to come: one query for all."""
    current = Q(outages__ends_at=None) | Q(outages__ends_at__gt=at)
    rows = Microscope.objects.annotate(open=FilteredRelation("outages", condition=current))
    values = rows.order_by("label", "pk", "open__starts_at").values_list(
        "pk", "name", "label", "status", "status_note",
        "open__severity", "open__reason", "open__starts_at", "open__ends_at",
    )  # fmt: skip
    stops: dict[tuple[int, str, str, str, str], list[Stop]] = defaultdict(list)
    for pk, name, label, status, note, *outage in values:
        known = stops[(pk, name, label, status, note)]
        if outage[0] is not None:
            known.append(Stop(*outage))
    return [
        Standing(
            pk, name, label, status_at(status, note, known, at),
            tuple(stop for stop in known if stop.starts_at > at),
        )
        for (pk, name, label, status, note), known in stops.items()
    ]  # fmt: skip


def statuses(at: datetime) -> dict[int, StatusView]:
    """Return {microscope id: its effective status at this moment}."""
    return {standing.microscope_id: standing.now for standing in standings(at)}


def status_of(microscope: Microscope, at: datetime) -> StatusView:
    """Return the effective status of one microscope: its own and the outages of that moment."""
    rows = microscope.outages.filter(Q(ends_at=None) | Q(ends_at__gt=at))
    stops = [Stop(o.severity, o.reason, o.starts_at, o.ends_at) for o in rows]
    return status_at(microscope.status, microscope.status_note, stops, at)


def outages_between(microscope: Microscope, start: datetime, end: datetime) -> QuerySet[Outage]:
    """Return the outages of a microscope that touch the time from `start` until `end`."""
    rows = Outage.objects.filter(microscope=microscope, starts_at__lt=end)
    return rows.filter(Q(ends_at=None) | Q(ends_at__gt=start)).order_by("starts_at", "pk")


def troubled(at: datetime) -> list[Standing]:
    """Return the instruments that are not well, or will not be within a week."""
    found = []
    for standing in standings(at):
        soon = tuple(stop for stop in standing.coming if stop.starts_at <= at + SOON)
        if soon or not standing.now.is_fine:
            found.append(
                Standing(standing.microscope_id, standing.name, standing.label, standing.now, soon)
            )
    return found


def objective_notices(objectives: Iterable[Objective], at: datetime) -> dict[str, Notice]:
    """Return {objective: what to know of its microscope} where there is something to know."""
    notices = {standing.microscope_id: notice_of(standing) for standing in standings(at)}
    found = {one.name: notices.get(one.microscope_id) for one in objectives}
    return {name: notice for name, notice in found.items() if notice is not None}


def microscopes() -> QuerySet[Microscope]:
    """Return the instruments with objectives and lines, in a few queries for all."""
    lines = Wavelength.objects.prefetch_related("equivalents__microscope")
    rows = Microscope.objects.prefetch_related(
        "objectives", Prefetch("wavelengths", queryset=lines)
    )
    return rows.order_by("label", "pk")


def get_microscope(name: str) -> Microscope:
    """Return an instrument by its name, or 404."""
    found = microscopes().filter(name=name).first()
    if found is None:
        raise Http404("There is no such instrument.")
    return found


def next_bookings(at: datetime) -> dict[int, Booking]:
    """Return {microscope id: the booking that runs, or is the next to begin}."""
    standing = Booking.objects.filter(cancelled_at=None, ends_at__gt=at)
    first = standing.filter(microscope=OuterRef("pk")).order_by("starts_at", "pk").values("pk")[:1]
    keys = Microscope.objects.annotate(next=Subquery(first)).values_list("next", flat=True)
    rows = standing.filter(pk__in=[key for key in keys if key]).select_related("person")
    return {booking.microscope_id: booking for booking in rows}


def outages_of(microscope: Microscope) -> QuerySet[Outage]:
    """Return the outages of a microscope, the newest first."""
    return microscope.outages.select_related("microscope", "reported_by")[:MOST_ROWS]


def installations_of(microscope: Microscope) -> QuerySet[ComponentInstallation]:
    """Return what is built in by position, then what was, the newest first."""
    rows = microscope.installations.select_related("component", "installed_by", "microscope")
    return rows.order_by(F("removed_on").desc(nulls_first=True), "position", "-installed_on", "-pk")


def built_in(microscope: Microscope) -> QuerySet[Component]:
    """Return the parts that are built in now."""
    return Component.objects.filter(
        pk__in=microscope.installations.exclude(active_key=None).values("component")
    )


def free_components() -> QuerySet[Component]:
    """Return the parts that can be built in: not retired, and nowhere now."""
    active = ComponentInstallation.objects.exclude(active_key=None).filter(component=OuterRef("pk"))
    return Component.objects.filter(~Exists(active), retired_on=None)


def mounted_objective(microscope: Microscope) -> Objective | None:
    """Return the objective that the newest swap mounted; None where no swap was noted."""
    newest = microscope.swaps.select_related("new").first()
    return newest.new if newest else None


def swaps_of(microscope: Microscope) -> QuerySet[ObjectiveSwap]:
    return microscope.swaps.select_related("old", "new", "swapped_by")[:MOST_ROWS]


def standing_maintenance() -> QuerySet[MaintenanceEntry]:
    """Return the entries that no newer one of the same kind and part took the place of."""
    later = Q(performed_on__gt=OuterRef("performed_on")) | Q(
        performed_on=OuterRef("performed_on"), pk__gt=OuterRef("pk")
    )
    same_kind = MaintenanceEntry.objects.annotate(folded=Lower("kind"))
    newer = same_kind.filter(later, folded=Lower(OuterRef("kind")))
    of_part = newer.filter(component=OuterRef("component"))
    of_whole = newer.filter(component=None, microscope=OuterRef("microscope"))
    return MaintenanceEntry.objects.filter(
        ~Exists(of_part), Q(component__isnull=False) | ~Exists(of_whole)
    )


def due_maintenance(*, until: date) -> QuerySet[MaintenanceEntry]:
    """Return what is due by this day and was not done since; parts out of use need none."""
    rows = standing_maintenance().filter(next_due_on__lte=until)
    return rows.filter(Q(component=None) | Q(component__retired_on=None))


def maintenance_of(microscope: Microscope) -> QuerySet[MaintenanceEntry]:
    """Return the log, the newest first; `is_standing` where nothing newer took its place."""
    rows = microscope.maintenance.annotate(
        is_standing=Exists(standing_maintenance().filter(pk=OuterRef("pk")))
    )
    return rows.select_related("component", "performed_by", "microscope")[:MOST_ROWS]


def overdue_counts(today: date) -> dict[int, int]:
    """Return {microscope id: how many pieces of maintenance are overdue}."""
    counts: dict[int, int] = defaultdict(int)
    for key in due_maintenance(until=today - timedelta(days=1)).values_list(
        "microscope", flat=True
    ):
        counts[key] += 1
    return counts


@dataclass(frozen=True, slots=True)
class Trend:
    """One kind of measurement of one microscope: its plot, and what was measured."""

    kind: str
    quantity: str
    unit: str
    plot: Plot | None
    measured: list[Calibration]

    @property
    def newest(self) -> Calibration:
        return self.measured[0]


def trends_of(microscope: Microscope) -> Iterator[Trend]:
    """Return what was measured, by kind, the newest first in each."""
    rows = microscope.calibrations.select_related("objective", "wavelength", "measured_by")
    by_kind: dict[str, list[Calibration]] = defaultdict(list)
    for calibration in rows.order_by(F("measured_on").desc(), "-pk"):
        by_kind[calibration.kind].append(calibration)
    for kind in Calibration.Kind:
        if kind.value in by_kind:
            yield _trend(kind, by_kind[kind.value])


def _trend(kind: Calibration.Kind, measured: list[Calibration]) -> Trend:
    quantity, _, unit = str(kind.label).rstrip(")").rpartition(" (")
    groups: dict[str, list[tuple[date, float]]] = defaultdict(list)
    for calibration in measured:
        groups[conditions_of(calibration)].append((calibration.measured_on, calibration.value))
    series = [Series(name, tuple(points)) for name, points in sorted(groups.items())]
    return Trend(kind.value, quantity, unit, plot_of(series), measured)


def conditions_of(calibration: Calibration) -> str:
    """Return at what it was measured: `1.3x, 488 nm`."""
    objective = calibration.objective.name if calibration.objective else ""
    line = str(calibration.wavelength) if calibration.wavelength else ""
    return ", ".join(filter(None, (objective, line))) or "all"
