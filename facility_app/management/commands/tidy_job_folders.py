"""Pack and remove folders of jobs that are long over: what the schedule does, at hand."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing_app.services import access, tidying


class Command(BaseCommand):
    """Safe beside the schedule and to repeat; what is not done in a minute is due next time."""

    help = "Put folders of attempts that are long over into archives, and remove those in the end."

    def add_arguments(self, parser: CommandParser) -> None:
        usual = tidying.usual_ages()
        parser.add_argument("--cluster", default="", help="name of one cluster (all of them)")
        parser.add_argument(
            "--compress-after", type=int, default=usual.compress, metavar="DAYS",
            help=f"0: never (default {usual.compress})",
        )  # fmt: skip
        parser.add_argument(
            "--remove-after", type=int, default=usual.remove, metavar="DAYS",
            help=f"0: never (default {usual.remove})",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="count them, do nothing")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        ages = tidying.Ages(options["compress_after"], options["remove_after"])
        if min(ages.compress, ages.remove) < 0:
            raise CommandError("Days are 0 or more.")
        rows = access.named(options["cluster"])
        if not rows:
            raise CommandError(f"There is no cluster {options['cluster'] or 'yet'}.")
        tidied = []
        for one in tidying.tidy_all(rows, ages, dry_run=options["dry_run"]):
            tidied.append(one)
            if options["format"] == "text":
                self.stdout.write(f"{one}{' (nothing done)' if options['dry_run'] else ''}")
        if options["format"] == "json":
            document = {"dry_run": options["dry_run"], "clusters": [asdict(one) for one in tidied]}
            self.stdout.write(json.dumps(document))
        if any(one.trouble or one.failed for one in tidied):
            sys.exit(1)
