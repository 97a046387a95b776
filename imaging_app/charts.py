"""Bars of hours as numbers for an SVG: the template draws them, the style sheet colors them."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 200
LEFT, BOTTOM, TOP = 48, 24, 16
MOST_LABELS = 6
STEPS = (1, 2, 5)
LINES = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; lengths in units of the drawing, `hours` for the words on hover."""

    series: str
    x: int
    y: int
    width: int
    height: int
    hours: float


@dataclass(frozen=True, slots=True)
class Group:
    """The bars of one period, and its label where there is room for one."""

    label: str
    x: int
    bars: list[Bar]
    shows_label: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One horizontal line with its number."""

    y: int
    value: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the drawing needs."""

    groups: list[Group]
    lines: list[Line]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM
    label_y: int = HEIGHT - 6


def bars(labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]]) -> Chart:
    """Return grouped bars: one group for each label, one bar in it for each series of hours."""
    step = _step(max((max(values, default=0) for _, values in series), default=0))
    lines = [Line(_y(step * i, step), f"{step * i:g}") for i in range(LINES + 1)]
    room = (WIDTH - LEFT) / max(1, len(labels))
    every = -(-len(labels) // MOST_LABELS) if labels else 1
    groups = [
        Group(
            label,
            round(LEFT + room * (i + 0.5)),
            _group(i, room, step, series),
            shows_label=i % every == 0,
        )
        for i, label in enumerate(labels)
    ]
    return Chart(groups, lines)


def _group(
    place: int, room: float, step: float, series: Sequence[tuple[str, Sequence[float]]]
) -> list[Bar]:
    width = max(1, int(room * 0.8 / max(1, len(series))))
    left = LEFT + room * (place + 0.5) - width * len(series) / 2
    return [
        Bar(
            name, round(left) + width * i, _y(values[place], step), width,
            HEIGHT - BOTTOM - _y(values[place], step), values[place],
        )
        for i, (name, values) in enumerate(series)
    ]  # fmt: skip


def _step(most: float) -> float:
    """Return a round distance of lines, so that LINES of them reach over the highest bar."""
    factor = 1.0
    while True:
        for step in STEPS:
            if step * factor * LINES >= most:
                return step * factor
        factor *= 10


def _y(value: float, step: float) -> int:
    full = HEIGHT - BOTTOM - TOP
    return HEIGHT - BOTTOM - round(full * value / (step * LINES))
