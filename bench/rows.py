"""One line of the benchmark table, and the table itself."""

from __future__ import annotations

import operator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMPARISONS = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is what `target` speaks of; `value` and `reference` are as they were measured."""

    name: str
    value: str
    reference: str
    ratio: float | None
    target: str
    met: bool


def judged(
    name: str, *, value: str, reference: str, ratio: float, comparison: str, limit: float
) -> Row:
    """A row that meets its target if ratio `comparison` ("<=" or ">=") limit holds."""
    met = bool(_COMPARISONS[comparison](ratio, limit))
    return Row(name, value, reference, round(ratio, 3), f"{comparison} {limit:g}", met)


def missing(name: str, *, why: str, target: str) -> Row:
    """A row whose reference could not be run; it counts as not met."""
    return Row(name, "-", why, None, target, met=False)


def as_json(rows: Sequence[Row]) -> dict[str, object]:
    return {"rows": [asdict(row) for row in rows]}


def table(rows: Sequence[Row], before: Mapping[str, float | None]) -> str:
    """The rows as aligned text; `before` holds former ratios by name."""
    head = ("what", "value", "reference", "ratio", "before", "target", "met")
    lines = [head, *(_cells(row, before) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row, before: Mapping[str, float | None]) -> tuple[str, ...]:
    former = before.get(row.name)
    return (
        row.name,
        row.value,
        row.reference,
        "-" if row.ratio is None else f"{row.ratio:.2f}",
        "-" if former is None else f"{former:.2f}",
        row.target,
        "yes" if row.met else "NO",
    )
