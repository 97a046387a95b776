"""How much each microscope is used: chart, table and CSV of the same figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from core_app.exports import csv_answer
from core_app.http import person
from imaging_app import charts
from imaging_app.forms.bookings import PeriodForm
from imaging_app.models import Microscope
from imaging_app.selectors import bookings as reads
from imaging_app.selectors import utilization as figures
from imaging_app.selectors.utilization import Figure, Utilization

SERIES = ("booked", "acquired", "down", "limited")
CSV_HEADER = (
    "Microscope", "From", "To", "Working hours",
    "Booked h", "Booked in working hours h", "Booked %",
    "Acquiring h", "Acquiring in working hours h", "Acquiring %",
    "Down h", "Down in working hours h", "Down %",
    "Limited h", "Limited in working hours h", "Limited %",
)  # fmt: skip
REFUSED = 422


@dataclass(frozen=True, slots=True)
class Asked:
    """The microscope, its figures by week or month, and those of the whole time."""

    microscope: Microscope
    rows: list[Utilization]
    total: Utilization


@require_GET
@login_required
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show what the microscope was used, for imaging staff and managers."""
    microscope, form = _microscope(request, name), _form(request)
    context: dict[str, Any] = {
        "microscope": microscope,
        "microscopes": reads.all_microscopes(),
        "form": form,
    }
    if not form.is_valid():
        return render(request, "imaging_app/booking_utilization.html", context, status=REFUSED)
    asked = _asked(microscope, form)
    given = form.cleaned_data
    context |= {
        "asked": asked,
        "chart": _chart(asked.rows, by=given["by"]),
        "query": f"start={given['start']}&end={given['end']}&by={given['by']}",
    }
    return render(request, "imaging_app/booking_utilization.html", context)


@require_GET
@login_required
def as_csv(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send the figures of the page as a table for spreadsheets."""
    microscope, form = _microscope(request, name), _form(request)
    if not form.is_valid():
        address = reverse("imaging:calendar-utilization", args=[microscope.name])
        return redirect(f"{address}?{request.GET.urlencode()}")
    asked = _asked(microscope, form)
    return csv_answer(f"utilization-{microscope.pk}.csv", CSV_HEADER, _lines(asked))


def _microscope(request: HttpRequest, name: str) -> Microscope:
    if not reads.is_imaging_staff(person(request)):
        raise Http404("There is no such page, or it is not yours to see.")
    return reads.get_microscope(name)


def _form(request: HttpRequest) -> PeriodForm:
    return PeriodForm(request.GET, today=timezone.localdate())


def _asked(microscope: Microscope, form: PeriodForm) -> Asked:
    start, end = form.cleaned_data["start"], form.cleaned_data["end"]
    is_by_month = form.cleaned_data["by"] == PeriodForm.MONTH
    split = figures.months_between if is_by_month else figures.weeks_between
    *rows, total = figures.by_period(microscope, [*split(start, end), (start, end)])
    return Asked(microscope, rows, total)


def _chart(rows: list[Utilization], *, by: str) -> charts.Chart:
    form = "%Y-%m" if by == PeriodForm.MONTH else "%m-%d"
    series = [(name, [getattr(row, name).hours for row in rows]) for name in SERIES]
    return charts.bars([f"{row.start:{form}}" for row in rows], series)


def _lines(asked: Asked) -> Iterator[list[object]]:
    for row in asked.rows:
        yield [
            asked.microscope.label, row.start, row.end, f"{row.working_h:.1f}",
            *(cell for name in SERIES for cell in _cells(getattr(row, name))),
        ]  # fmt: skip


def _cells(figure: Figure) -> list[str]:
    percent = "" if figure.percent is None else f"{figure.percent:.0f}"
    return [f"{figure.hours:.1f}", f"{figure.in_work:.1f}", percent]
