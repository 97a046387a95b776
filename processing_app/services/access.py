"""The one way by which commands enter the cluster of a row."""

from collections.abc import Iterator
from contextlib import contextmanager

from processing_app.cluster import open_cluster, ports
from processing_app.models import Cluster
from processing_app.services import clusters


@contextmanager
def entered(row: Cluster) -> Iterator[ports.Cluster]:
    """Give the cluster for the length of a block; raises OutsideError if it cannot be entered."""
    with open_cluster(clusters.config_of(row)) as cluster:
        yield cluster


def named(name: str) -> list[Cluster]:
    """Return the cluster of this name, or all for an empty one; nothing for an unknown name."""
    rows = Cluster.objects.order_by("position", "name")
    return list(rows.filter(name=name) if name else rows)
