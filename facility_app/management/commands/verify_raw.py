"""Have raw data read again that nobody has read for long: every file against its digest."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core_app.errors import DomainError
from imaging_app import workflows
from imaging_app.selectors import imaged_and_not_read_since

MOST = 10_000


class Command(BaseCommand):
    """Start second readings, the ones waited for longest first."""

    help = "Have raw data of finished samples read again and compared with the check. Repeatable."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=int, default=180, help="what was not read for so many days (default 180)"
        )
        parser.add_argument(
            "--most", type=int, default=10, help="samples at most, so that the cluster stays usable"
        )
        parser.add_argument("--dry-run", action="store_true", help="name them, start nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["days"] < 0 or not 1 <= options["most"] <= MOST:
            raise CommandError(f"--days is 0 or more, --most lies between 1 and {MOST:,}.")
        before = timezone.now() - timedelta(days=options["days"])
        begun = 0
        for imaging_request in imaged_and_not_read_since(before)[: options["most"]]:
            if not options["dry_run"]:
                try:
                    workflows.verify_delivery(imaging_request, by=None)
                except DomainError as refusal:
                    self.stderr.write(f"{imaging_request}: {refusal.message}")
                    continue
            begun += 1
            self.stdout.write(str(imaging_request))
        what = "to be read again" if options["dry_run"] else "being read again"
        self.stdout.write(f"{begun} sample{'' if begun == 1 else 's'} {what}.")
