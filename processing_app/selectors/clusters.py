"""What is the matter with clusters, in words for everybody."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from processing_app.models import Cluster, ClusterStatus
from processing_app.models.runs import RunQuerySet

_ASKED_AGAIN = "Nothing is lost: jobs there go on, and it is asked again by itself."
_PAUSED = (
    "Nothing is lost: jobs there go on. It is asked again once an operator has looked at it and "
    "resumed it."
)
_PARTLY = (
    "Some jobs wait for the rest. Nothing is lost: jobs there go on, and it is asked again by "
    "itself."
)
_FROZEN = "Jobs at work there go on; what is planned begins when it is unfrozen."


@dataclass(frozen=True, slots=True)
class ClusterTrouble:
    """One reason why runs on a cluster wait. `said` is for staff: it may name computers.

    A partial one holds up some of them, which show it themselves. `reason` is what the person who
    froze it said; it is in `meaning` too.
    """

    cluster: Cluster
    what: str
    since: datetime
    meaning: str
    said: str = ""
    is_partial: bool = False
    reason: str = ""

    @property
    def headline(self) -> str:
        return f"The cluster {self.cluster} {self.what}"


def troubles(clusters: Iterable[Cluster]) -> list[ClusterTrouble]:
    """Return everything that keeps runs on these clusters waiting; best with their status."""
    return [trouble for cluster in clusters for trouble in _of(cluster, cluster.status)]


def _of(cluster: Cluster, status: ClusterStatus) -> list[ClusterTrouble]:
    found = []
    if status.paused_at:
        found.append(
            ClusterTrouble(cluster, "is paused", status.paused_at, _PAUSED, status.trouble)
        )
    elif status.silent_since:
        said = status.trouble
        found.append(
            ClusterTrouble(cluster, "gives no answer", status.silent_since, _ASKED_AGAIN, said)
        )
    elif status.part_silent_since:
        since, said = status.part_silent_since, status.part_trouble
        found.append(
            ClusterTrouble(cluster, "answers only in part", since, _PARTLY, said, is_partial=True)
        )
    if status.frozen_at:
        reason = status.frozen_reason.rstrip(".")
        words = f"{reason}. {_FROZEN}" if reason else _FROZEN
        found.append(ClusterTrouble(cluster, "is frozen", status.frozen_at, words, reason=reason))
    return found


def clusters_with_runs(runs: RunQuerySet) -> list[Cluster]:
    """Return the clusters of these runs and those that take new ones, with how they fare."""
    used = runs.order_by().values("cluster").distinct()
    rows = Cluster.objects.filter(pk__in=used) | Cluster.objects.filter(is_offered=True)
    return list(rows.select_related("status"))
