"""Every benchmark as one table and var/bench.json: `python -m bench.run [--size small]`.

The small size shows that everything works; its figures mean nothing, so they get a file of their
own, var/bench_small.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import (
    clicking,
    delivery,
    driving,
    plane_steps,
    polling,
    precompute,
    registration,
    serving,
    stitching,
    submission,
)
from bench.measure import REPOSITORY
from bench.rows import Row, as_json, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_FOLDER = REPOSITORY / "var"
_RESULTS = {"full": "bench.json", "small": "bench_small.json"}

# Each gives its rows for a size, "full" or "small"; a new group of targets is a new line here.
GROUPS: tuple[Callable[[str], Iterable[Row]], ...] = (
    precompute.rows,
    plane_steps.rows,
    stitching.rows,
    registration.rows,
    submission.rows,
    driving.rows,
    polling.rows,
    delivery.rows,
    serving.rows,
    clicking.rows,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write the file. A target that is not met is reported, it is no failure."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--size", choices=tuple(_RESULTS), default="full")
    parser.add_argument("--compare", type=Path, help="a former bench.json to show beside")
    chosen = parser.parse_args(arguments)
    before = _former(chosen.compare) if chosen.compare else {}
    rows = [row for group in GROUPS for row in group(chosen.size)]
    _FOLDER.mkdir(parents=True, exist_ok=True)
    result = _FOLDER / _RESULTS[chosen.size]
    result.write_text(json.dumps(as_json(rows), indent=1), encoding="utf-8")
    sys.stdout.write(table(rows, before) + "\n")
    return 0


def _former(path: Path) -> dict[str, float | None]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return {row["name"]: row["ratio"] for row in document["rows"]}


if __name__ == "__main__":
    sys.exit(main())
