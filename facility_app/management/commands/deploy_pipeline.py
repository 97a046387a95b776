"""Put the site's pipeline on clusters, prove that it works there, and note it."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing_app.models import DEFAULT, Cluster
from processing_app.services import deploying
from processing_app.services.deploying import Outcome


class Command(BaseCommand):
    """Deploy to one cluster or to all of them; one that fails does not keep back the others."""

    help = "Copy the pipeline to a cluster, with its environment, and check it there. Repeatable."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--cluster", help=f"its name (usually {DEFAULT})")
        which.add_argument("--all", action="store_true", help="every cluster that takes new runs")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")
        parser.add_argument(
            "--prune", action="store_true", help="also remove versions that no run needs"
        )
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes: list[Outcome] = []
        for row in self._rows(options):
            done = deploying.deploy(row, is_dry=options["dry_run"])
            outcomes.append(done)
            # What is old stays as long as the new does not work.
            if options["prune"] and not done.is_failure:
                outcomes += deploying.prune(row, is_dry=options["dry_run"])
        if options["format"] == "json":
            self.stdout.write(json.dumps({"clusters": [asdict(one) for one in outcomes]}, indent=1))
        else:
            for one in outcomes:
                self._say(one)
        failed = [one.cluster for one in outcomes if one.is_failure]
        if failed:
            raise CommandError(
                f"Not everything worked on: {', '.join(dict.fromkeys(failed))}. Mend what is named "
                "above, then run the command again."
            )

    def _rows(self, options: dict[str, Any]) -> list[Cluster]:
        if options["all"]:
            return list(Cluster.objects.filter(is_offered=True))
        name = options["cluster"] or DEFAULT
        rows = list(Cluster.objects.filter(name=name))
        if not rows:
            known = ", ".join(Cluster.objects.values_list("name", flat=True))
            raise CommandError(f"There is no cluster {name!r}. Known are: {known}.")
        return rows

    def _say(self, one: Outcome) -> None:
        version = f" pipeline {one.version} ({one.digest[:8]})" if one.version else ""
        line = f"{one.cluster}: {one.outcome}{version}. {one.message}"
        (self.stderr if one.is_failure else self.stdout).write(line)
