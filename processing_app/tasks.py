"""Periodic tasks: bells that ask the database what is due."""

import time
from datetime import timedelta

from processing_app import workflows
from processing_app.models import Cluster
from processing_app.services import tidying

BUDGET = timedelta(seconds=50)
PAUSE_S = 1.0


def drive_runs() -> str:
    """Move every due attempt on for a while, so that somebody who watches sees it move.

    Safe to run twice at once, or never. Ends as soon as no run is active.
    """
    end = time.monotonic() + BUDGET.total_seconds()
    while True:
        left = timedelta(seconds=end - time.monotonic())
        summary = workflows.drive(left)
        if not summary.active or time.monotonic() + PAUSE_S >= end:
            return str(summary)
        time.sleep(PAUSE_S)


def tidy_job_folders() -> str:
    """Pack and remove folders of jobs that are long over. Safe to run twice at once, or never."""
    awake = Cluster.objects.filter(status__paused_at=None)
    return "; ".join(str(one) for one in tidying.tidy_all(awake, tidying.usual_ages()))
