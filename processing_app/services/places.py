"""Where waiting jobs stand in the queue, for the people who wait with them."""

import logging
from collections.abc import Sequence

from core_app.batches import batched
from core_app.errors import Misconfigured, OutsideError, Silent
from processing_app.cluster.ports import Cluster, JobId
from processing_app.models import Attempt

logger = logging.getLogger(__name__)

AT_ONCE = 500
FIELDS = ("queue_position", "queue_length", "expected_start_at", "detail")
DETAIL_LENGTH = 200


def note(cluster: Cluster, waiting: Sequence[JobId]) -> None:
    """Ask once where the jobs stand, and keep it on their rows. It is a help and no evidence."""
    try:
        found = cluster.scheduler.queue(waiting)
    except (Silent, Misconfigured):
        raise
    except OutsideError as trouble:
        logger.warning("the queue of %s cannot be read: %s", cluster.name, trouble)
        return
    for some in batched(found, AT_ONCE):
        rows = Attempt.objects.filter(step__run__cluster__name=cluster.name, job_id__in=some)
        changed = list(rows.only("job_id", *FIELDS))
        for attempt in changed:
            place = found[JobId(attempt.job_id)]
            attempt.queue_position, attempt.queue_length = place.position, place.waiting
            attempt.expected_start_at = place.expected_start
            attempt.detail = place.why[:DETAIL_LENGTH] or attempt.detail
        Attempt.objects.bulk_update(changed, FIELDS, batch_size=200)
