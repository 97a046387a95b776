"""From which value on a figure is a warning or a failure, and the word for all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline import parameters
from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.contract import Json, JsonDict

PASS, WARN, FAIL = "pass", "warn", "fail"
_WORDS: Final = (PASS, WARN, FAIL)


@dataclass(frozen=True, slots=True)
class Limit:
    """`warn` and `fail` are reached from below, or from above where `warn` is the larger."""

    warn: float
    fail: float
    unit: str
    text: str

    def verdict(self, value: float) -> str:
        if self.warn > self.fail:
            return FAIL if value <= self.fail else WARN if value <= self.warn else PASS
        return FAIL if value >= self.fail else WARN if value >= self.warn else PASS


LIMITS: Final[dict[str, Limit]] = {
    "saturated": Limit(0.0005, 0.01, "", "Share of pixels at 65535"),
    "clipped": Limit(0.002, 0.02, "", "Share of pixels at the brightest value of the volume"),
    "signal_to_noise": Limit(6.0, 2.5, "", "Tissue above background over noise, median of planes"),
    "background": Limit(1.0, 4.0, "", "Background over signal, median of planes"),
    "stripes": Limit(0.03, 0.1, "", "Spread of rows from their neighbors, median of planes"),
    "illumination": Limit(1.6, 3.0, "", "Brighter over darker half, median of planes"),
    "sharpness": Limit(0.5, 0.2, "", "Sharpness of the least sharp tenth over the median"),
    "stitching": Limit(1.5, 4.0, "px", "Median residual of the tiles' placement"),
    "registration": Limit(0.75, 0.5, "", "Score of the registration to the atlas"),
}


def read_limits(given: JsonDict) -> dict[str, Limit]:
    """Return the limits with those that the spec changes: `{"stripes": [0.05, 0.2]}`."""
    changed = given.get("limits", {})
    if not isinstance(changed, dict) or set(changed) - set(LIMITS):
        raise BadInput(f"limits must name some of {', '.join(LIMITS)}, not {changed!r}.")
    return LIMITS | {name: _changed(name, value) for name, value in changed.items()}


def figure(name: str, value: float | None, limits: dict[str, Limit]) -> JsonDict:
    """One figure with its word; a value that could not be measured has none and is no failure."""
    limit = limits[name]
    return {
        "name": name,
        "text": limit.text,
        "unit": limit.unit,
        "value": None if value is None else round(value, 6),
        "warn": limit.warn,
        "fail": limit.fail,
        "verdict": None if value is None else limit.verdict(value),
    }


def overall(figures: Iterable[JsonDict]) -> str:
    """The worst word of all; pass where nothing could be measured."""
    words = [figure["verdict"] for figure in figures if figure["verdict"] in _WORDS]
    return max(words, key=_WORDS.index, default=PASS) if words else PASS


def _changed(name: str, value: Json) -> Limit:
    if not isinstance(value, list) or len(value) != 2:
        raise BadInput(f"The limits of {name} must be two numbers, warn and fail, not {value!r}.")
    warn, fail = (parameters.number({name: item}, name, 0) for item in value)
    return Limit(warn, fail, LIMITS[name].unit, LIMITS[name].text)
