"""Use cases that begin with processing and reach further: runs, up to what people can open."""

from datetime import timedelta

from processing_app.cluster import open_cluster
from processing_app.services import driving
from processing_app.services.driving import TickSummary
from viewers_app.services import layers


def drive(budget: timedelta) -> TickSummary:
    """Move every due attempt on once, then make new products viewable. Safe to repeat."""
    with open_cluster() as cluster:
        summary = driving.tick(cluster, budget=budget)
    summary.published = layers.publish_new_products()
    return summary
