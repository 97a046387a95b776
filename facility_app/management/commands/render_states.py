"""Write docs/states.md from the state tables in the code, or check that it is fresh."""

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core_app.models import Stateful

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """# State machines

Generated from the tables in the code by `make states`; do not edit. A state in *italics* is final.
"""


def rendered() -> str:
    """Return the whole page."""
    machines = [m for m in apps.get_models() if issubclass(m, Stateful)]
    return "\n".join([HEAD, *[_section(machine) for machine in machines]])


def _section(machine: type[Stateful]) -> str:
    table = machine.TABLE
    rows = [f"| {_word(s, table.terminal)} | {_targets(machine, s)} |" for s in table.states]
    head = (
        f"## {machine.__name__}\n\n"
        f"Starts as `{table.start}`. Defined in `{machine._meta.app_label}/states.py`.\n"
    )
    return "\n".join([head, "| from | to |", "| --- | --- |", *rows, ""])


def _word(state: str, terminal: frozenset[str]) -> str:
    return f"*{state}*" if state in terminal else state


def _targets(machine: type[Stateful], state: str) -> str:
    return ", ".join(sorted(machine.TABLE.edges.get(state, frozenset()))) or "–"


class Command(BaseCommand):
    """Render the state tables."""

    help = "Write docs/states.md from the state tables; --check only compares."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail if the page is not fresh")

    def handle(self, *args: Any, **options: Any) -> None:
        page: Path = settings.BASE_DIR / "docs" / "states.md"
        if options["check"]:
            if not page.exists() or page.read_text(encoding="utf-8") != rendered():
                raise CommandError("docs/states.md is not fresh. Run `make states` and commit it.")
            return
        page.parent.mkdir(exist_ok=True)
        page.write_text(rendered(), encoding="utf-8")
        self.stdout.write(f"Wrote {page.name}.")
