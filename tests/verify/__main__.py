"""Measure everything and print one table; exit 1 if a figure is beyond its limit."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.verify.figures import MODULES, figures_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verify", description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[*MODULES, []], help="some instead of all")
    chosen = parser.parse_args().modules or MODULES
    named = os.environ.get("LIGHTSERV_REAL_DATA", "")
    real = Path(named) if named else None
    table = Table("what", "figure", "limit", "", title="How right the products are")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="lightserv-verify-") as work:
        for module in chosen:
            for figure in figures_of(module, Path(work) / module, real):
                wrong += not figure.ok
                sign = "≤" if figure.at_most else "≥"
                words = "ok" if figure.ok else "BEYOND"
                table.add_row(figure.name, f"{figure.got:.4g}", f"{sign} {figure.limit:g}", words)
    Console(width=120 if not sys.stdout.isatty() else None).print(table)
    if real is None:
        sys.stdout.write("Without LIGHTSERV_REAL_DATA only phantoms were measured.\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
