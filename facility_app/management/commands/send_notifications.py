"""Send the mails that are due, from the command line: what the schedule does, at hand."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from core_app import notices

BUDGET = timedelta(minutes=10)


class Command(BaseCommand):
    """Send what is due; safe beside the schedule and beside another send_notifications."""

    help = "Send the mails that are due. Safe to repeat, and to run beside the schedule."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list them, send none")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options["format"] == "json"
        if options["dry_run"]:
            self._list(as_json=as_json)
            return
        outcome = notices.send_due(BUDGET)
        self.stdout.write(json.dumps(asdict(outcome)) if as_json else str(outcome))

    def _list(self, *, as_json: bool) -> None:
        due = list(notices.due_mails(at=timezone.now()).values("id", "event", "to", "subject"))
        if as_json:
            self.stdout.write(json.dumps({"due": due}))
            return
        for mail in due:
            self.stdout.write(f"{mail['id']} {mail['event']} to {mail['to']}: {mail['subject']}")
        self.stdout.write(f"{len(due)} due, none sent.")
