"""The trend of a measured figure as the geometry of a plot; a template draws it as SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WIDTH, HEIGHT = 420, 232
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 32, 32
MOST_Y_TICKS = 5
SHAPES = 4


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured in one way, such as at one objective: (day, value) in any order."""

    name: str
    points: tuple[tuple[date, float], ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of an axis: its place in the picture and its text."""

    at: str
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Mark:
    """One measurement in the picture."""

    x: str
    y: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series in the picture; `shape` tells lines apart without color."""

    name: str
    shape: int
    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything to draw, in units of the picture."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight scale from values to the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> str:
        share = (value - self.low) / (self.high - self.low)
        return f"{self.start + share * (self.end - self.start):.1f}"


def plot_of(series: Iterable[Series]) -> Plot | None:
    """Return the plot of these series, or None where nothing finite was measured."""
    shown = [kept for one in series if (kept := _finite(one)).points]
    if not shown:
        return None
    days = [day for one in shown for day, _ in one.points]
    ticks = ticks_between(*_range([value for one in shown for _, value in one.points]))
    across = _days_scale(min(days), max(days))
    up = Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    return Plot(
        x_ticks=_day_ticks(min(days), max(days), across),
        y_ticks=tuple(Tick(up(tick), f"{tick:g}", "end") for tick in ticks),
        lines=tuple(_line(one, i % SHAPES, across, up) for i, one in enumerate(shown)),
    )


def ticks_between(low: float, high: float) -> list[float]:
    """Return round numbers that enclose the range, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / (MOST_Y_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    # Figures beyond those of the step are rounding of the computer.
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(n * step, digits) for n in range(first, last + 1)]


def _finite(series: Series) -> Series:
    points = sorted((day, value) for day, value in series.points if math.isfinite(value))
    return Series(series.name, tuple(points))


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    room = abs(low) * 0.1 or 1.0
    return low - room, high + room


def _days_scale(first: date, last: date) -> Scale:
    if first == last:  # one day stands in the middle
        first, last = first - timedelta(days=1), last + timedelta(days=1)
    return Scale(first.toordinal(), last.toordinal(), LEFT + 8, WIDTH - RIGHT - 8)


def _day_ticks(first: date, last: date, across: Scale) -> tuple[Tick, ...]:
    if first == last:
        return (Tick(across(first.toordinal()), first.isoformat()),)
    ends = (
        Tick(across(first.toordinal()), first.isoformat(), "start"),
        Tick(across(last.toordinal()), last.isoformat(), "end"),
    )
    middle = first + (last - first) / 2
    if (last - first).days < 2:
        return ends
    return (ends[0], Tick(across(middle.toordinal()), middle.isoformat()), ends[1])


def _line(series: Series, shape: int, across: Scale, up: Scale) -> Line:
    marks = tuple(
        Mark(across(day.toordinal()), up(value), f"{day}: {value:g}")
        for day, value in series.points
    )
    return Line(series.name, shape, " ".join(f"{mark.x},{mark.y}" for mark in marks), marks)
