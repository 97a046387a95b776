"""End the views that are over: what the schedule does, at hand."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core_app.errors import OutsideError
from viewers_app import tasks
from viewers_app.services import processes, sessions


class Command(BaseCommand):
    """Safe beside the schedule and to repeat."""

    help = "End views whose time or sign-in is over, or at which nobody looks any more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say which and why, end none")

    def handle(self, *args: Any, **options: Any) -> None:
        over = list(sessions.views_over())
        for one in over:
            owner = one.session.owner or "a visitor of a link"
            self.stdout.write(f"{one.session} of {owner}: {one.why}")
        if options["dry_run"]:
            self.stdout.write(f"{len(over)} views are over; none was ended (--dry-run).")
            for difference in _drift():
                self.stdout.write(f"{difference.view}: {difference.words}")
        else:
            self.stdout.write(f"{sessions.expire_sessions()} views ended.")
            self.stdout.write(tasks.tend_views())


def _drift() -> list[processes.Drift]:
    if settings.LAUNCHER == "static":
        return []
    try:
        return processes.drift()
    except OutsideError as problem:
        raise CommandError(f"The launcher of viewers could not be asked: {problem}") from problem
