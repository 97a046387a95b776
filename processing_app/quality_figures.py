"""Pure: what steps said of the quality of images, as a page shows it. Strange parts are left out.

Everything here comes from a file that a job wrote, so nothing in it is taken on trust.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

VERDICTS: Final = {"pass": "Good", "warn": "Doubtful", "fail": "Bad"}
# How the site shows a verdict.
TOKENS: Final = {"pass": "done", "warn": "needs-you", "fail": "failed"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 200, 56, 16, 12, 32
MOST_FIGURES, MOST_CURVES, MOST_PICTURES, MOST_POINTS = 200, 24, 24, 600
MOST_LABELS = 4
# What can be drawn with round numbers at the axes.
LARGEST, SMALLEST = 1e15, 1e-30
LONGEST = 200
# The step that registers leaves its picture under this name.
OVERLAY: Final = "overlay.png"
_PICTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}\.(?:png|jpe?g)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number with its limit and what it means."""

    label: str
    value: str
    unit: str
    limit: str
    verdict: str
    channel: str

    @property
    def word(self) -> str:
        return VERDICTS.get(self.verdict, "")

    @property
    def token(self) -> str:
        return TOKENS.get(self.verdict, "waiting")


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of an axis: where it is, and its number."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve as the drawing needs it: points, marks of both axes, and the range in words."""

    label: str
    unit: str
    channel: str
    lines: tuple[str, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    base: int = HEIGHT - BOTTOM
    top: int = TOP


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture beside the figures, by the name of its file."""

    file: str
    label: str
    channel: str


@dataclass(frozen=True, slots=True)
class Registration:
    """How well the registration went, and the picture of it."""

    score: str = ""
    least: str = ""
    verdict: str = ""
    overlay: str = ""
    fault: str = ""

    @property
    def word(self) -> str:
        return VERDICTS.get(self.verdict, "")

    @property
    def token(self) -> str:
        return TOKENS.get(self.verdict, "waiting")


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything on one sheet."""

    verdict: str = ""
    figures: tuple[Figure, ...] = ()
    curves: tuple[Curve, ...] = ()
    pictures: tuple[Picture, ...] = ()
    registration: Registration | None = None

    @property
    def word(self) -> str:
        return VERDICTS.get(self.verdict, "")

    @property
    def token(self) -> str:
        return TOKENS.get(self.verdict, "waiting")

    @property
    def is_empty(self) -> bool:
        return not (self.figures or self.curves or self.pictures or self.registration)


def read(figures: object) -> Findings:
    """Return what can be shown of a sheet."""
    quality = _mapping(_mapping(figures).get("quality"))
    return Findings(
        verdict=_verdict(quality),
        figures=tuple(filter(None, map(_figure, _rows(quality, "figures", MOST_FIGURES)))),
        curves=tuple(filter(None, map(_curve, _rows(quality, "curves", MOST_CURVES)))),
        pictures=tuple(filter(None, map(_picture, _rows(quality, "pictures", MOST_PICTURES)))),
        registration=registration_of(_mapping(figures).get("registration")),
    )


def registration_of(facts: object) -> Registration | None:
    """Return what can be shown of a registration, or None if nothing of it is known."""
    known = _mapping(facts)
    score, least = _number(known.get("score")), _number(known.get("least_score"))
    overlay = _file(known.get("overlay"))
    if score is None and not overlay:
        return None
    return Registration(
        _shown(score), _shown(least), _verdict(known) or _judged(score, least),
        overlay or OVERLAY, _text(known.get("fault")),
    )  # fmt: skip


def _judged(score: float | None, least: float | None) -> str:
    if score is None or least is None:
        return ""
    return "pass" if score >= least else "fail"


def pictures_in(facts: object) -> frozenset[str]:
    """Return the names of the pictures that what a step said names."""
    known = _mapping(facts)
    rows = (_picture(row) for row in _rows(known, "pictures", MOST_PICTURES))
    names = {picture.file for picture in rows if picture}
    registration = registration_of(facts)
    return frozenset({*names, registration.overlay} if registration else names)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: Mapping[str, object], name: str, most: int) -> list[Mapping[str, object]]:
    rows = value.get(name)
    return [_mapping(row) for row in rows[:most]] if isinstance(rows, list) else []


def _text(value: object) -> str:
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _channel(row: Mapping[str, object]) -> str:
    value = row.get("channel")
    return str(value)[:LONGEST] if isinstance(value, int) else _text(value)


def _verdict(row: Mapping[str, object]) -> str:
    word = _text(row.get("verdict"))
    return word if word in VERDICTS else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _shown(value: float | None) -> str:
    """Return a number as people read it: four digits, no powers of ten for usual sizes."""
    if value is None:
        return ""
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    if 0.001 <= abs(value) < 1e6:
        text = f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3g}"


def _value(value: object) -> str:
    number = _number(value)
    return _text(value) if number is None else _shown(number)


def _limit(value: object) -> str:
    """A limit is a number, or two of which either may be open, or words."""
    if isinstance(value, list) and len(value) == 2:
        low, high = (_number(part) for part in value)
        if low is not None and high is not None:
            return f"{_shown(low)} to {_shown(high)}"
        return f"at least {_shown(low)}" if low is not None else _at_most(high)
    return _value(value)


def _at_most(high: float | None) -> str:
    return f"at most {_shown(high)}" if high is not None else ""


def _name(row: Mapping[str, object]) -> str:
    return _text(row.get("label")) or _text(row.get("name")).replace("_", " ")


def _figure(row: Mapping[str, object]) -> Figure | None:
    label, value = _name(row), _value(row.get("value"))
    if not label or not value:
        return None
    return Figure(
        label, value, _text(row.get("unit")), _limit(row.get("limit")), _verdict(row),
        _channel(row),
    )  # fmt: skip


def _file(value: object) -> str:
    """Return the name of a picture, one part of a path; nothing for any other."""
    text = value if isinstance(value, str) else ""
    return text if _PICTURE.fullmatch(text) else ""


def _picture(row: Mapping[str, object]) -> Picture | None:
    file = _file(row.get("file"))
    return Picture(file, _text(row.get("label")) or file, _channel(row)) if file else None


def _curve(row: Mapping[str, object]) -> Curve | None:
    label, runs = _name(row), list(_runs(row.get("x"), row.get("y")))
    points = [point for run in runs for point in run]
    if not label or len(points) < 2:
        return None
    unit = _text(row.get("unit"))
    (x0, x1), (y0, y1) = _span([x for x, _ in points]), _span([y for _, y in points])
    lines = tuple(
        " ".join(f"{_across(x, x0, x1):.1f},{_up(y, y0, y1):.1f}" for x, y in run) for run in runs
    )
    least, most = min(y for _, y in points), max(y for _, y in points)
    return Curve(
        label, unit, _channel(row), lines,
        across=tuple(Tick(_across(x, x0, x1), _shown(x)) for x in _marks(x0, x1)),
        up=tuple(Tick(_up(y, y0, y1), _shown(y)) for y in _marks(y0, y1)),
        summary=f"from {_shown(least)} to {_shown(most)} {unit}".strip(),
    )  # fmt: skip


def _runs(xs: object, ys: object) -> Iterator[list[tuple[float, float]]]:
    """Return the pieces of a curve; it is broken where there is no value."""
    if not isinstance(xs, list) or not isinstance(ys, list):
        return
    pairs = list(zip(xs, ys, strict=False))
    piece: list[tuple[float, float]] = []
    for x, y in pairs[:: max(1, -(-len(pairs) // MOST_POINTS))]:
        at, value = _number(x), _number(y)
        if at is not None and value is not None and max(abs(at), abs(value)) < LARGEST:
            piece.append((_drawn(at), _drawn(value)))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _drawn(value: float) -> float:
    """What is too small for round numbers between it and 0 is drawn as 0."""
    return value if abs(value) > SMALLEST else 0.0


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return where an axis begins and ends: at round numbers, never of no length."""
    low, high = min(values), max(values)
    step = _step((high - low) or abs(high) or 1.0)
    return math.floor(low / step) * step, (math.floor(high / step) + (high % step > 0)) * step


def _step(length: float) -> float:
    power = 10.0 ** math.floor(math.log10(length / MOST_LABELS))
    return next(f * power for f in (1, 2, 5, 10) if f * power * MOST_LABELS >= length)


def _marks(low: float, high: float) -> list[float]:
    step = _step(high - low) if high > low else 1.0
    count = min(round((high - low) / step), MOST_LABELS + 2)
    return [low + step * i for i in range(count + 1)]


def _across(x: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * ((x - low) / (high - low) if high > low else 0.5)


def _up(y: float, low: float, high: float) -> float:
    full = HEIGHT - BOTTOM - TOP
    return HEIGHT - BOTTOM - full * ((y - low) / (high - low) if high > low else 0.5)
