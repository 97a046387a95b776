"""Send the reminders that are due, from the command line: what the schedule does, at hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from facility_app.reminders import remind


class Command(BaseCommand):
    """Send what is due; safe beside the schedule and beside another send_reminders."""

    help = "Send the reminders that are due, a line for each. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list them, send none")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = 0
        for line in remind(dry_run=options["dry_run"]):
            self.stdout.write(line)
            lines += 1
        what = "due, none sent" if options["dry_run"] else "sent"
        self.stdout.write(f"{lines} reminder{'' if lines == 1 else 's'} {what}.")
