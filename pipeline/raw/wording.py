"""Counts and lists of planes as a person says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.raw.codes import problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.contract import Problem

_MOST_RANGES = 6


def folded(items: Sequence[str], *, most: int = 3, count: int | None = None) -> str:
    """Join names for a sentence, the rest as a number: "a, b and 37 more like it".

    `count` is how many there are in all if `items` are only the first of them.
    """
    more = (len(items) if count is None else count) - most
    named = ", ".join(printable(item) for item in items[:most])
    return f"{named} and {more:,} more like it" if more > 0 else named


def printable(name: str) -> str:
    r"""A file name as text: bytes that are no UTF-8 as \xff."""
    data = name.encode("utf-8", errors="surrogateescape")
    return data.decode("utf-8", errors="backslashreplace")


def is_printable(name: str) -> bool:
    return name.isascii() or printable(name) == name


def plane_ranges(numbers: Sequence[int]) -> str:
    """Planes in words, from sorted numbers: "planes 3, 120-134 and 4 more ranges"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    words = [str(low) if low == high else f"{low}-{high}" for low, high in spans]
    more = len(words) - _MOST_RANGES
    tail = f" and {more:,} more range{'s' if more > 1 else ''}" if more > 0 else ""
    return f"plane{'s' if len(numbers) > 1 else ''} {', '.join(words[:_MOST_RANGES])}{tail}"


def count_files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def files_are(count: int) -> str:
    """ "1 file is" or "3 files are"."""
    return f"{count_files(count)} {be(count)}"


def be(count: int) -> str:
    return "is" if count == 1 else "are"


def belong(count: int) -> str:
    return "belongs" if count == 1 else "belong"


def unprintable_names(names: Sequence[str], count: int, *, then: str) -> Problem:
    """The problem of names that no program here could write down; `names` are the first of them."""
    words = [printable(name) for name in names]
    have = "has a name that is" if count == 1 else "have names that are"
    return problem(
        "name",
        words[0],
        f"{count_files(count)} {have} not valid UTF-8: {folded(words, count=count)}.",
        f"Rename {'it' if count == 1 else 'them'} in plain letters, then {then}.",
        evidence=[str(count), *words],
    )
