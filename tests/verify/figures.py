"""One measured figure and its limit; each module of MODULES yields some."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each has figures(work, real): it may write into the folder `work`; `real` is the folder of real
# brains, or None where there is none.
MODULES: tuple[str, ...] = (
    "planes",
    "volumes",
    "cells",
    "stitching",
    "registration",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and the least (or, `at_most`, the most) it may be."""

    name: str
    got: float
    limit: float
    at_most: bool = False

    @property
    def ok(self) -> bool:
        return self.got <= self.limit if self.at_most else self.got >= self.limit

    def __str__(self) -> str:
        side = "at most" if self.at_most else "at least"
        return f"{self.name}: {self.got:.4g}, {side} {self.limit:g}"


def figures_of(module: str, work: Path, real: Path | None) -> Iterator[Figure]:
    """Measure what one module measures."""
    work.mkdir(parents=True, exist_ok=True)
    yield from importlib.import_module(f"tests.verify.{module}").figures(work, real)
