"""Check each part of the site against the real thing, one line per check with the next action."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from facility_app.doctor import examining
from facility_app.doctor.findings import Line, Verdict
from processing_app.models import Cluster
from processing_app.services import access


class Command(BaseCommand):
    """Exit 1 if a check failed; a warning is none."""

    help = "Check database, storage, mail, queue and every cluster, each with the next action."
    # It says itself what is wrong, in its own words.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cluster", default="", help="check this cluster alone")
        parser.add_argument(
            "--wait", type=float, default=None, metavar="SECONDS",
            help="for a tiny job to end (60 for processes of this host, else 300)",
        )  # fmt: skip
        parser.add_argument(
            "--quick", action="store_true", help="no tiny jobs for profiles but the usual one"
        )
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["wait"] is not None and options["wait"] <= 0:
            raise CommandError("--wait is a number of seconds above 0.")
        lines = []
        for line in _lines(options["cluster"], options["wait"], is_quick=options["quick"]):
            lines.append(line)
            if options["format"] == "text":
                self.stdout.write(str(line))
        has_failed = any(line.verdict == Verdict.FAILED for line in lines)
        if options["format"] == "json":
            document = {"ok": not has_failed, "checks": [asdict(line) for line in lines]}
            self.stdout.write(json.dumps(document))
        if has_failed:
            sys.exit(1)


def _lines(name: str, wait_s: float | None, *, is_quick: bool) -> Iterator[Line]:
    if not name:
        yield from examining.site()
    for row in _rows(name):
        yield from examining.of_cluster(row, wait_s=wait_s, is_quick=is_quick)


def _rows(name: str) -> list[Cluster]:
    try:
        rows = access.named(name)
    except DatabaseError as problem:
        if name:
            raise CommandError(f"The database names no clusters: {problem}") from problem
        return []  # the check of the database has said so
    if name and not rows:
        raise CommandError(f"There is no cluster {name}.")
    return rows
