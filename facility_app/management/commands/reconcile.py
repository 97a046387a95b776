"""List where database, scheduler and disk differ, and repair what is chosen."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing_app.reconciling import ALL, REPAIRS, Difference, Kind
from processing_app.services import access
from processing_app.services.reconciling import Report, reconcile
from processing_app.services.repairs import Outcome

EVERY = "all"


class Command(BaseCommand):
    """Compare three ways; exit 0 if nothing differs or all was repaired."""

    help = "List every difference between database, scheduler and disk; repair what is chosen."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cluster", default="", help="name of one cluster (all of them)")
        parser.add_argument(
            "--repair", nargs="+", default=[], metavar="KIND",
            choices=[EVERY, *(kind for kind in Kind if REPAIRS[kind])],
            help=f"what to repair; {EVERY} is everything but {Kind.LATE_RESULT}",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="say what would be repaired")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = access.named(options["cluster"])
        if not rows:
            raise CommandError(f"There is no cluster {options['cluster'] or 'yet'}.")
        repair = _kinds(options["repair"])
        reports = []
        for row in rows:
            report = reconcile(row, repair=repair, dry_run=options["dry_run"])
            reports.append(report)
            if options["format"] == "text":
                self.stdout.write("\n".join(_lines(report)))
        if options["format"] == "json":
            self.stdout.write(json.dumps({"clusters": [_document(report) for report in reports]}))
        if not all(report.is_settled for report in reports):
            sys.exit(1)


def _kinds(words: list[str]) -> frozenset[Kind]:
    named = frozenset(Kind(word) for word in words if word != EVERY)
    return named | ALL if EVERY in words else named


def _lines(report: Report) -> list[str]:
    if report.trouble:
        unknown = f"{report.cluster}: could not be asked, so nothing is known: {report.trouble}"
        return [unknown, *(_line(*pair) for pair in report.found)]
    count = len(report.found)
    word = "difference" if count == 1 else "differences"
    return [f"{report.cluster}: {count or 'no'} {word}", *(_line(*one) for one in report.found)]


def _line(difference: Difference, outcome: Outcome) -> str:
    became = f"{outcome.word}: {outcome.why}" if outcome.why else outcome.word
    if outcome.word == "listed":
        became = f"--repair: {difference.repair}" if difference.repair else "no repair"
    return f"  {difference.kind:<22} {difference.subject}  {difference.words} [{became}]"


def _document(report: Report) -> dict[str, object]:
    differences = [
        {
            "kind": difference.kind,
            "subject": difference.subject,
            "words": difference.words,
            "repair": difference.repair,
            "outcome": asdict(outcome),
        }
        for difference, outcome in report.found
    ]
    return {"cluster": report.cluster, "trouble": report.trouble, "differences": differences}
