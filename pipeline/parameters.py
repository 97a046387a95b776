"""Read typed values out of a spec; whatever is wrong becomes a sentence for the person."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.contract import Json

MOST_COUNT: Final = 1_000_000


def text(values: Mapping[str, Json], key: str, default: str | None = None) -> str:
    value = values.get(key, default)
    if not isinstance(value, str):
        raise BadInput(f"{key} must be a text, not {value!r}.")
    return value


def texts(values: Mapping[str, Json], key: str) -> list[str]:
    """A list of texts; none if it is not given."""
    value = values.get(key, [])
    if not isinstance(value, list):
        raise BadInput(f"{key} must be a list of texts, not {value!r}.")
    return [text({key: item}, key) for item in value]


def choice(values: Mapping[str, Json], key: str, *allowed: str) -> str:
    """One of the words allowed; the first if it is not given."""
    value = text(values, key, allowed[0])
    if value not in allowed:
        raise BadInput(f"{key} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def integer(values: Mapping[str, Json], key: str, default: int | None = None) -> int:
    """A whole number from 0 to MOST_COUNT: whatever is counted is made or looked for one by one."""
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadInput(f"{key} must be a whole number, not {value!r:.80}.")
    if value > MOST_COUNT:
        raise BadInput(f"{key} must be at most {MOST_COUNT:,}, not {value!r:.40}. Correct it.")
    return value


def integers(values: Mapping[str, Json], key: str) -> list[int]:
    """A list of whole numbers of at least 0; none if it is not given."""
    value = values.get(key, [])
    if not isinstance(value, list):
        raise BadInput(f"{key} must be a list of whole numbers, not {value!r}.")
    return [integer({key: item}, key) for item in value]


def number(values: Mapping[str, Json], key: str, default: float) -> float:
    """A finite number of at least 0."""
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{key} must be a number, not {value!r}.")
    try:
        found = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        found = math.inf
    if not math.isfinite(found) or found < 0:
        raise BadInput(f"{key} must be a number of at least 0, not {value!r:.80}.")
    return found


def triple(values: Mapping[str, Json], key: str) -> tuple[float, float, float]:
    """Three positive numbers, x, y, z."""
    value = values.get(key)
    if not isinstance(value, list) or len(value) != 3:
        raise BadInput(f"{key} must be three numbers (x, y, z), not {value!r}.")
    x, y, z = (number({key: item}, key, 0.0) for item in value)
    if min(x, y, z) <= 0:
        raise BadInput(f"{key} must be three positive numbers (x, y, z), not {value!r}.")
    return x, y, z
