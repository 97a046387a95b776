"""See how the clusters fare; freeze, unfreeze and resume one at hand."""

import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Q
from django.utils import timezone

from core_app.errors import DomainError
from processing_app import selectors
from processing_app.models import Cluster
from processing_app.services import clusters
from processing_app.states import ACTIVE

DONE = {"freeze": "frozen", "unfreeze": "unfrozen", "resume": "asked again"}


class Command(BaseCommand):
    """Four doors to the services that the staff console uses as well."""

    help = "List the clusters and how they fare; freeze, unfreeze or resume one."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        each = {
            "list": "how each fares",
            "freeze": "hand in nothing more there; what is at work goes on",
            "unfreeze": "hand in again",
            "resume": "ask a paused or silent one again at once",
        }
        for act, words in each.items():
            sub = acts.add_parser(act, help=words)
            sub.add_argument("--format", choices=["text", "json"], default="text")
            if act != "list":
                sub.add_argument("name", help="the name of the cluster")
            if act == "freeze":
                sub.add_argument("--reason", required=True, help="what people who wait will read")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options.get("name")
        if name is not None:
            try:
                _act(options["act"], _named(name), reason=options.get("reason") or "")
            except DomainError as refusal:
                raise CommandError(refusal.message) from None
        facts = [_facts_of(row) for row in _rows() if name in {None, row.name}]
        if options["format"] == "json":
            self.stdout.write(json.dumps({"clusters": facts}))
        elif name is not None:
            self.stdout.write(f"{name}: {DONE[options['act']]}.")
        else:
            self._table(facts)

    def _table(self, facts: list[dict[str, Any]]) -> None:
        for each in facts:
            runs = each["active_runs"]
            self.stdout.write(
                f"{each['name']} ({each['kind']}): {'; '.join(each['condition']) or 'fine'}; "
                f"last answer {each['answered_at'] or 'none yet'}, in {each['poll_took_s']:.1f} s; "
                f"{runs} active run{'' if runs == 1 else 's'}"
            )


def _act(act: str, row: Cluster, *, reason: str) -> None:
    if act == "freeze":
        clusters.freeze(row, by=None, reason=reason)
    elif act == "unfreeze":
        clusters.unfreeze(row, by=None)
    else:
        clusters.resume(row, by=None)


def _named(name: str) -> Cluster:
    row = Cluster.objects.filter(name=name).first()
    if row is None:
        known = ", ".join(Cluster.objects.values_list("name", flat=True))
        raise CommandError(f"There is no cluster {name}. There are: {known}.")
    return row


def _rows() -> list[Any]:
    active = Count("runs", filter=Q(runs__state__in=ACTIVE))
    return list(Cluster.objects.select_related("status").annotate(active=active))


def _facts_of(row: Any) -> dict[str, Any]:
    status = row.status
    return {
        "name": row.name,
        "kind": clusters.kind_of(row),
        "condition": [
            f"{one.what} since {_iso(one.since)}{f' ({said})' if said else ''}"
            for one in selectors.troubles([row])
            for said in [one.said or one.reason]
        ],
        "answered_at": _iso(status.answered_at),
        "silent_since": _iso(status.silent_since),
        "part_silent_since": _iso(status.part_silent_since),
        "paused_at": _iso(status.paused_at),
        "frozen_at": _iso(status.frozen_at),
        "frozen_reason": status.frozen_reason,
        "trouble": status.trouble,
        "part_trouble": status.part_trouble,
        "poll_took_s": status.poll_took_s,
        "active_runs": row.active,
        "is_offered": row.is_offered,
    }


def _iso(at: datetime | None) -> str | None:
    return timezone.localtime(at).isoformat(timespec="seconds") if at else None
