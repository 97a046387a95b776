"""Drive the runs from the command line: what the schedule does, at hand."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from processing_app import workflows
from processing_app.services.driving import TickSummary

BUDGET = timedelta(seconds=50)
PAUSE_S = 1.0


class Command(BaseCommand):
    """Move every due attempt on; safe beside the schedule and beside another drive_runs."""

    help = "Move every due attempt of every run on. Safe to repeat, and to run beside the schedule."

    def add_arguments(self, parser: CommandParser) -> None:
        once = parser.add_mutually_exclusive_group()
        once.add_argument("--once", action="store_true", help="one round (the default)")
        once.add_argument("--until-idle", action="store_true", help="go on until no run is active")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        rounds = []
        for summary in _rounds(until_idle=options["until_idle"]):
            rounds.append(asdict(summary))
            if options["format"] == "text":
                self.stdout.write(str(summary))
        if options["format"] == "json":
            self.stdout.write(json.dumps({"rounds": rounds}))


def _rounds(*, until_idle: bool) -> Iterator[TickSummary]:
    while True:
        summary = workflows.drive(BUDGET)
        yield summary
        if not until_idle or not summary.active:
            return
        time.sleep(PAUSE_S)
